from __future__ import annotations

from typing import Any

import pytest

from stages.core.errors import CandidateError
from stages.core.record import Candidate, Verdict
from stages.verify.grounded import Grounded

TEXT = """\
The reactor at Obninsk was the first to feed a power grid. It was started in June 1954 and gave 5 megawatts of
electricity. "It hummed like a hive", wrote Malykh, who kept it running until 2002."""


async def judged(text: str, min_score: float | None = None, **fields: Any) -> Verdict:
    return await Grounded(min_score).judge(Candidate(0, text, fields=fields), TEXT)


@pytest.mark.parametrize(
    "text",
    [
        "It was started in 1954.",
        "The power grid was first fed by the reactor at Obninsk.",
        "As Malykh wrote, “It hummed like a hive”.",
        "1954",
        "It gave 5.0 megawatts.\n- It kept running until 2002.",
    ],
)
async def test_what_the_text_says_passes_in_whatever_order(text: str) -> None:
    assert (await judged(text)).passed is True


@pytest.mark.parametrize(
    ("text", "detail"),
    [
        ("It was started in 1955.", "numbers that are not in the reference (1955): It was started in 1955."),
        ("It was built by Kurchatov.", "names that are not in the reference (Kurchatov)"),
        ("Cheese comes from cows that graze in meadows.", "0 of 7 longer words are in the reference"),
        ('Malykh wrote that "it hummed like a fridge".', "no quotation from the reference: it hummed like a fridge"),
        ("It was started in 1954. Then came winter, famine and plague.", "longer words"),
    ],
)
async def test_what_is_made_up_is_told(text: str, detail: str) -> None:
    verdict = await judged(text)
    assert (verdict.passed, verdict.reason) == (False, "ungrounded")
    assert detail in verdict.detail


async def test_evidence_is_looked_for_too() -> None:
    assert (await judged("In 1954.", evidence="started in June\n1954")).passed is True
    assert (await judged("In 1954.", evidence="started in June, 1954")).passed is False


async def test_a_share_of_the_sentences_may_be_enough() -> None:
    text = "It was started in 1954. It gave 5 megawatts. It cost 7 million."
    verdict = await judged(text, min_score=0.6)
    assert (verdict.passed, verdict.score) == (True, pytest.approx(2 / 3))
    assert (await judged(text, min_score=0.7)).passed is False


async def test_what_it_does_not_see() -> None:
    """It is told in the documents: a sentence that turns round what the text says is of the same words."""
    assert (await judged("The reactor at Obninsk was not the first to feed a power grid.")).passed is True


async def test_an_empty_reference_or_response_is_no_verdict() -> None:
    with pytest.raises(CandidateError, match="bad_reference"):
        await Grounded().judge(Candidate(0, "x"), " ")
    with pytest.raises(CandidateError, match="empty"):
        await judged(" ")
