"""Which texts are arithmetic questions, and what they come to."""

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.simulator.arithmetic import near_misses, questions, read, show


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("What is 3 + 4?", "7"),
        ("what is 12 - 30", "-18"),
        ("Calculate 2 + 3 * 4.", "14"),
        ("Solve step by step: (2 + 3) * 4", "20"),
        ("What's 1,200 \u00d7 3?", "3600"),
        ("Compute the value of 7 ÷ 2, please.", "3.5"),
        ("What is 0.1 + 0.2?", "0.3"),
        ("9 x 9 =", "81"),
        ("Is it true? 5 \u2212 8 = ?", "-3"),
        ("What is -3 + 4?", "1"),
    ],
)
def test_finds_and_works_out_a_question(text: str, value: str) -> None:
    (question,) = questions(text)
    assert question.gold == question.steps[-1][1] == value


@pytest.mark.parametrize(
    "text",
    [
        "She pays 48/2 = 24 dollars.",
        "First, calculate 48 / 2 = 24.",
        "On 2024-10-05 it rained.",
        "What is 3?",
        "What is 3 / 0?",
        "What is 007 + 1?",
        "Why?",
    ],
)
def test_what_asks_nothing_or_has_no_answer_is_no_question(text: str) -> None:
    assert list(questions(text)) == []


def test_examples_in_a_prompt_come_before_the_question() -> None:
    assert [q.text for q in questions("What is 1 + 1? It is 2. What is 20 / 5?")] == ["1 + 1", "20 / 5"]


def test_a_parenthesis_around_the_question_does_not_hide_it() -> None:
    (question,) = questions("(What is 3 + 4)")
    assert question.gold == "7"


@given(st.lists(st.sampled_from("0123456789+-*/(). x÷,?="), max_size=80).map("".join))
def test_no_text_makes_it_fail(text: str) -> None:
    list(questions(f"What is {text}?"))


@given(st.decimals(min_value=-10000, max_value=10000, places=2))
def test_near_misses_are_several_and_never_the_value_itself(value) -> None:
    misses = near_misses(Fraction(value))
    assert len(misses) >= 3
    assert len(set(misses)) == len(misses)
    assert Fraction(value) not in [read(miss) for miss in misses]


@pytest.mark.parametrize(
    ("text", "value"), [(" $1,234.50 ", "1234.5"), ("-7", "-7"), ("85%", "85"), (".5", "0.5"), ("12 cows", None)]
)
def test_reads_numbers_as_people_write_them(text: str, value: str | None) -> None:
    number = read(text)
    assert (number if number is None else show(number)) == value
