"""How often a seed is solved, from verdicts, and how hard that makes it.

A fixed number of samples has the plain rate. Where sampling went on until enough had passed, that rate is biased: of
seeds that stop at their first success it is too high by 0.06 on average (waves of two, p ~ Beta(.5, .8)). There the
rate is the mean of the Beta posterior. It is the same whatever made the sampling stop, since the likelihood is (Lindley
and Phillips 1976), and holds on average over the prior. The unbiased (r - 1) / (n - 1) (Haldane 1945) is no better for
buckets: with r = 1 it calls 0 whatever was not solved at once.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any

from config.scoring import Bucket
from stages.core.estimates import PRIOR, wilson
from stages.core.record import Candidate

_EASY, _HARD = 0.75, 0.25


@dataclass(frozen=True, slots=True)
class PassRate:
    """`passed` of `samples`, the rate that they say, and Wilson's 95 % interval of the counts."""

    passed: int
    samples: int
    rate: float
    low: float
    high: float

    def as_dict(self) -> dict[str, Any]:
        """Return it as it stands in a verdict."""
        shown = {"pass_rate": self.rate, "low": self.low, "high": self.high}
        counts = {"passed": self.passed, "samples": self.samples}
        return counts | {name: round(value, 4) for name, value in shown.items()}


def is_right(candidate: Candidate, of: Collection[str]) -> bool | None:
    """Tell whether a candidate solves its seed, by the verdicts of the stages `of`; None where they do not tell.

    A reply that was cut off or empty is wrong before anything judges it. Whoever fell on the way, to a stage that tells
    something else, tells nothing; nor does a copy that was made of another candidate.
    """
    if "from" in candidate.lineage or (candidate.state == "failed" and not candidate.verdicts):
        return None
    if candidate.state == "rejected" and not candidate.verdicts:
        return False
    said = [candidate.verdicts[name].passed for name in of if name in candidate.verdicts]
    if False in said:
        return False
    whole = len(said) == len(of) or (said and candidate.state in ("live", "accepted"))
    return True if whole and None not in said else None


def pass_rate(outcomes: Sequence[bool | None], adaptive: bool) -> PassRate | None:
    """Return what the outcomes say, those that are None left out; None of nothing. `adaptive`: they decided on more."""
    told = [outcome for outcome in outcomes if outcome is not None]
    interval = wilson(sum(told), len(told))
    if interval is None:
        return None
    rate = PRIOR.after(sum(told), len(told) - sum(told)).mean if adaptive else interval.value
    return PassRate(sum(told), len(told), rate, interval.low, interval.high)


def bucket_of(found: PassRate | None, min_samples: int) -> Bucket:
    """Return how hard a seed is: unknown before `min_samples`, unsolved only where none of them passed."""
    if found is None or found.samples < min_samples:
        return "unknown"
    if not found.passed:
        return "unsolved"
    return "easy" if found.rate > _EASY else "hard" if found.rate < _HARD else "moderate"
