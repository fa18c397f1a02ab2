from __future__ import annotations

import pytest

from stages.transform.language import other_language

ENGLISH = "First we find how many boxes there are, and then we count what is in them."
FORMULAS = "Day 1:50\nDay 2:50(2)=100\nDay 3:100+20=<<100+20=120>>120\nTotal:50+100+120=<<50+100+120=270>>270 eggs"


@pytest.mark.parametrize(
    ("before", "after", "found"),
    [
        (ENGLISH, "We count the boxes, then what is in them.", None),
        (ENGLISH, "Zuerst zählen wir die Kisten, und dann zählen wir, was in ihnen ist.", "de"),
        (ENGLISH, "まず箱がいくつあるかを数え、それから中身を数えます。", "ja"),
        ("Wir zählen zuerst die Kisten und danach ihren Inhalt.", ENGLISH, "en"),
        (ENGLISH, "12 + 30 = 42", None),
        (ENGLISH, "It is 42.", None),
        (ENGLISH, "x = 5, y = 7", None),
        (FORMULAS, f"{FORMULAS}\nThe answer is 810, since all of them are counted.", None),
    ],
)
def test_only_a_clear_difference_is_told(before: str, after: str, found: str | None) -> None:
    assert other_language(before, after) == found
