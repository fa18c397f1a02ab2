"""The simulated judge knows the truth and errs as told."""

from __future__ import annotations

from dataclasses import replace

import pytest

from service.simulator.draws import Draws
from service.simulator.judge import Judge, Opinion, is_right
from service.simulator.options import Options
from service.simulator.questions import KnownQuestions, Question
from service.simulator.world import World
from stages.judge.canaries import CANARIES

PERFECT = Options(sensitivity=1.0, specificity=1.0)
WORLD = World(PERFECT, KnownQuestions())
ASKED = Question(text="12 + 30", gold="42", end=0)


def perfect(prompt: str) -> Opinion:
    return Judge(PERFECT).opinion(prompt, WORLD.questions(prompt), Draws(7))


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


def test_a_tagged_response_is_the_one_and_the_question_before_it_is_meant() -> None:
    """Examples before the task, and text behind the response, are neither."""
    prompt = (
        "Example: What is 1 + 1? <r>2</r>\nTask: What is 12 + 30?\n<response>\nIs it about 7 * 6? The answer is {}.\n"
        "</response>\nSay what the answer is: 41 or 42."
    )
    for answer, passes in (("42", True), ("41", False), ("2", False)):
        shown = prompt.format(answer)
        assert perfect(shown).passes is passes


def rate(response: str, *questions: Question) -> float:
    judge = Judge(Options(sensitivity=0.8, specificity=0.7))
    return sum(judge.opinion(response, questions, Draws(7, n)).passes for n in range(3000)) / 3000


def test_sensitivity_and_specificity_are_as_set() -> None:
    assert rate("The answer is 42.", ASKED) == pytest.approx(0.8, abs=0.03)
    assert rate("The answer is 41.", ASKED) == pytest.approx(0.3, abs=0.03)


def test_what_it_cannot_know_it_takes_for_right() -> None:
    assert rate("A poem about rain.") == pytest.approx(0.8, abs=0.03)


def pair(one: str, other: str) -> str:
    return f"What is 12 + 30?\n<response_a>{one}</response_a>\n<response_b>{other}</response_b>\nWhich is better?"


def first_wins(one: str, other: str, bias: float, calls: int = 2000) -> float:
    judge, prompt = Judge(Options(sensitivity=0.9, specificity=0.9, position_bias=bias)), pair(one, other)
    asked = WORLD.questions(prompt)
    return sum(judge.opinion(prompt, asked, Draws(7, n)).prefers_first for n in range(calls)) / calls


def test_of_two_the_right_one_is_mostly_preferred_wherever_it_stands() -> None:
    right, wrong = "The answer is 42.", "The answer is 41."
    assert perfect(pair(right, wrong)).prefers_first
    assert not perfect(pair(wrong, right)).prefers_first
    assert 0.8 < first_wins(right, wrong, bias=0) < 0.95
    assert first_wins(wrong, right, bias=0) == pytest.approx(1 - first_wins(right, wrong, bias=0), abs=0.03)


def test_of_two_right_ones_the_better_is_preferred_more_often() -> None:
    texts = [f"Attempt {n}: the answer is 42." for n in range(6)]
    rates = [first_wins(texts[0], other, bias=0, calls=300) for other in texts[1:]]
    assert max(rates) - min(rates) > 0.2


def test_position_bias_is_the_share_that_the_first_shown_wins_whatever_it_says() -> None:
    right, wrong = "The answer is 42.", "The answer is 41."
    for one, other in ((right, wrong), (wrong, right)):
        unbiased = first_wins(one, other, bias=0)
        assert first_wins(one, other, bias=0.3) == pytest.approx(0.3 + 0.7 * unbiased, abs=0.04)


@pytest.mark.parametrize("canary", CANARIES.values(), ids=CANARIES)
def test_a_judge_can_be_built_to_fall_for_canaries(canary: str) -> None:
    for weakness in (0.0, 0.6):
        judge = Judge(replace(PERFECT, canary_weakness=weakness))
        passed = sum(judge.opinion(canary, (ASKED,), Draws(7, n)).passes for n in range(2000)) / 2000
        assert passed == pytest.approx(weakness, abs=0.04)


def test_a_plain_error_is_no_canary() -> None:
    judge = Judge(replace(PERFECT, canary_weakness=1.0))
    assert not judge.opinion("The answer is 41.", (ASKED,), Draws(7)).passes
