"""Which candidates of a seed make a preference pair.

Invariants: the better one was accepted; the margin is positive, so ties make no pair; the two differ once case, width
and white space are set aside; the worse one of a pair stands in no other.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from config.schema import Pairs
from stages.core.record import Candidate
from stages.core.text import normal

BY_COMPARISON = frozenset({"not_selected", "duplicate"})
"""Reasons that say that another was taken, and not that this one is worse."""


@dataclass(frozen=True, slots=True)
class Pair:
    """A better and a worse candidate, the stage that the worse one did not pass, and by how much it is worse."""

    chosen: Candidate
    rejected: Candidate
    stage: str
    margin: float


def pairs(
    samples: Sequence[Candidate],
    candidates: Iterable[Candidate],
    policy: Pairs,
    same_prompt: Callable[[Candidate, Candidate], bool],
) -> list[Pair]:
    """Return the pairs of accepted `samples` with those `candidates` that did not pass, best first, by the policy."""
    if not samples:
        return []
    worse = [(c, stage) for c in candidates if (stage := not_passed(c, policy.rejected)) is not None]
    possible = [
        Pair(chosen, rejected, stage, by)
        for chosen in samples
        for rejected, stage in worse
        if (by := margin(chosen, rejected, stage)) is not None
        and 0 < by >= policy.min_margin
        and not same_answer(chosen, rejected)
        and same_prompt(chosen, rejected)
    ]
    possible.sort(key=_ORDER[policy.pick])
    taken: dict[int, Pair] = {}
    for pair in possible:
        if len(taken) < policy.per_seed:
            taken.setdefault(pair.rejected.n, pair)
    return list(taken.values())


_ORDER: dict[str, Callable[[Pair], float]] = {
    "nearest_length": lambda pair: abs(len(pair.chosen.text) - len(pair.rejected.text)),
    "lowest_score": lambda pair: -pair.margin,
    "first": lambda pair: pair.rejected.n,
}
"""Which pair comes first; in ties the candidates' order decides."""


def not_passed(candidate: Candidate, stages: Sequence[str]) -> str | None:
    """Return the first stage, of these or of any, whose verdict a candidate did not pass: rejected, or only marked."""
    for stage, verdict in candidate.verdicts.items():
        if verdict.passed is False and (not stages or stage in stages):
            return stage
    rejected = candidate.state == "rejected" and (not stages or candidate.stage in stages)
    return candidate.stage if rejected else None


def margin(chosen: Candidate, rejected: Candidate, stage: str) -> float | None:
    """Return how much worse the rejected one is, None where nothing says so.

    Where the chosen one passed what the other did not: the difference of the stage's own scores, or 1 for right
    against wrong. Where the other one only lost a comparison (not selected): by how much it more often loses than wins
    against the chosen one, from the strengths of a ranking; without one, the difference of their scores.
    """
    passed, failed = chosen.verdicts.get(stage), rejected.verdicts.get(stage)
    reason = failed.reason if failed is not None else rejected.reason
    if reason in BY_COMPARISON:
        one, other = _strength(chosen), _strength(rejected)
        if one is None or other is None:
            return _difference(chosen.score, rejected.score)
        return round((one - other) / (one + other), 6)  # a fit leaves ties a last bit apart
    if passed is None or failed is None or not passed.passed:
        return None
    difference = _difference(passed.score, failed.score)
    return 1.0 if difference is None else difference


def _strength(candidate: Candidate) -> float | None:
    """Return the Bradley-Terry strength that the last ranking gave, where there was one."""
    found = (
        verdict.data["strength"] for verdict in reversed(candidate.verdicts.values()) if "strength" in verdict.data
    )
    return next(found, None)


def _difference(better: float | None, worse: float | None) -> float | None:
    return None if better is None or worse is None else better - worse


def same_answer(one: Candidate, other: Candidate) -> bool:
    return one.tool_calls == other.tool_calls and normal(one.text) == normal(other.text)
