"""What people and models write goes in and comes out, whatever it is."""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Iterator
from pathlib import Path

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st
from ledger_rows import a_candidate, a_reply, a_seed

from queues.ledger import CandidateRow, DecisionRow, Ledger, Reader, SeedRow
from queues.ledger.commit import Batch
from queues.ledger.connection import connect_writer

ANY_TEXT = st.text(st.characters(codec=None))  # NUL and lone surrogates too
TEXT = st.text(st.characters(codec="utf-8"))
NUMBER = st.integers(-(2**63), 2**64 - 1) | st.floats(allow_nan=False, allow_infinity=False)
JSON = st.recursive(
    st.none() | st.booleans() | NUMBER | TEXT,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXT, inner, max_size=4),
    max_leaves=12,
)


class Store:
    """A ledger without its thread: one commit at a time, as the thread does it."""

    def __init__(self, path: Path) -> None:
        self.connection = connect_writer(path)
        self.reader = Reader(path)

    def back(self, seed: SeedRow, candidates: list[CandidateRow]) -> tuple[SeedRow, list[CandidateRow]]:
        Batch(seeds=[seed], candidates=candidates).write(self.connection)
        (group,) = self.reader.groups()
        return group


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    store = Store(tmp_path_factory.mktemp("text") / "ledger.sqlite")
    yield store
    store.reader.close()
    store.connection.close()


@given(text=ANY_TEXT, detail=ANY_TEXT, topic=ANY_TEXT)
def test_any_text_survives_but_for_nul_and_lone_surrogates_which_are_marked(
    store: Store, text: str, detail: str, topic: str
) -> None:
    """SQLite ends a text at its first NUL and UTF-8 has no lone surrogates; each becomes U+FFFD, the rest stands."""
    seed, (candidate,) = store.back(a_seed(0, topic=topic), [a_candidate(0, 0, text=text, detail=detail)])
    assert (candidate.text, candidate.detail, seed.topic) == tuple(
        re.sub("[\0\ud800-\udfff]", "\ufffd", written) for written in (text, detail, topic)
    )


@given(value=JSON)
def test_json_comes_back_as_the_same_value(store: Store, value: object) -> None:
    written = orjson.dumps(value)
    seed, (candidate,) = store.back(a_seed(0, row=written), [a_candidate(0, 0, data=written)])
    assert orjson.loads(seed.row) == orjson.loads(candidate.data) == orjson.loads(written)


@pytest.mark.parametrize(
    "raw",
    [
        b'{"cost":0.10000000000000000001,"big":123456789012345678901234567890,"e":1E5}',
        b'{"a":1,"a":2}',
        b'{"nul":"a\\u0000b","lone":"\\ud800","slash":"a\\/b"}',
        '{"\u2028":"\U0001f600"}'.encode(),
        b'"a bare string"',
        b"null",
        b"[" * 900 + b"]" * 900,
    ],
    ids=["exact numbers", "a key twice", "escapes", "unicode", "a string", "null", "deep"],
)
async def test_a_reply_is_kept_to_the_letter(ledger: Ledger, path: Path, raw: bytes) -> None:
    await ledger.reply(a_reply(1, raw=raw))
    with Reader(path) as reader:
        assert list(reader.replies(1).values()) == [raw]


async def test_white_space_between_tokens_is_all_that_a_reply_loses(ledger: Ledger, path: Path) -> None:
    await ledger.reply(a_reply(1, raw=b'{ "a b" :\n [ 1, 2 ] }'))
    with Reader(path) as reader:
        assert list(reader.replies(1).values()) == [b'{"a b":[1,2]}']


async def test_one_text_with_nul_costs_its_neighbours_in_the_commit_nothing(ledger: Ledger, path: Path) -> None:
    candidates = [a_candidate(0, 0, text="a\0b"), a_candidate(0, 1, data=b'{"raw":"a\\u0000b"}', text="c\\u0000d")]
    await ledger.group(a_seed(0), candidates)
    with Reader(path) as reader:
        ((_, stored),) = reader.groups()
    assert stored == [candidates[0]._replace(text="a\ufffdb"), candidates[1]]


async def test_facts_and_decisions_with_such_texts_are_kept_too(ledger: Ledger, path: Path) -> None:
    await ledger.set_meta("path", "caf\udce9")
    await ledger.decision(DecisionRow("budget", "a\0b", b"{}"))
    with Reader(path) as reader:
        assert reader.meta() == {"path": "caf\ufffd"}
        assert reader.decisions("budget") == [DecisionRow("budget", "a\ufffdb", b"{}")]


def test_sqlite_still_needs_this_care() -> None:
    """When ->> keeps a NUL one day, the detour for it can go."""
    connection = sqlite3.connect(":memory:")
    (text,) = connection.execute("SELECT ?->>0", ('["a\\u0000b"]',)).fetchone()
    connection.close()
    assert text == "a"
