from __future__ import annotations

import pytest

from stages.score.steps import matched_steps

TASK = "Natalia sold 48 clips in April and half as many in May. How many in all?"
GSM8K = "Natalia sold 48/2 = <<48/2=24>>24 clips in May.\nIn all she sold 48+24 = <<48+24=72>>72 clips.\n#### 72"


@pytest.mark.parametrize(
    ("response", "matched"),
    [
        ("Half of 48 is 48 / 2 = 24. Together 48 + 24 = 72.", 2),
        ("48 / 2 = 24, so 48 + 24 = 71.", 1),
        ("In May she sold 24, half of them. In all it was 72.", 2),
        ("The answer is 72.", 1),
        ("", 0),
    ],
)
def test_a_step_is_matched_where_all_that_is_new_in_it_stands_in_the_response(response: str, matched: int):
    assert matched_steps(response, GSM8K, TASK) == (matched, 2)


def test_what_only_repeats_the_task_or_a_step_before_is_no_step():
    assert matched_steps("", "There are 48 clips. Half of them is 24. So 24 it is.", TASK) == (0, 1)


@pytest.mark.parametrize(
    ("reference", "response"),
    [
        ("It costs $1,200.50.", "So 1200.5 dollars."),
        ("2x + 3 = 7, so 2x = 4.", "From 2x+3 = 7 we get 2x = 4"),
        (r"Then \frac{1}{2} remains.", r"It is \frac{1}{2}."),
        ("x^2 - 1 is left", "what is left is x^2-1"),
    ],
)
def test_numbers_and_expressions_are_found_in_whatever_spelling(reference: str, response: str):
    assert matched_steps(response, reference, "Solve it.") == (1, 1)
    assert matched_steps("something else, 99", reference, "Solve it.") == (0, 1)


def test_a_reference_without_numbers_has_no_steps():
    assert matched_steps("Because it is so.", "Paris is the capital. It always was.", "What is it?") == (0, 0)
