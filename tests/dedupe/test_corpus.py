from __future__ import annotations

from collections.abc import Callable, Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from config.schema import Dedupe
from stages.dedupe.corpus import Corpus, Twin
from stages.dedupe.documents import Document, Likeness, Measure

THRESHOLD = 0.5
TEXT = "the cat sat on the mat and looked at the moon for a very long time"
edits = st.lists(st.tuples(st.integers(0, 14), st.sampled_from(["dog", "sun", "Cat"])), max_size=3)


def edited(changes: Sequence[tuple[int, str]]) -> str:
    words = TEXT.split()
    for at, word in changes:
        words[at] = word
    return " ".join(words)


documents = st.lists(
    st.tuples(edits.map(edited), st.sampled_from(["", "1", "2"]), st.none() | st.integers(0, 3)), max_size=40
)


def filled(
    many: Sequence[tuple[str, str, float | None]], threshold: float | None = THRESHOLD, batch: int = 64
) -> Corpus[int]:
    """A corpus of pairs that share their prompt."""
    made = corpus(True, threshold, batch)
    for no, (text, answer, score) in enumerate(many):
        if made.add(no, Document(("What did the cat do?", text), answer), score):
            made.hash()
    return made


def corpus(exact: bool, threshold: float | None, batch: int = 64) -> Corpus[int]:
    near = None if threshold is None else {"threshold": threshold}
    return Corpus(Measure(Dedupe.model_validate({"exact": exact, "near": near})), batch)


def dropped(made: Corpus[int], per_cluster: int = 1, by_score: bool = False) -> dict[int, Twin[int]]:
    return {one: twin for one, twin in made.twins(per_cluster, by_score).items() if not twin.stays}


@given(documents, st.integers(1, 3), st.booleans())
@settings(max_examples=60)
def test_whatever_is_dropped_has_a_kept_twin_and_never_both_go(
    similarity: Callable[[str, str], float], many: list[tuple[str, str, float | None]], per_cluster: int, by_score: bool
):
    gone = dropped(filled(many), per_cluster, by_score)
    for one, twin in gone.items():
        assert twin.id not in gone
        assert twin.likeness.similarity >= THRESHOLD
        assert twin.likeness.similarity == pytest.approx(similarity(many[one][0], many[twin.id][0]))
        assert "" in (many[one][1], many[twin.id][1]) or many[one][1] == many[twin.id][1]
        if by_score:
            mine, its = (-1 if many[i][2] is None else many[i][2] for i in (one, twin.id))
            assert (its, twin.id < one) >= (mine, True), "the better one stays, in ties the earlier"
        else:
            assert twin.id < one


@given(documents)
@settings(max_examples=40)
def test_of_equal_texts_with_equal_answers_one_stays(many: list[tuple[str, str, float | None]]):
    kept = set(range(len(many))) - set(dropped(filled(many, threshold=None)))
    assert len({(many[i][0].casefold(), many[i][1]) for i in kept if many[i][1]}) == sum(bool(many[i][1]) for i in kept)
    assert {many[i][0].casefold() for i in kept} == {text.casefold() for text, _, _ in many}


@given(documents)
@settings(max_examples=30)
def test_how_documents_are_batched_does_not_matter(many: list[tuple[str, str, float | None]]):
    assert filled(many, batch=3).twins() == filled(many).twins()


def test_a_cluster_keeps_as_many_as_asked():
    many = [(TEXT, "", None)] * 5
    exact = Likeness(1.0, "exact")
    assert filled(many).twins(per_cluster=2) == {i: Twin(0, exact, stays=i == 1) for i in (1, 2, 3, 4)}


def test_twins_need_likeness_in_every_part():
    """The same short answer to different questions is no duplicate, however much of the pair it is."""
    made = corpus(exact=True, threshold=0.3)
    made.add(0, Document(("How many legs has a cat?", TEXT)))
    made.add(1, Document(("Who sat on the mat at night?", TEXT)))
    made.add(2, Document(("How many legs has a cat?", "Four.")))
    assert made.twins() == {}


def test_the_twin_named_is_the_most_similar_one():
    def changed(first: int) -> str:
        return " ".join(f"{'x' if i >= first else 'w'}{i}" for i in range(30))

    made = corpus(exact=False, threshold=0.5)
    for no, first in enumerate((21, 30, 25)):
        made.add(no, Document((changed(first),)))
    assert made.twins() == {2: Twin(1, Likeness(21 / 31, "near"))}, "it is 18 / 34 of document 0"


def test_nothing_asked_or_nothing_there_drops_nothing():
    assert corpus(exact=True, threshold=0.8).twins() == {}
    blind = corpus(exact=False, threshold=None)
    blind.add(0, Document((TEXT,)))
    blind.add(1, Document((TEXT,)))
    assert blind.twins() == {}
