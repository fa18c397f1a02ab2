"""The simulated judge knows the truth and errs as told."""

from __future__ import annotations

import pytest

from service.simulator.draws import Draws
from service.simulator.judge import Judge, is_right
from service.simulator.options import JudgeSkill, Skill
from service.simulator.truth import KnownQuestions
from service.simulator.world import Question, World
from stages.judge.constitution import Principle
from stages.prompts.builtin import builtin
from stages.prompts.template import Template

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


def test_a_tagged_response_is_the_one_and_the_question_before_it_is_meant() -> None:
    """Examples before the task, and text behind the response, are neither."""
    prompt = (
        "Example: What is 1 + 1? <r>2</r>\nTask: What is 12 + 30?\n<response>\nIs it about 7 * 6? The answer is {}.\n"
        "</response>\nSay what the answer is: 41 or 42."
    )
    world, perfect = World(7, Skill(), KnownQuestions([])), Judge(JudgeSkill(1.0, 1.0))
    for answer, passes in (("42", True), ("41", False), ("2", False)):
        shown = prompt.format(answer)
        assert perfect.verdict(shown, list(world.questions(shown)), Draws(7)) is passes


@pytest.mark.parametrize(("answer", "passes"), [("42", True), ("41", False)])
def test_it_reads_the_prompt_that_tamis_itself_sends(answer: str, passes: bool) -> None:
    steps = Principle(id="steps", text="It shows steps.", examples=["To 'What is 2 + 2?' only '5.'"])
    principles = [steps.model_dump() | {"eliminations": steps.eliminations}]
    scope = {"principles": principles, "task": "What is 12 + 30?", "response": f"12 + 30 = {answer}."}
    shown = Template(builtin("eliminate")).render(scope)
    questions = list(World(7, Skill(), KnownQuestions([])).questions(shown))
    assert Judge(JudgeSkill(1.0, 1.0)).verdict(shown, questions, Draws(7)) is passes


def rate(response: str, *questions: Question) -> float:
    judge = Judge(JudgeSkill(sensitivity=0.8, specificity=0.7))
    return sum(judge.verdict(response, questions, Draws(7, n)) for n in range(3000)) / 3000


def test_sensitivity_and_specificity_are_as_set() -> None:
    assert rate("The answer is 42.", ASKED) == pytest.approx(0.8, abs=0.03)
    assert rate("The answer is 41.", ASKED) == pytest.approx(0.3, abs=0.03)


def test_what_it_cannot_know_it_takes_for_right() -> None:
    assert rate("A poem about rain.") == pytest.approx(0.8, abs=0.03)
