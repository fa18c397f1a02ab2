"""Preference pairs: which candidates of a seed make one, and its row as TRL's conversational preference type has it.

Invariants: the better one was accepted; the margin is positive, so ties make no pair; the two differ once case, width
and white space are set aside; the worse one of a pair stands in no other.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial

from config.schema import Pairs
from stages.core.record import Candidate, Group, Message
from stages.core.text import normal
from stages.io.exports.format import Format, Made, Row

BY_COMPARISON = frozenset({"disagreed", "duplicate", "not_selected"})
"""Reasons that say that another was taken, and not that this one is worse."""
OF_NO_QUALITY = frozenset({"contaminated", "empty", "no_agreement", "over_quota", "truncated"})
"""Reasons that say nothing of which one of two is worse."""


@dataclass(frozen=True, slots=True)
class Pair:
    """A better and a worse candidate, what makes it the worse one (a stage, a model's alias), and by how much."""

    chosen: Candidate
    rejected: Candidate
    by: str
    margin: float


def pairs(
    samples: Sequence[Candidate],
    candidates: Iterable[Candidate],
    policy: Pairs,
    prompt_of: Callable[[Candidate], list[Message]],
) -> list[Pair]:
    """Return the pairs of accepted `samples` with those `candidates` that did not pass, best first, by the policy."""
    by_model = policy.by == "model"
    if by_model:
        samples = [c for c in samples if c.lineage.get("endpoint") in policy.strong]
    if not samples:
        return []
    find, names, measure = (_weak, policy.weak, model_margin) if by_model else (not_passed, policy.rejected, margin)
    worse = [(c, found) for c in candidates if (found := find(c, names)) is not None]
    possible = [
        Pair(chosen, rejected, found, by)
        for chosen in samples
        for rejected, found in worse
        if (by := measure(chosen, rejected, found)) is not None
        and 0 < by >= policy.min_margin
        and not same_answer(chosen, rejected)
        and prompt_of(chosen) == prompt_of(rejected)
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
        if verdict.passed is False and verdict.reason not in OF_NO_QUALITY and (not stages or stage in stages):
            return stage
    rejected = candidate.state == "rejected" and candidate.reason not in OF_NO_QUALITY
    return candidate.stage if rejected and (not stages or candidate.stage in stages) else None


def _weak(candidate: Candidate, aliases: Sequence[str]) -> str | None:
    """Return the alias of the weak model that wrote a candidate, whatever became of it."""
    alias: str | None = candidate.lineage.get("endpoint")
    return alias if alias in aliases and candidate.state in ("accepted", "rejected") else None


def model_margin(chosen: Candidate, rejected: Candidate, alias: str) -> float | None:
    """Return by how much a weak model's candidate is worse: by the scores, or 1 where not both have one."""
    return _difference(chosen.score, rejected.score, unknown=1.0)


def reason_of(candidate: Candidate, stage: str) -> str:
    """Return why a candidate did not pass a stage."""
    verdict = candidate.verdicts.get(stage)
    return candidate.reason if verdict is None else verdict.reason


def margin(chosen: Candidate, rejected: Candidate, stage: str) -> float | None:
    """Return how much worse the rejected one is, None where nothing says so.

    Where the chosen one passed what the other did not: the difference of the stage's own scores, or 1 for right
    against wrong. Where the other one only lost a comparison (not selected): by how much it more often loses than wins
    against the chosen one, from the strengths of a ranking; without one, the difference of their scores.
    """
    passed, failed = chosen.verdicts.get(stage), rejected.verdicts.get(stage)
    if reason_of(rejected, stage) in BY_COMPARISON:
        one, other = _strength(chosen), _strength(rejected)
        if one is None or other is None:
            return _difference(chosen.score, rejected.score, unknown=None)
        return round((one - other) / (one + other), 6)  # a fit leaves ties a last bit apart
    if passed is None or failed is None or not passed.passed:
        return None
    return _difference(passed.score, failed.score, unknown=1.0)


def _strength(candidate: Candidate) -> float | None:
    """Return the Bradley-Terry strength that the last ranking gave, where there was one."""
    found = (
        verdict.data["strength"] for verdict in reversed(candidate.verdicts.values()) if "strength" in verdict.data
    )
    return next(found, None)


def _difference(better: float | None, worse: float | None, unknown: float | None) -> float | None:
    return unknown if better is None or worse is None else better - worse


def same_answer(one: Candidate, other: Candidate) -> bool:
    return one.tool_calls == other.tool_calls and normal(one.text) == normal(other.text)


class _Preference(Format):
    """A row per pair, both sides answers to one prompt. Beside TRL's columns: how the two differ, and their ids."""

    def rows(self, group: Group) -> Iterator[Made]:
        prompt_of = partial(self._turns.prompt, group)
        for pair in pairs(self._samples(group), group.candidates, self._output.pairs, prompt_of):
            sides = self._sides(
                self._prompt(group, pair.chosen), self._turns.answer(pair.chosen), self._turns.answer(pair.rejected)
            )
            yield Made({**sides, **_compared(group, pair), **self._more(group)}, pair.chosen)

    @abstractmethod
    def _sides(self, prompt: list[Message], chosen: Message, rejected: Message) -> Row: ...


class Dpo(_Preference):
    """`prompt`, `chosen`, `rejected`: what TRL's DPOTrainer wants."""

    def _sides(self, prompt: list[Message], chosen: Message, rejected: Message) -> Row:
        return {"prompt": prompt, "chosen": [chosen], "rejected": [rejected]}


class Reward(_Preference):
    """`chosen`, `rejected`, each the whole conversation: what TRL's RewardTrainer wants. It reads `margin` too."""

    def _sides(self, prompt: list[Message], chosen: Message, rejected: Message) -> Row:
        return {"chosen": [*prompt, chosen], "rejected": [*prompt, rejected]}


def _compared(group: Group, pair: Pair) -> Row:
    return {
        "margin": pair.margin,
        "chosen_length": len(pair.chosen.text),
        "rejected_length": len(pair.rejected.text),
        "rejected_by": pair.by,
        "chosen_id": group.candidate_id(pair.chosen),
        "rejected_id": group.candidate_id(pair.rejected),
    }
