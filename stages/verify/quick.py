"""`check: exact` and `check: numeric`: a response and the reference compared at once."""

from __future__ import annotations

from stages.core.record import Candidate, Verdict
from stages.verify.check import Check, bad_reference, no_answer, right_or_wrong, shown
from stages.verify.extract import find_answer, find_reference
from stages.verify.quantity import same


class Exact(Check):
    """Compares character by character, but for white space around."""

    async def judge(self, candidate: Candidate, reference: str) -> Verdict:
        found, expected = candidate.text.strip(), reference.strip()
        if not expected:
            raise bad_reference("the reference is empty")
        return right_or_wrong(found == expected, found, expected) if found else no_answer(expected)


class Numeric(Check):
    """Compares two numbers exactly; percent signs and units are converted. The number found becomes field `answer`."""

    async def judge(self, candidate: Candidate, reference: str) -> Verdict:
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
