from __future__ import annotations

import random
import time
import zlib
from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stages.core.text import normal
from stages.dedupe.diversity import BLOCK, Diversity, Figures, Recent, modes

WORDS = st.lists(st.sampled_from(["a", "b", "c", "d", "e", "f"]), max_size=12).map(" ".join)


def windows(texts: list[str], window: int = 0) -> list[Figures]:
    diversity = Diversity(window or len(texts))
    return [figures for text in texts for figures in diversity.add(text)]


def grams(text: str, n: int) -> list[tuple[str, ...]]:
    words = text.split()
    return [tuple(words[i : i + n]) for i in range(len(words) - n + 1)]


def distinct(texts: list[str], n: int) -> float:
    found = [gram for text in texts for gram in grams(text, n)]
    return len(set(found)) / len(found) if found else 1.0


def self_repetition(texts: list[str]) -> float:
    of_text = [set(grams(text, 4)) for text in texts]
    having = Counter(gram for own in of_text for gram in own)
    shares = [sum(having[gram] > 1 for gram in own) / len(own) for own in of_text if own]
    return sum(shares) / len(shares) if shares else 0.0


@given(st.lists(WORDS, min_size=1, max_size=8))
def test_ngram_figures_are_those_of_their_definitions(texts: list[str]) -> None:
    (figures,) = windows(texts)
    assert figures.distinct_2 == pytest.approx(distinct(texts, 2))
    assert figures.distinct_4 == pytest.approx(distinct(texts, 4))
    assert figures.self_repetition == pytest.approx(self_repetition(texts))
    assert figures.words == pytest.approx(sum(len(text.split()) for text in texts) / len(texts))


def test_texts_that_say_the_same_are_worse_in_every_figure() -> None:
    chance = random.Random(1)
    words = [f"w{n}" for n in range(2_000)]
    varied = [" ".join(chance.choices(words, k=60)) for _ in range(200)]
    sentences = [" ".join(chance.choices(words, k=20)) for _ in range(8)]
    alike = ["Sure, here is " + " ".join(chance.sample(sentences, 3)) for _ in range(200)]
    (good,), (bad,) = windows(varied), windows(alike)
    assert bad.distinct_2 < good.distinct_2 / 3
    assert bad.distinct_4 < good.distinct_4 / 3
    assert bad.self_repetition > 0.9 > 0.1 > good.self_repetition
    assert good.compression is not None
    assert bad.compression is not None
    assert bad.compression > 2 * good.compression
    assert (bad.opening, bad.opening_share) == ("sure here is", 1.0)
    assert good.opening_share < 0.05


def test_the_compression_ratio_is_that_of_blocks_of_one_size_whatever_the_texts_are() -> None:
    long, short = "x y z " * 20_000, "x y z"
    (figures,) = windows([long])
    block = (long[:20_000] * 2).encode()[:BLOCK]
    assert figures.compression is None, "texts count by their first 20,000 characters"
    (figures,) = windows([long] * 4)
    assert figures.compression == pytest.approx(BLOCK / len(zlib.compress(block, 1)), rel=0.1)
    assert windows([short])[0].compression is None
    assert windows([short] * 10_000, window=10_000)[0].compression


def test_a_window_begins_where_the_last_one_ended() -> None:
    figures = windows(["a b c d"] * 3 + ["e f g h i j k l"] * 5, window=3)
    assert [one.opening for one in figures] == ["a b c", "e f g"]
    assert [one.texts for one in figures] == [3, 3]
    assert [one.drift for one in figures] == [0.0, 1.0]


def test_topics_have_windows_of_their_own_beside_that_of_all() -> None:
    diversity = Diversity(window=2)
    found = [diversity.add(text, topic) for text, topic in (("a", "x"), ("b", "y"), ("c", "x"), ("d", ""))]
    assert [[(one.topic, one.opening) for one in figures] for figures in found] == [
        [],
        [(None, "a")],
        [("x", "a")],
        [(None, "c")],
    ]


def test_topics_beyond_the_first_ones_count_among_all() -> None:
    diversity = Diversity(window=1, topics=2)
    found = [figures for topic in ("x", "y", "z", "x") for figures in diversity.add("a", topic)]
    assert [one.topic for one in found] == [None, "x", None, "y", None, None, "x"]


def test_repeats_are_those_that_were_told() -> None:
    diversity, recent = Diversity(window=4), Recent()
    texts = ["One two.", "one  TWO.", "three", "One two."]
    (figures,) = [figures for text in texts for figures in diversity.add(text, repeats=recent.repeats(normal(text)))]
    assert figures.repeated == 0.5


def test_texts_are_remembered_up_to_a_number_the_last_ones() -> None:
    recent = Recent(size=2)
    assert [recent.repeats(text) for text in ("a", "b", "a", "c", "a", "b")] == [False, False, True, False, True, False]


def test_a_text_is_remembered_as_fast_after_many_as_at_first() -> None:
    """A dict would need a hundred times as long by then: it looks for its oldest key among those that were deleted."""
    recent, taken = Recent(size=50_000), list[float]()
    for begin in range(0, 250_000, 50_000):
        before = time.process_time()
        for n in range(begin, begin + 50_000):
            recent.repeats(str(n))
        taken.append(time.process_time() - before)
    assert taken[-1] < 10 * taken[0]


@given(k=st.integers(1, 20), times=st.integers(1, 5), length=st.floats(0.1, 10))
def test_as_many_modes_are_counted_as_there_are_directions(k: int, times: int, length: float) -> None:
    embeddings = length * np.tile(np.eye(20, dtype=np.float32)[:k], (times, 1))
    assert modes(embeddings) == pytest.approx(k, rel=1e-4)
