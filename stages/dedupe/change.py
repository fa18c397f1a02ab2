"""Tells when a stream of outputs begins to repeat itself, and how rarely it cries wolf.

The repeat indicator (1 for an output that was there before) goes through Page's cumulative sum of log-likelihood ratios
(Biometrika 41, 1954) between the share of repeats that is usual and one that is worth an alarm. Where the alarm is at
ln R, outputs to a false one are R or more in the mean, as long as the true share is not above the usual one and outputs
are independent (Lorden, Annals of Mathematical Statistics 42, 1971). What is usual is learned from the first outputs.
"""

from __future__ import annotations

from math import log
from typing import NamedTuple

from stages.core.estimates import wilson

RUN_LENGTH = 100_000
"""Outputs to a false alarm, in the mean, at the least."""
_WARM_UP = 200
_RISE = 0.15
_LEAST, _MOST = 0.01, 0.2


class Alarm(NamedTuple):
    """Repeats have become more. Outputs are counted from 1; `began` is the likeliest beginning."""

    at: int
    began: int
    usual: float
    share: float


class Cusum:
    """The cumulative sum for a rise of a share from `usual` to `alarming`."""

    def __init__(self, usual: float, alarming: float, run_length: float) -> None:
        self._hit, self._miss = log(alarming / usual), log((1 - alarming) / (1 - usual))
        self._limit = log(run_length)
        self._sum = 0.0
        self.outputs = self.hits = 0
        """Since the sum was last at nought: since the change began, if there is one."""

    def add(self, hit: bool) -> bool:
        """Take one output in; return whether the change is plain."""
        if self._sum <= 0:
            self._sum, self.outputs, self.hits = 0.0, 0, 0
        self._sum += self._hit if hit else self._miss
        self.outputs += 1
        self.hits += hit
        return self._sum >= self._limit


class RepeatAlarm:
    """Watches one stream. After an alarm it begins anew with the same idea of what is usual.

    That is the upper 97.5 % limit of the share of repeats in the first 200 outputs, and never above 20 %: a stream that
    repeats itself from the start is told as soon as they are over.
    """

    def __init__(self, usual: float = 0.0) -> None:
        """`usual` is what an earlier one of the same stream has learned; 0 where that is not known."""
        self._outputs = self._repeats = 0
        self.usual = usual
        self._cusum = self._anew() if usual else None

    def add(self, repeat: bool) -> Alarm | None:
        """Take the next output in; return the alarm, if this one gives it."""
        self._outputs += 1
        cusum = self._cusum
        if cusum is None:
            self._learn(repeat)
        elif cusum.add(repeat):
            self._cusum = self._anew()
            began = self._outputs - cusum.outputs + 1
            return Alarm(self._outputs, began, self.usual, cusum.hits / cusum.outputs)
        return None

    def _learn(self, repeat: bool) -> None:
        self._repeats += repeat
        if self._outputs == _WARM_UP:
            self.usual = min(max(upper_limit(self._repeats, _WARM_UP), _LEAST), _MOST)
            self._cusum = self._anew()

    def _anew(self) -> Cusum:
        return Cusum(self.usual, self.usual + _RISE, RUN_LENGTH)


def upper_limit(hits: int, of: int) -> float:
    """Return the upper 97.5 % limit of a share; all, of nothing."""
    share = wilson(hits, of)
    return 1.0 if share is None else share.high
