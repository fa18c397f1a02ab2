"""Votes over answers: equal answers are one option, options are counted or weighed, and a clear vote ends early.

Two rules end a vote before its cap: the posterior that the leader beats the runner-up is high enough
(Adaptive-Consistency, arXiv 2305.11860: Beta(first + 1, second + 1) above one half), or the last answers were
unanimous (ESC, arXiv 2401.10480). A third costs nothing: what is left cannot change the winner.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass

from config.judging import Stop


@dataclass(frozen=True, slots=True)
class Option:
    """An answer, the numbers of the ballots that were cast for it, and what they weigh."""

    answer: Hashable
    ballots: tuple[int, ...]
    weight: float


def tally(answers: Sequence[Hashable | None], weights: Sequence[float] | None = None) -> list[Option]:
    """Return the options, the heaviest first, ties to the one named first. None casts no vote."""
    options: dict[Hashable, list[int]] = {}
    for number, answer in enumerate(answers):
        if answer is not None:
            options.setdefault(answer, []).append(number)
    each = [1.0] * len(answers) if weights is None else weights
    weighed = [Option(answer, tuple(cast), sum(each[at] for at in cast)) for answer, cast in options.items()]
    return sorted(weighed, key=lambda option: -option.weight)


def agreement(options: Sequence[Option]) -> float:
    """Return the leader's share of the weight that was cast, 0 where nothing was."""
    total = sum(option.weight for option in options)
    return options[0].weight / total if total else 0.0


def lead(options: Sequence[Option]) -> float:
    """Return the posterior probability that the leader would win against the runner-up in the long run."""
    from scipy.special import betainc

    first, second = [*(option.weight for option in options), 0.0, 0.0][:2]
    return float(1 - betainc(first + 1, second + 1, 0.5))


def decided(options: Sequence[Option], cast: int, left: int, rule: Stop) -> bool:
    """Return whether a vote can end: `cast` ballots are in (with an answer or not), `left` could still come.

    Ballots that could still come count as one each.
    """
    if left <= 0:
        return True
    if not options:
        return False
    second = options[1].weight if len(options) > 1 else 0.0
    if options[0].weight - second > left or lead(options) > rule.posterior:
        return True
    latest = set(range(cast - rule.window, cast))
    return 0 < rule.window <= cast and any(latest <= set(option.ballots) for option in options)
