from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stages.dedupe.neighbours import KeyIndex, Neighbours, VectorIndex

SPREAD = np.uint64(0x9E3779B97F4A7C15)
steps = st.lists(st.tuples(st.sets(st.integers(0, 30), max_size=4), st.booleans()), max_size=60)


@settings(max_examples=100)
@given(steps, st.integers(1, 20))
def test_whoever_shares_a_key_is_found_wherever_its_keys_have_got_to(many: list[tuple[set[int], bool]], seal: int):
    """Some are discarded again, at once or later; runs of all sizes are made on the way."""
    index, alive = KeyIndex(seal), dict[int, set[int]]()
    for no, (keys, discard) in enumerate(many):
        asked = np.array(sorted(keys), np.uint64) * SPREAD
        assert index.near(asked) == {other for other, its in alive.items() if its & keys}
        index.add(no, asked)
        alive[no] = keys
        if discard:
            gone = no // 2
            index.discard(gone)
            alive.pop(gone, None)


@pytest.mark.parametrize("keys", [1 << 63, 20], ids=["of few", "of many"])
def test_full_dicts_become_runs_of_a_few_bytes_a_key(keys: int):
    index, draw = KeyIndex(), np.random.default_rng(3)
    rows = [draw.integers(0, keys, 18, dtype=np.uint64) * SPREAD for _ in range(20_000)]
    for no, row in enumerate(rows):
        index.add(no, row)
    assert index.nbytes < 20_000 * 18 * 20 + 70_000 * 100
    assert all(no in index.near(rows[no]) for no in range(0, 20_000, 500))


def test_close_embeddings_are_found_among_many_and_discarded_ones_are_not():
    draw = np.random.default_rng(7)
    vectors = draw.normal(size=(6_000, 2, 32))
    vectors /= np.linalg.norm(vectors, axis=2, keepdims=True)
    index = Neighbours(cosine=0.95)
    for no, vector in enumerate(vectors.astype(np.float16)):
        index.add(no, np.empty(0, np.uint64), vector)
    found = 0
    for no in range(200):
        asked = vectors[no] + draw.normal(size=(2, 32)) * 0.02
        asked /= np.linalg.norm(asked, axis=1, keepdims=True)
        near = index.near(np.empty(0, np.uint64), asked.astype(np.float16))
        found += near == [no]
    assert found >= 195
    index.discard(5)
    assert index.near(np.empty(0, np.uint64), vectors[5].astype(np.float16)) == []


def test_an_index_of_embeddings_may_be_empty():
    index = VectorIndex(0.9)
    vector = np.ones((1, 4), np.float16)
    assert index.near(vector) == set()
    index.add(3, vector / 2)
    index.discard(3)
    assert index.near(vector / 2) == set()
