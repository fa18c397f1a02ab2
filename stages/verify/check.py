"""What a check is: it judges one candidate of a seed against what is right for that seed."""

from __future__ import annotations

from abc import ABC, abstractmethod

from stages.core.base import Equipped
from stages.core.errors import CandidateError
from stages.core.record import Candidate, Verdict

_SHOWN = 120


class Check(Equipped, ABC):
    """Judges candidates, many at once."""

    @abstractmethod
    async def judge(self, candidate: Candidate, reference: str) -> Verdict:
        """Return the verdict; `reference` is what `against` gave, empty for checks that need none.

        Raises CandidateError where it cannot be told.
        """


def right_or_wrong(right: bool, found: object, expected: object) -> Verdict:
    """Return the verdict on an answer that was found."""
    if right:
        return Verdict(True)
    return Verdict(False, reason="wrong_answer", detail=f"found {shown(found)}, expected {shown(expected)}")


def no_answer(expected: object) -> Verdict:
    return Verdict(False, reason="no_answer", detail=f"found no answer, expected {shown(expected)}")


def bad_reference(why: str) -> CandidateError:
    """Return the error where it is not known what is right: nobody's answer is wrong for that."""
    return CandidateError("bad_reference", why)


def shown(value: object) -> str:
    """Return a value on one line, cut where it is long."""
    text = " ".join(str(value).split())
    return text if len(text) <= _SHOWN else text[: _SHOWN - 3] + "..."
