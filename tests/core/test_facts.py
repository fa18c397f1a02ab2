from __future__ import annotations

import pytest

from stages.core.facts import missing_names, missing_numbers, sentences


@pytest.mark.parametrize(
    ("text", "other", "missing"),
    [
        ("It costs 1,000.50 in 2024", "2024: 1000.5", []),
        ("3 of 4, then 3 again", "4", ["3"]),
        ("1. Add 2.\n2) Add 5.", "2 and 5", []),
        ("x2 and H2O", "", []),
        ("0.5 and .5", "0.50 and 5", []),
    ],
)
def test_numbers_are_told_apart_by_value(text: str, other: str, missing: list[str]) -> None:
    assert missing_numbers(text, other) == missing


@pytest.mark.parametrize(
    ("text", "other", "missing"),
    [
        ("Then Anna met Bob. Anna left.", "ANNA'S friend", ["Bob"]),
        ("He said: “Go.” Then I went", "", []),
        ("- Anna goes\n## Results of Émile", "", ["Émile"]),
        ("the NASA and Élodie", "nasa", ["Élodie"]),
        ("Москва is where Иван lives", "", ["Иван"]),
    ],
)
def test_a_name_is_a_capital_where_no_sentence_begins(text: str, other: str, missing: list[str]) -> None:
    assert missing_names(text, other) == missing


def test_sentences_end_at_marks_and_lines() -> None:
    assert list(sentences("One is 3.5. Two!\n\nthree\n四。五")) == ["One is 3.5.", "Two!", "three", "四。", "五"]
