"""How the votes of a panel become one verdict. A vote that could not be read counts for nobody.

Small judges of different families beat one large one (arXiv 2404.18796), and a strong one is needed only where they
are not sure (arXiv 2407.18370).
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from stages.core.record import Verdict


@dataclass(frozen=True, slots=True)
class Vote:
    """What one judge of a panel said. `passed` None: nothing that counts, for this `reason`."""

    judge: str
    passed: bool | None
    score: float | None = None
    axes: dict[str, float] = field(default_factory=dict)
    principle: str = ""
    reason: str = ""
    detail: str = ""
    escalated: bool = False

    def as_dict(self) -> dict[str, Any]:
        """Return it as it stands in a verdict, what is empty left out."""
        full = {name: getattr(self, name) for name in self.__slots__}
        known = {"passed"} | ({"score"} if self.score is not None else set())
        return {name: value for name, value in full.items() if value or name in known}


@dataclass(frozen=True, slots=True)
class Panel:
    """The rules: how to decide, from which score a candidate passes, and when a decision is not sure enough.

    `near` is how far from the threshold a score is still unsure; None: it does not matter.
    """

    decide: Literal["majority", "mean"]
    threshold: float
    near: float | None = None

    def unsure(self, votes: Sequence[Vote]) -> bool:
        """Return whether a stronger judge is to be asked: not all say the same, or the score is near the threshold."""
        if len({vote.passed for vote in votes}) > 1 or votes[0].passed is None:
            return True
        return self.near is not None and abs(_mean([vote.score or 0.0 for vote in votes]) - self.threshold) < self.near

    def verdict(self, votes: Sequence[Vote], reason: str) -> Verdict:
        """Return the verdict; `reason` is what to call it if it is against the candidate.

        Of the votes that can be read an escalated one decides alone; else more than half must be in favour, or the mean
        score must reach the threshold. Without any, the verdict is open.
        """
        readable = [vote for vote in votes if vote.passed is not None]
        deciding = [vote for vote in readable if vote.escalated] or readable
        data: dict[str, Any] = {"votes": [vote.as_dict() for vote in votes]}
        if not deciding:
            return Verdict(None, reason=votes[0].reason, detail=votes[0].detail, data=data)
        score = _mean([vote.score or 0.0 for vote in deciding])
        if axes := _axes(deciding):
            data["axes"] = axes
        passed = score >= self.threshold
        if self.decide == "majority":
            passed = 2 * sum(vote.passed is True for vote in deciding) > len(deciding)
        if passed:
            return Verdict(True, score, data=data)
        named = Counter(vote.principle for vote in deciding if vote.passed is False and vote.principle)
        if named:
            data["principle"] = named.most_common(1)[0][0]
        detail = f"score {score:.3g}, {self.threshold:.3g} is needed"
        if axes:
            worst = min(axes, key=lambda axis: axes[axis])
            detail += f"; lowest: {worst} {axes[worst]:.3g}"
        return Verdict(False, score, reason, detail, data)


def _axes(votes: Sequence[Vote]) -> dict[str, float]:
    marks: defaultdict[str, list[float]] = defaultdict(list)
    for vote in votes:
        for axis, mark in vote.axes.items():
            marks[axis].append(mark)
    return {axis: _mean(found) for axis, found in marks.items()}


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values)
