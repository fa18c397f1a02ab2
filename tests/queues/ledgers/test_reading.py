"""What readers see, beside a writer and from elsewhere."""

from __future__ import annotations

import asyncio
import shutil
import sqlite3
import subprocess
import sys
from collections import Counter
from pathlib import Path
from tempfile import TemporaryDirectory

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from ledger_rows import a_candidate, a_reply, a_seed, key_of, raw_of, write
from needs import need_program

from queues.ledger import (
    CandidateCount,
    CandidateRow,
    Ledger,
    LedgerMismatch,
    LedgerMissing,
    Reader,
    ReplyRow,
    SeedCount,
    SeedNumbers,
    SeedRow,
    Spend,
)
from queues.ledger.commit import Batch
from queues.ledger.connection import connect_writer

SEEDS = st.builds(
    a_seed,
    st.integers(0, 30),
    state=st.sampled_from(["solved", "unsolved", "parked"]),
    phase=st.integers(0, 2),
    parent_id=st.sampled_from([None, "p"]),
)
CANDIDATES = st.builds(
    a_candidate,
    st.just(0),
    st.integers(0, 4),
    state=st.sampled_from(["live", "accepted", "rejected"]),
    stage=st.sampled_from(["", "verify"]),
    reason=st.sampled_from(["", "wrong"]),
    origin=st.sampled_from(["generated", "derived"]),
)
GROUPS = st.tuples(SEEDS, st.lists(CANDIDATES, max_size=4, unique_by=lambda candidate: candidate.n)).map(
    lambda group: (group[0], [candidate._replace(seed=group[0].no) for candidate in group[1]])
)
REPLIES = st.builds(
    a_reply,
    st.integers(0, 5),
    stage=st.sampled_from(["generate", "judge"]),
    endpoint=st.sampled_from(["main", "other"]),
    cost_usd=st.sampled_from([None, 0.0, 0.25]),
    reused=st.booleans(),
)


@given(commits=st.lists(st.tuples(st.lists(REPLIES, max_size=5), st.lists(GROUPS, max_size=5)), max_size=5))
@settings(max_examples=30, deadline=None)
def test_whatever_is_written_is_read_counted_and_summed_the_same(
    commits: list[tuple[list[ReplyRow], list[tuple[SeedRow, list[CandidateRow]]]]],
) -> None:
    """Against dictionaries that hold the last row written under each key."""
    seeds: dict[int, SeedRow] = {}
    candidates: dict[tuple[int, int], CandidateRow] = {}
    replies: list[ReplyRow] = []
    with TemporaryDirectory() as folder:
        path = Path(folder) / "ledger.sqlite"
        connection = connect_writer(path)
        for more_replies, groups in commits:
            rows = [candidate for _, some in groups for candidate in some]
            Batch(replies=more_replies, seeds=[seed for seed, _ in groups], candidates=rows).write(connection)
            replies += more_replies
            seeds |= {seed.no: seed for seed, _ in groups}
            candidates |= {(row.seed, row.n): row for row in rows}
        with Reader(path) as reader:
            for states in (["solved"], ["unsolved", "parked"], []):
                for phase in (None, 1):
                    expected = [
                        (seed, [candidates[place] for place in sorted(candidates) if place[0] == no])
                        for no, seed in sorted(seeds.items())
                        if seed.state in states and phase in (None, seed.phase)
                    ]
                    assert list(reader.groups(states, phase, page=2)) == expected
                    assert list(reader.numbers(states, phase)) == [seed.no for seed, _ in expected]
            assert Counter({count[:4]: count.total for count in reader.candidate_counts()}) == Counter(
                (row.state, row.stage, row.reason, row.origin) for row in candidates.values()
            )
            assert Counter({count[:3]: count.total for count in reader.seed_counts()}) == Counter(
                (seed.state, seed.phase, seed.parent_id is not None) for seed in seeds.values()
            )
            assert {(spend.stage, spend.endpoint): spend for spend in reader.spend()} == _sums(replies)
        connection.close()


def _sums(replies: list[ReplyRow]) -> dict[tuple[str, str], Spend]:
    sums = {}
    for place in {(row.stage, row.endpoint) for row in replies}:
        paid = [row for row in replies if (row.stage, row.endpoint) == place and not row.reused]
        sums[place] = Spend(
            *place,
            calls=len(paid),
            reused=sum((row.stage, row.endpoint) == place and row.reused for row in replies),
            unpriced=sum(row.cost_usd is None for row in paid),
            prompt_tokens=60 * len(paid),
            completion_tokens=160 * len(paid),
            reasoning_tokens=40 * len(paid),
            cached_tokens=10 * len(paid),
            cost_usd=sum(row.cost_usd or 0.0 for row in paid),
            wait_s=0.5 * len(paid),
            duration_s=2.0 * len(paid),
        )
    return sums


async def test_an_empty_ledger_has_nothing_to_tell(ledger: Ledger, path: Path) -> None:
    with Reader(path) as reader:
        assert not reader.has_replies()
        assert (reader.meta(), reader.replies(0), list(reader.groups()), list(reader.numbers())) == ({}, {}, [], [])
        assert (reader.candidate_counts(), reader.seed_counts(), reader.spend()) == ([], [], [])
        assert reader.failure() == ""


async def test_of_what_failed_the_most_frequent_is_told_in_words(ledger: Ledger, path: Path) -> None:
    for n, (reason, detail) in enumerate([("timeout", "slow"), ("too_large", "too big"), ("too_large", "too big")]):
        await ledger.group(a_seed(n), [a_candidate(n, 0, state="failed", stage="s", reason=reason, detail=detail)])
    with Reader(path) as reader:
        assert reader.failure() == "too big"


async def test_the_replies_of_a_seed_are_found_by_their_keys(ledger: Ledger, path: Path) -> None:
    await write(ledger, [a_reply(1), a_reply(2, seed=1), a_reply(3)])
    with Reader(path) as reader:
        assert reader.has_replies()
        assert reader.replies(1) == {key_of(1): raw_of(1), key_of(2): raw_of(2)}


async def test_a_reader_sees_what_was_acknowledged_after_it_was_opened(ledger: Ledger, path: Path) -> None:
    with Reader(path) as reader:
        await ledger.group(a_seed(1), [a_candidate(1, 0)])
        assert reader.candidate_counts() == [CandidateCount("accepted", "", "", "generated", 1)]
        await ledger.group(a_seed(1, state="unsolved"), [a_candidate(1, 0, state="rejected", stage="s", reason="r")])
        assert reader.candidate_counts() == [CandidateCount("rejected", "s", "r", "generated", 1)]
        assert reader.seed_counts() == [SeedCount("unsolved", 0, False, 1)]


async def test_a_seed_that_changes_its_state_while_groups_are_read_is_left_out(ledger: Ledger, path: Path) -> None:
    for no in range(4):
        await ledger.group(a_seed(no, state="parked"), [])
    with Reader(path) as reader:
        groups = reader.groups(["parked"], page=2)
        assert next(groups)[0].no == 0
        await ledger.group(a_seed(3, state="solved"), [])
        assert [seed.no for seed, _ in groups] == [1, 2]


async def test_a_reader_never_sees_half_a_group(ledger: Ledger, path: Path) -> None:
    """A seed and its candidates carry the round in which they were written; all rounds read must agree."""
    seen: set[int] = set()

    def read_until(last: int) -> None:
        with Reader(path) as reader:
            while last not in seen:
                for seed, candidates in reader.groups():
                    rounds = {orjson.loads(row.data)["round"] for row in (seed, *candidates)}
                    assert len(rounds) == 1
                    assert len(candidates) == 4
                    seen.update(rounds)

    reading = asyncio.create_task(asyncio.to_thread(read_until, 15))
    for number in range(16):
        data = orjson.dumps({"round": number})
        await asyncio.gather(
            *(
                ledger.group(a_seed(no, data=data), [a_candidate(no, n, data=data) for n in range(4)])
                for no in range(50)
            )
        )
    await reading
    assert len(seen) > 1


async def test_a_finished_ledger_can_be_read_where_nothing_may_be_written(path: Path) -> None:
    """On a read-only volume SQLite cannot make the files it wants beside a ledger."""
    bwrap = need_program("bwrap")
    ledger = Ledger.open(path)
    await ledger.reply(a_reply(1))
    await ledger.close()
    program = "import sys, pathlib, queues.ledger as l; print(l.Reader(pathlib.Path(sys.argv[1])).spend()[0].calls)"
    read = subprocess.run(  # noqa: ASYNC221  nothing else runs on this loop
        [bwrap, "--ro-bind", "/", "/", "--dev", "/dev", sys.executable, "-c", program, path],
        capture_output=True,
        text=True,
        cwd=Path(__file__).parents[3],
        check=False,
    )
    assert (read.stdout, read.stderr) == ("1\n", "")


def test_where_there_is_no_ledger_the_message_says_so(path: Path) -> None:
    with pytest.raises(LedgerMissing, match=r"no ledger at .*ledger\.sqlite"):
        Reader(path)
    assert not path.exists()


def test_a_ledger_that_is_only_being_made_is_none_yet(path: Path) -> None:
    making = sqlite3.connect(path)
    making.execute("PRAGMA journal_mode = WAL")
    making.execute("BEGIN IMMEDIATE")
    making.execute("CREATE TABLE meta (key TEXT PRIMARY KEY)")
    with pytest.raises(LedgerMissing, match="is empty; no run has written to it yet"):
        Reader(path)
    making.close()


def test_a_database_of_somebody_else_is_refused_and_left_alone(path: Path) -> None:
    theirs = sqlite3.connect(path)
    theirs.execute("CREATE TABLE people (name TEXT)")
    theirs.commit()
    theirs.close()
    before = path.read_bytes()
    for opening in (Ledger.open, Reader):
        with pytest.raises(LedgerMismatch, match="no ledger of tamis"):
            opening(path)
    assert path.read_bytes() == before


async def test_a_ledger_of_another_version_is_refused_with_both_numbers(path: Path) -> None:
    await Ledger.open(path).close()
    later = sqlite3.connect(path)
    later.execute("PRAGMA user_version = 99")
    later.close()
    for opening in (Ledger.open, Reader):
        with pytest.raises(LedgerMismatch, match="format 99, this tamis reads 1"):
            opening(path)


async def test_a_copy_of_a_closed_ledger_is_a_ledger(path: Path, tmp_path: Path) -> None:
    ledger = Ledger.open(path)
    await ledger.reply(a_reply(1))
    await ledger.close()
    copy = shutil.copy(path, tmp_path / "copy.sqlite")
    with Reader(copy) as reader:
        assert reader.replies(1) == {key_of(1): raw_of(1)}


@given(st.sets(st.integers(0, 2**62)))
def test_seed_numbers_are_a_sorted_set(numbers: set[int]) -> None:
    compact = SeedNumbers(numbers)
    assert list(compact) == sorted(numbers)
    assert len(compact) == len(numbers)
    assert all(number in compact for number in numbers)
    assert not any(number + 1 in compact for number in numbers - {number - 1 for number in numbers})
