from __future__ import annotations

from collections.abc import Callable

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from stages.core.text import normal
from stages.dedupe.shingles import gram_sets, jaccard
from stages.dedupe.words import digest

words = st.sampled_from(["a", "b", "Cat", "дом", "\uff13", "x=1"])
texts = st.lists(words, max_size=14).map(" ".join)


@given(st.lists(texts, min_size=2, max_size=5))
def test_jaccard_equals_that_of_the_sets_of_word_five_grams(similarity: Callable[[str, str], float], many: list[str]):
    many = [normal(text) for text in many]
    sets = gram_sets(many, [0] * len(many))
    for i, one in enumerate(many):
        assert jaccard(sets[0], sets[i]) == similarity(many[0], one)


def test_a_batch_has_the_same_sets_as_each_text_alone():
    many = ["one two three four five six", "", "short", "one two three four five six seven"]
    sets = gram_sets(many, [0, 1, 0, 1])
    for i, text in enumerate(many):
        assert np.array_equal(sets[i], gram_sets([text], [i % 2])[0])


def test_texts_with_different_salts_share_nothing():
    sets = gram_sets(["one two three four five six"] * 2, [0, 1])
    assert jaccard(sets[0], sets[1]) == 0


def test_a_text_of_fewer_than_five_words_is_near_only_to_its_equals():
    sets = gram_sets(["four words it has", "four words it has", "four words it had", "four words it"], [0] * 4)
    assert [jaccard(sets[0], sets[i]) for i in range(4)] == [1, 1, 0, 0]


def test_the_parts_of_a_document_do_not_run_together():
    assert digest(("ab", "c")) != digest(("a", "bc"))
