"""What a writer may rely on: acknowledged is on disk, together is together, later is over earlier."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from ledger_rows import a_candidate, a_reply, a_seed, key_of, raw_of, write

from queues.ledger import DecisionRow, Ledger, LedgerFailed, Reader

Ask = Callable[..., list[Any]]


async def test_an_awaited_reply_is_in_the_file(ledger: Ledger, ask: Ask) -> None:
    await ledger.reply(a_reply(7))
    assert ask("SELECT seed, key, CAST(raw AS BLOB) FROM reply") == [(7, key_of(7), raw_of(7))]


async def test_a_reply_is_not_in_the_file_before_its_future_resolves(ledger: Ledger, ask: Ask) -> None:
    written = ledger.reply(a_reply(7))
    assert not written.done()
    assert ask("SELECT count(*) FROM reply") == [(0,)]
    await written


async def test_all_columns_of_a_reply_keep_value_and_type(ledger: Ledger, ask: Ask) -> None:
    await ledger.reply(a_reply(1, cost_usd=None, reused=True))
    assert ask("SELECT * FROM reply") == [
        (1, 1, key_of(1), "generate", "main", 60, 160, 40, 10, None, 0.5, 2.0, 1, raw_of(1).decode())
    ]


async def test_what_is_written_at_once_is_committed_at_once(path: Path) -> None:
    commits: list[int] = []
    ledger = Ledger.open(path, on_commit=lambda rows, _seconds: commits.append(rows))
    seed, candidates = a_seed(0), [a_candidate(0, 0), a_candidate(0, 1)]
    await asyncio.gather(*(ledger.reply(a_reply(n)) for n in range(100)), ledger.group(seed, candidates))
    await ledger.close()
    assert commits == [103]


async def test_many_rows_do_not_wait_for_the_timer_and_none_is_lost_between_commits(path: Path, ask: Ask) -> None:
    commits: list[int] = []
    ledger = Ledger.open(path, on_commit=lambda rows, _seconds: commits.append(rows))
    await write(ledger, map(a_reply, range(1_700)))
    await ledger.close()
    assert commits == [500, 500, 500, 200]
    assert ask("SELECT count(DISTINCT key) FROM reply") == [(1_700,)]


async def test_a_few_huge_replies_are_a_commit_of_their_own(path: Path) -> None:
    """A commit is one text in memory: 500 replies of a megabyte must not become one."""
    commits: list[int] = []
    ledger = Ledger.open(path, on_commit=lambda rows, _seconds: commits.append(rows))
    await write(ledger, (a_reply(n, raw=raw_of(n, 6 << 20)) for n in range(6)))
    await ledger.close()
    assert commits == [3, 3]


async def test_a_group_written_again_stands_over_the_first(ledger: Ledger, path: Path) -> None:
    await ledger.group(a_seed(3, state="parked"), [a_candidate(3, 0, state="live"), a_candidate(3, 1, state="live")])
    seed, candidates = a_seed(3, phase=1, data=b'{"wave":2}'), [a_candidate(3, n, text=f"new {n}") for n in range(3)]
    await ledger.group(seed, candidates)
    with Reader(path) as reader:
        assert list(reader.groups()) == [(seed, candidates)]


async def test_of_two_groups_in_one_commit_the_later_stands(path: Path) -> None:
    commits: list[int] = []
    ledger = Ledger.open(path, on_commit=lambda rows, _seconds: commits.append(rows))
    earlier = ledger.group(a_seed(3, state="parked"), [a_candidate(3, 0, state="live")])
    later = ledger.group(a_seed(3, state="unsolved"), [a_candidate(3, 0, state="rejected", reason="wrong")])
    await asyncio.gather(earlier, later)
    await ledger.close()
    assert commits == [4]
    with Reader(path) as reader:
        ((seed, (candidate,)),) = reader.groups()
    assert (seed.state, candidate.state, candidate.reason) == ("unsolved", "rejected", "wrong")


async def test_a_seed_may_have_no_candidates(ledger: Ledger, path: Path) -> None:
    await ledger.group(a_seed(0, state="failed"), [])
    with Reader(path) as reader:
        assert list(reader.groups()) == [(a_seed(0, state="failed"), [])]


async def test_a_decision_and_a_fact_are_read_as_they_were_written(ledger: Ledger, path: Path) -> None:
    decisions = [DecisionRow("budget", "stage generate", b'{"k":8}'), DecisionRow("budget", "", b"[]")]
    await asyncio.gather(*map(ledger.decision, decisions), ledger.decision(DecisionRow("collapse", "", b"{}")))
    await ledger.set_meta("fingerprint", "abc")
    await ledger.set_meta("fingerprint", "def")
    assert (ledger.meta("fingerprint"), ledger.meta("unset")) == ("def", None)
    with Reader(path) as reader:
        assert reader.decisions("budget") == decisions
        assert reader.meta() == {"fingerprint": "def"}


async def test_a_closed_ledger_goes_on_where_it_stopped(path: Path) -> None:
    first = Ledger.open(path)
    await first.set_meta("fingerprint", "abc")
    await first.reply(a_reply(1))
    await first.close()
    second = Ledger.open(path)
    assert second.meta("fingerprint") == "abc"
    await second.reply(a_reply(2))
    await second.close()
    with Reader(path) as reader:
        assert [list(reader.replies(n)) for n in (1, 2)] == [[key_of(1)], [key_of(2)]]


async def test_any_name_that_a_folder_may_have_will_do(tmp_path: Path) -> None:
    """The path goes to SQLite as a URI, in which some characters have a meaning."""
    path = tmp_path / "100% of #1? é" / "ledger.sqlite"
    path.parent.mkdir()
    ledger = Ledger.open(path)
    await ledger.reply(a_reply(1))
    await ledger.close()
    assert path.exists()
    with Reader(path) as reader:
        assert reader.has_replies()


async def test_closing_writes_what_nobody_awaited(path: Path, ask: Ask) -> None:
    ledger = Ledger.open(path)
    waiting = [ledger.reply(a_reply(n)) for n in range(10)]
    await ledger.close()
    assert all(waiter.done() and waiter.exception() is None for waiter in waiting)
    assert ask("SELECT count(*) FROM reply") == [(10,)]


async def test_closing_leaves_everything_in_the_one_file_and_closing_twice_is_closing_once(path: Path) -> None:
    ledger = Ledger.open(path)
    await ledger.reply(a_reply(1))
    await asyncio.gather(ledger.close(), ledger.close())
    assert sorted(file.name for file in path.parent.iterdir()) == ["ledger.lock", "ledger.sqlite"]


async def test_a_cancelled_close_goes_on_in_the_background_and_can_be_awaited_again(path: Path, ask: Ask) -> None:
    ledger = Ledger.open(path)
    _ = ledger.reply(a_reply(1))
    closing = asyncio.create_task(ledger.close())
    await asyncio.sleep(0)
    closing.cancel()
    with pytest.raises(asyncio.CancelledError):
        await closing
    await ledger.close()
    assert ask("SELECT count(*) FROM reply") == [(1,)]


async def test_a_closed_ledger_refuses_a_row(path: Path) -> None:
    ledger = Ledger.open(path)
    await ledger.close()
    with pytest.raises(LedgerFailed, match="closed"):
        await ledger.reply(a_reply(1))


async def test_a_row_whose_waiter_gave_up_is_written_all_the_same(ledger: Ledger, ask: Ask) -> None:
    """A reply that was paid for is worth keeping even where the call that made it was cancelled."""
    given_up = asyncio.ensure_future(ledger.reply(a_reply(1)))
    kept = ledger.reply(a_reply(2))
    given_up.cancel()
    await kept
    assert ask("SELECT seed FROM reply ORDER BY seed") == [(1,), (2,)]


async def test_a_row_that_cannot_be_written_fails_in_words_and_keeps_nobody_waiting(path: Path) -> None:
    ledger = Ledger.open(path)
    broken = ledger.group(a_seed(0, row=b'{"cut off": '), [])
    same_commit = ledger.reply(a_reply(1))
    for waiter in (broken, same_commit):
        with pytest.raises(LedgerFailed, match="malformed JSON"):
            await waiter
    await ledger.close()
