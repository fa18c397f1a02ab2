"""`check: numeric`: the number a response answers with is the reference's number."""

from __future__ import annotations

from stages.core.record import Candidate, Verdict
from stages.verify.check import bad_reference, no_answer, right_or_wrong, shown
from stages.verify.extract import find_answer, find_reference
from stages.verify.quantity import same


def numeric(candidate: Candidate, reference: str) -> Verdict:
    """Compare two numbers exactly; percent signs and units are converted. The number found becomes field `answer`."""
    gold = find_reference(reference)
    expected = gold.number if gold else None
    if expected is None:
        return bad_reference(f"there is no number in the reference {shown(repr(reference))}")
    answer = find_answer(candidate.text)
    found = answer.number if answer else None
    if found is None:
        return no_answer(expected)
    candidate.fields["answer"] = str(found)
    return right_or_wrong(same(expected, found), found, expected)
