"""What models say of a candidate on several axes, made one number: each model's own, then the mean of the panel.

Marks are put on a scale of 0 to 1 first. Some models' numbers compare only within one prompt, and panels mix strict and
mild ones; `per_seed` therefore takes each model's scores as deviations from its own mean for the seed, in its standard
deviations there.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from math import prod
from statistics import fmean, pstdev
from typing import Literal

from stages.core.record import Candidate, Group
from stages.llm.protocol import Model

Mark = Callable[[Model, Group, Candidate], Awaitable[tuple[float, dict[str, float]]]]
"""Has a model mark a candidate: the overall mark, and the mark by axis; raises CandidateError where it gave none."""


@dataclass(frozen=True, slots=True)
class Opinion:
    """What one model said: its score of 0 to 1 and its marks; a score of None: nothing, for this `reason`."""

    judge: str
    score: float | None
    axes: dict[str, float] = field(default_factory=dict)
    reason: str = ""
    detail: str = ""


def combined(
    marks: Mapping[str, float], weights: Mapping[str, float], how: Literal["weighted", "min", "geometric"]
) -> float:
    """Return one score of marks between 0 and 1; axes that weigh nothing do not count."""
    counting = {axis: mark for axis, mark in marks.items() if weights[axis]}
    if how == "min":
        return min(counting.values())
    total = sum(weights[axis] for axis in counting)
    if how == "geometric":
        return float(prod(mark ** (weights[axis] / total) for axis, mark in counting.items()))
    return sum(mark * weights[axis] for axis, mark in counting.items()) / total


def per_seed(panels: Sequence[Sequence[Opinion]]) -> list[list[Opinion]]:
    """Return the candidates' opinions with each judge's scores standardised among them; equal ones are all 0."""
    scores: dict[str, list[float]] = {}
    for panel in panels:
        for one in panel:
            if one.score is not None:
                scores.setdefault(one.judge, []).append(one.score)
    means = {judge: (fmean(found), pstdev(found)) for judge, found in scores.items()}

    def standard(one: Opinion) -> Opinion:
        if one.score is None:
            return one
        mean, deviation = means[one.judge]
        return replace(one, score=(one.score - mean) / deviation if deviation else 0.0)

    return [[standard(one) for one in panel] for panel in panels]
