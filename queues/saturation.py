"""How many calls a server works on at once, learned from how much it gets done.

A server that queues instead of refusing answers later and later; one that batches answers later too, and still gets
more done in total. So what counts is not how long a call takes but what comes back in a second: replies, or the tokens
in them. While the limit rises, twice the places without a tenth more work end the rise, and the limit is what did the
best, and a little more. From then on a window at the limit and one beside it (a quarter above, a tenth below) are
compared in turn: above must bring 5 % more to be kept, below may lose 1.5 %. What was tried in vain is tried again
after twice as long, at most two minutes.

A window counts only while all places are taken and nobody is refused: else it is the demand that is measured, or a
limit that others look for. If it is this process that cannot keep up, more calls do not help either, and holding is
right.
"""

from __future__ import annotations

import math

RISES = 1.1
MARGIN = 1.1
ABOVE, BELOW = 1.25, 0.9
GAIN, LOSS = 1.05, 0.985
WINDOW = 600
REST_S, LONGEST_REST_S = 4.0, 120.0


class SaturationLimit:
    """The limit is infinite until the rise has ended. `most`: where it ends at the latest."""

    def __init__(self, most: int) -> None:
        self.value = math.inf
        self._most = most
        self._rise: list[tuple[float, float]] = []  # limits, and what was done in a second under each
        self._base = self._rate = 0.0
        self._try = BELOW
        self._in_vain = 0
        self._rests_until = 0.0
        self._limit = self._began = self._work = 0.0  # the window: its limit, when it began, what came back in it
        self._count = self._skip = self._ends_with = 0  # replies so far, those before it begins, those it ends with

    def served(self, now: float, work: float, limit: float, full: bool) -> None:
        """Hear of a reply that brought `work`, under the `limit` in force; `full`: all places were taken."""
        if not full or self._ends_with == 0 or (self.value < math.inf and limit < self.value):
            self._begin(now, limit)
            return
        self._count += 1
        if self._count <= self._skip:  # these began before the window
            self._began = now
            return
        self._work += work
        if self._count >= self._ends_with and now > self._began:
            self._ended(now, self._work / (now - self._began))
            self._begin(now, min(limit, self.value))

    def refused(self, now: float, limit: float) -> None:
        """Hear of a refusal: what comes back now is what the server admits, not what it can do."""
        self._begin(now, limit)

    def _begin(self, now: float, limit: float) -> None:
        """Begin a window: whole turns of all places, since calls that began together come back together."""
        turns = max(2, math.ceil(WINDOW / limit)) if limit and self.value < math.inf else 1
        self._skip = 0 if self.value == math.inf else math.ceil(1.5 * limit)
        self._ends_with = self._skip + turns * math.ceil(limit)
        self._began, self._limit, self._count, self._work = now, limit, 0, 0.0

    def _ended(self, now: float, rate: float) -> None:
        if self.value == math.inf:
            self._risen(rate)
        elif self.value == self._base:
            self._rate = rate
            if now >= self._rests_until:
                self.value = min(max(1.0, round(self._base * self._try)), self._most)
        else:
            self._compared(now, rate)

    def _risen(self, rate: float) -> None:
        self._rise.append((self._limit, rate))
        enough = [limit for limit, other in self._rise if other * RISES >= rate]
        if 2 * enough[0] <= self._limit or self._limit >= self._most:
            self.value = self._base = min(math.ceil(MARGIN * enough[0]), self._most)

    def _compared(self, now: float, rate: float) -> None:
        if rate >= self._rate * (GAIN if self._try > 1 else LOSS):
            self._base, self._rate, self._in_vain = self.value, rate, 0
            return
        self.value = self._base
        self._try = BELOW if self._try > 1 else ABOVE
        self._in_vain += 1
        self._rests_until = now + min(REST_S * 2.0**self._in_vain, LONGEST_REST_S)
