"""`check: exact`: the response is the reference, character by character, but for white space around it."""

from __future__ import annotations

from stages.core.record import Candidate, Verdict
from stages.verify.check import bad_reference, no_answer, right_or_wrong


def exact(candidate: Candidate, reference: str) -> Verdict:
    found, expected = candidate.text.strip(), reference.strip()
    if not expected:
        return bad_reference("the reference is empty")
    if not found:
        return no_answer(expected)
    return right_or_wrong(found == expected, found, expected)
