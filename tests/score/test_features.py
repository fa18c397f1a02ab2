from __future__ import annotations

import pytest

from stages.score.features import credit, text_features


@pytest.mark.parametrize(
    ("text", "kind", "count"),
    [
        ("First, add them. Second, halve the sum. Finally, round it.", "ordinal", 3),
        ("- First do this\n- Second do that", "ordinal", 2),
        ("We first look, and secondly think.", "ordinal", 2),
        ("It takes a second; he was in first place for 30 seconds.", "ordinal", 0),
        ("Then she pays. After that she leaves, so she has none. Therefore: 0.", "connective", 4),
        ("It is so good and nextdoor", "connective", 0),
        ("Calculate the price, then multiply it and add 3.", "calculation", 3),
        ("16 - 3 - 4 = 9 eggs, 9 * 2 = $18, and <<9*2=18>>", "calculation", 3),
        ("The address of the summary is 3.14", "calculation", 0),
        ("1. Read\n2) Think\n**Step 3:** write", "numbered", 3),
        ("It costs 3.50 in 1999.\nx = 1. So it goes", "numbered", 0),
    ],
)
def test_step_indicators_are_counted_by_kind(text: str, kind: str, count: int):
    assert text_features(text).steps[kind] == count


def test_phrases_that_explain_are_counted():
    text = "He pays 5 because it is late. This means 5 is left, since 10 - 5 = 5. In other words, half."
    assert text_features(text).explanation == 4


def test_words_are_counted_and_an_empty_text_has_none_of_anything():
    assert text_features("one two  three").words == 3
    empty = text_features("")
    assert (empty.words, empty.explanation, set(empty.steps.values())) == (0, 0, {0})


def test_credit_is_partial_up_to_full():
    assert [credit(count, 3) for count in (-1, 0, 1.5, 3, 30)] == [0, 0, 0.5, 1, 1]


@pytest.mark.parametrize(
    ("text", "ease"),
    [
        # Words, sentences and syllables, counted by hand: 6, 1, 6; 5, 1, 17; 8, 2, 8.
        ("The cat sat on the mat.", 116.1),
        ("Consideration of alternatives requires imagination.", -85.9),
        ("She walked home. It was 3.5 miles and late.", 118.2),
        ("12 + 3 = 15", 0.0),
    ],
)
def test_reading_ease_is_flesch_by_hand(text: str, ease: float):
    assert text_features(text).reading_ease == pytest.approx(ease, abs=0.1)
