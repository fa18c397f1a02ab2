"""Answers as votes and cross-checks take them: found in a response, compared with each other."""

from __future__ import annotations

import pytest

from config.stage import Extract
from stages.verify.answers import answers


@pytest.mark.parametrize(
    ("kind", "one", "other", "agree"),
    [
        ("numeric", "So it is 0.5.", "The answer is 1/2", True),
        ("numeric", "The answer is 3 km", "The answer is 3000 m", True),
        ("numeric", "The answer is 3", "The answer is 4", False),
        ("choice", "The answer is (b).", "Answer: B) twelve", True),
        ("choice", "The answer is (b).", "Answer: C", False),
        ("text", "Paris.", " paris\n", True),
        ("text", "Paris", "Rome", False),
        ("math", r"\boxed{x^2 - 1}", r"The answer is $(x-1)(x+1)$", True),
        ("math", r"\boxed{x^2 - 1}", r"The answer is $(x-1)(x+2)$", False),
    ],
)
async def test_answers_that_mean_the_same_agree(kind: Extract, one: str, other: str, agree: bool) -> None:
    if kind == "math":
        pytest.importorskip("math_verify")
    found = answers(kind)
    first, second = found.find(one), found.find(other)
    assert first is not None
    await found.start()
    try:
        assert (first == second or await found.same(first, second)) is agree
    finally:
        await found.stop()


@pytest.mark.parametrize(("kind", "text"), [("numeric", "I do not know"), ("choice", "It is 12"), ("text", " .\n")])
def test_a_response_without_an_answer_of_the_kind_casts_no_vote(kind: Extract, text: str) -> None:
    assert answers(kind).find(text) is None
