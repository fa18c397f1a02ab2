from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stages.verify.extract import choice_of, find_answer, find_reference

STATED = [
    # labels
    ("16 - 3 = <<16-3=13>>13 left\nA: 13", "13"),
    ("A: $1,234.50", "1234.5"),
    ("A: 18 dollars per day", "18"),
    ("A: 9 * 2 = $18 every day", "18"),
    ("A: -5", "-5"),
    ("A: **18**", "18"),
    ("#### 18", "18"),
    ("She makes 9 * 2 = 18.\n#### 18\n", "18"),
    ("The answer is 18.", "18"),
    ("The answer is: 18", "18"),
    ("The final answer is $18. She is glad about 20 eggs.", "18"),
    ("The answer to the question is 18 dollars.", "18"),
    ("**Final Answer:** 18", "18"),
    ("### Final Answer\n\n18 dollars", "18"),
    ("**Answer**\n\n18", "18"),
    ("Answer = 3/4", "0.75"),
    ("The correct option is (B).", "(B)"),
    ("Therefore, the answer is \\(\\frac{3}{4}\\) of it.", "0.75"),
    ("The answer is $x = 3$ and $x = 5$.", "x = 3, x = 5"),
    ("The answer is\n\\[\nx^2 + 1\n\\]\nas was to be shown.", "x^2 + 1"),
    ("The answer is $5\\pi \\text{ cm}$.", "5\\pi"),
    ("The answer is blue.", "blue"),
    # boxes
    ("so \\boxed{18}.", "18"),
    ("\\boxed{\\frac{1}{2}} and no 3 more", "0.5"),
    ("\\boxed{\\sqrt{\\frac{x}{2}}}", "\\sqrt{\\frac{x}{2}}"),
    ("first \\boxed{1}\nthen \\boxed{2}", "2"),
    ("\\boxed{x=1}, \\boxed{y=2}", "x=1, y=2"),
    ("The answer is 7.\n\\boxed{8}", "8"),
    ("\\boxed{\\text{no solution}}", "\\text{no solution}"),
    ("cut off \\boxed{\\frac{1}{2", "\\frac{1}{2"),
    # the strongest and the last statement wins
    ("The answer is 16. No, wait.\nThe answer is 18.", "18"),
    ("The answer is 18.\nThe answer is correct.", "18"),
    ("#### Step 1: take 3\n#### Step 2: take 4\nThe answer is 12.", "12"),
    ("<think>The answer is 5.</think>The answer is 18.", "18"),
    ("The answer is 18.\n\nQ: What is 2 + 2?\nThe answer is 4.", "18"),
    ("Question: how many?\nThe answer is 18.", "18"),
]

IN_PASSING = [
    ("18", "18"),
    ("x + 1", "x + 1"),
    ("blue", "blue"),
    ("She makes 9 * 2 = $18 a day.", "18"),
    ("She eats 3 eggs and sells 9.", "9"),
    ("We have 3 and 4.\nTogether that is 7 apples.\nWell done!", "7"),
    ("First $a = 3$.\nHence $b = \\frac{a}{2}$ and we are done.", "b = \\frac{a}{2}"),
]


@pytest.mark.parametrize(("text", "answer"), STATED)
def test_the_stated_answer_is_found(text, answer):
    assert str(find_answer(text)) == answer


@pytest.mark.parametrize(("text", "answer"), IN_PASSING)
def test_without_a_statement_the_last_formula_or_number_is_the_answer(text, answer):
    assert str(find_answer(text)) == answer


@pytest.mark.parametrize("text", ["", "  \n ", "I do not know.\nSorry.", "<think>5</think>"])
def test_a_text_without_an_answer_has_none(text):
    assert find_answer(text) is None


@pytest.mark.parametrize(
    "text",
    [
        "So the price of a bag will be $41.47+$8.29 = $<<41.47+8.",
        "For the thirteenth glass Kylar needs to pay 5 * 6",
        "The answer is 5 or 6.",
        "A: 3, 4",
        "The answer is between",
    ],
)
def test_a_text_that_stops_in_mid_calculation_or_names_several_gives_no_number(text):
    answer = find_answer(text)
    assert answer is not None
    assert answer.number is None


@pytest.mark.parametrize(
    ("text", "answer"),
    [
        ("18", "18"),
        ("Janet sells 9.\nShe makes 18.\nA: 18", "18"),
        ("72\n#### 10", "10"),
        ("\\frac{1}{2}", "0.5"),
        ("(0, 1]", "(0, 1]"),
        ("12 apples and 3 pears", "12 apples and 3 pears"),
        ("It is 18 dollars", "18"),
        ("blue", "blue"),
    ],
)
def test_a_reference_is_what_it_states_or_all_of_it(text, answer):
    assert str(find_reference(text)) == answer


@pytest.mark.parametrize(
    ("text", "letter"),
    [
        ("B", "B"),
        ("(b)", "B"),
        ("B) 12 cm", "B"),
        ("B. twelve", "B"),
        ("Option C", "C"),
        ("(D) 5", "D"),
        ("Blue", None),
        ("I think 5", None),
        ("12", None),
        ("", None),
        ("x", None),
    ],
)
def test_a_choice_is_read_from_its_letter(text, letter):
    assert choice_of(text) == letter


HOSTILE = [
    "\\boxed{",
    "$",
    "\\[",
    "\\(",
    "<<",
    "A:\n",
    "answer ",
    "answer is ",
    "####",
    "**",
    "1,",
    "1 ",
    "1/",
    "\\text{",
    "(",
]


@pytest.mark.parametrize("piece", HOSTILE)
def test_repetition_costs_no_more_than_length(piece):
    """Patterns that backtrack would take minutes on these."""
    started = time.perf_counter()
    find_answer(piece * (200_000 // len(piece)))
    assert time.perf_counter() - started < 2


@given(st.lists(st.sampled_from([*HOSTILE, "18", "x", "}", "\n", "is", ".", " "]), max_size=30).map("".join))
def test_no_text_makes_extraction_fail(text):
    find_answer(text)
    find_reference(text)
