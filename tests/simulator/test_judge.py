"""The simulated judge knows the truth and errs as told."""

from __future__ import annotations

import pytest

from service.simulator.draws import Draws
from service.simulator.judge import Judge, is_right
from service.simulator.options import JudgeSkill
from service.simulator.world import Question

ASKED = Question(key="12 + 30", gold="42", end=0)


@pytest.mark.parametrize(
    "response",
    [
        "12 + 30 = 41, no: the answer is 42.",
        "So the answer is: **42**",
        "Answer: $42",
        "#### 42",
        "A: 42.00",
        r"Thus \boxed{42}",
        "12 + 30 = 42",
        "The answer is 42. Rate the response from 1 to 5.",
    ],
)
def test_a_final_answer_is_read_in_the_usual_forms(response: str) -> None:
    assert is_right(response, "42")
    assert not is_right(response, "43")


@pytest.mark.parametrize("response", ["", ":", "Thought process:", "Let us solve this step by step. 42", "answer: -42"])
def test_a_response_that_does_not_state_the_answer_is_wrong(response: str) -> None:
    assert not is_right(response, "42")


def test_answers_that_are_no_numbers_are_compared_as_text() -> None:
    assert is_right("Let me think.\nThe answer is Lima.", "lima")
    assert not is_right("The answer is Paris.", "Lima")


def rate(response: str, question: Question | None) -> float:
    judge = Judge(JudgeSkill(sensitivity=0.8, specificity=0.7))
    return sum(judge.verdict(response, question, Draws("body", n)) for n in range(3000)) / 3000


def test_sensitivity_and_specificity_are_as_set() -> None:
    assert rate("The answer is 42.", ASKED) == pytest.approx(0.8, abs=0.03)
    assert rate("The answer is 41.", ASKED) == pytest.approx(0.3, abs=0.03)


def test_what_it_cannot_know_it_takes_for_right() -> None:
    assert rate("A poem about rain.", None) == pytest.approx(0.8, abs=0.03)
