"""What a check is: it judges the candidates of one seed against what is right for that seed."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence

from stages.core.record import Candidate, Verdict
from stages.verify.workers import Lost

_SHOWN = 120


class Check(ABC):
    """Judges the candidates of a seed. `reference` is what `against` gave; empty for checks that need none."""

    async def start(self) -> None:  # noqa: B027  a hook that most checks leave empty
        """Make ready. Raises InputError where it cannot work."""

    async def stop(self) -> None:  # noqa: B027  a hook that most checks leave empty
        """Release what `start` took."""

    @abstractmethod
    async def judge(self, candidates: Sequence[Candidate], reference: str) -> list[Verdict]:
        """Return a verdict for each candidate, in order."""


class EachAlone(Check):
    """A check that is a quick function of one candidate and the reference."""

    def __init__(self, verdict: Callable[[Candidate, str], Verdict]) -> None:
        self._verdict = verdict

    async def judge(self, candidates: Sequence[Candidate], reference: str) -> list[Verdict]:
        return [self._verdict(candidate, reference) for candidate in candidates]


def right_or_wrong(right: bool, found: object, expected: object) -> Verdict:
    """Return the verdict on an answer that was found."""
    if right:
        return Verdict(True)
    return Verdict(False, reason="wrong_answer", detail=f"found {shown(found)}, expected {shown(expected)}")


def no_answer(expected: object) -> Verdict:
    return Verdict(False, reason="no_answer", detail=f"found no answer, expected {shown(expected)}")


def bad_reference(why: str) -> Verdict:
    """Return the verdict where it is not known what is right: nobody's answer is wrong for that."""
    return Verdict(None, reason="bad_reference", detail=why)


def lost(why: Lost, doing: str, limit_s: float) -> Verdict:
    """Return the verdict where a worker process gave no answer."""
    took = f"took longer than {limit_s:g} s" if why is Lost.TIMEOUT else "ended its process"
    return Verdict(None, reason=why.value, detail=f"{doing} {took}")


def shown(value: object) -> str:
    """Return a value on one line, cut where it is long."""
    text = " ".join(str(value).split())
    return text if len(text) <= _SHOWN else text[: _SHOWN - 3] + "..."
