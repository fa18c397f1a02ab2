"""`check: exact` and `check: numeric`: quick functions of a response and the reference."""

from __future__ import annotations

from collections.abc import Callable

from stages.core.record import Candidate, Verdict
from stages.verify.check import Check, bad_reference, no_answer, right_or_wrong, shown
from stages.verify.extract import find_answer, find_reference
from stages.verify.quantity import same


class Quick(Check):
    """A check that is such a function."""

    def __init__(self, verdict: Callable[[Candidate, str], Verdict]) -> None:
        self._verdict = verdict

    async def judge(self, candidate: Candidate, reference: str) -> Verdict:
        return self._verdict(candidate, reference)


def exact(candidate: Candidate, reference: str) -> Verdict:
    """Compare character by character, but for white space around."""
    found, expected = candidate.text.strip(), reference.strip()
    if not expected:
        raise bad_reference("the reference is empty")
    return right_or_wrong(found == expected, found, expected) if found else no_answer(expected)


def numeric(candidate: Candidate, reference: str) -> Verdict:
    """Compare two numbers exactly; percent signs and units are converted. The number found becomes field `answer`."""
    gold = find_reference(reference)
    expected = gold.number if gold else None
    if expected is None:
        raise bad_reference(f"there is no number in the reference {shown(repr(reference))}")
    answer = find_answer(candidate.text)
    found = answer.number if answer else None
    if found is None:
        return no_answer(expected)
    candidate.fields["answer"] = str(found)
    return right_or_wrong(same(expected, found), found, expected)
