"""A disk that fills up or fails: everyone who waits is told, nothing acknowledged is lost, the run can go on later.

The faults are real ones: a descriptor that SQLite holds is made to point at a device that answers as a bad disk does.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from ledger_rows import a_candidate, a_reply, a_seed, key_of, raw_of, write

from queues.ledger import DecisionRow, Ledger, LedgerFailed, Reader
from queues.ledger.connection import wal_of

DESCRIPTORS = Path("/proc/self/fd")
pytestmark = pytest.mark.skipif(not DESCRIPTORS.exists(), reason="only Linux tells which descriptor is the WAL's")


@dataclass(frozen=True)
class Fault:
    """A device that fails in its own way, and SQLite's words for it."""

    device: str
    flags: int
    words: str

    def strike(self, file: Path) -> tuple[int, int]:
        """Put the device in the place of an open file; return its descriptor and a duplicate of the sound one."""
        (descriptor,) = (int(link.name) for link in DESCRIPTORS.iterdir() if link.resolve() == file)
        sound, broken = os.dup(descriptor), os.open(self.device, self.flags)
        os.dup2(broken, descriptor)
        os.close(broken)
        return descriptor, sound


FULL = Fault("/dev/full", os.O_RDWR, "disk is full")
FAILING = Fault("/dev/null", os.O_RDONLY, "I/O error")


@pytest.fixture(params=[FULL, FAILING], ids=["the disk is full", "writing fails"])
def fault(request: pytest.FixtureRequest) -> Fault:
    fault: Fault = request.param
    return fault


@pytest.fixture
async def struck(fault: Fault, path: Path) -> AsyncIterator[Ledger]:
    """Yield a ledger with 20 acknowledged replies whose disk has just failed."""
    ledger = Ledger.open(path)
    await write(ledger, map(a_reply, range(20)))
    _, sound = fault.strike(wal_of(path))
    yield ledger
    await ledger.close()
    os.close(sound)


async def test_all_who_wait_and_all_who_come_later_are_told_which_file_and_why(
    struck: Ledger, fault: Fault, path: Path
) -> None:
    outcomes = await asyncio.gather(
        struck.reply(a_reply(100)),
        struck.group(a_seed(100), [a_candidate(100, 0)]),
        struck.decision(DecisionRow("budget", "", b"{}")),
        struck.set_meta("state", "running"),
        return_exceptions=True,
    )
    outcomes += await asyncio.gather(struck.reply(a_reply(101)), return_exceptions=True)
    assert [type(outcome) for outcome in outcomes] == [LedgerFailed] * 5
    assert all(f"cannot write {path}: " in str(outcome) and fault.words in str(outcome) for outcome in outcomes)
    assert len(set(map(id, outcomes))) == 5, "one error raised in many tasks would gather all their tracebacks"


async def test_batches_that_were_already_handed_over_fail_as_well(struck: Ledger) -> None:
    outcomes = await asyncio.gather(*(struck.reply(a_reply(n)) for n in range(100, 2_100)), return_exceptions=True)
    assert {type(outcome) for outcome in outcomes} == {LedgerFailed}


async def test_a_disk_that_recovers_is_not_written_to_again_before_the_ledger_is_opened_anew(
    fault: Fault, path: Path
) -> None:
    """After a failed write nobody knows what the kernel kept; opening reads what is really there."""
    ledger = Ledger.open(path)
    await ledger.reply(a_reply(0))
    descriptor, sound = fault.strike(wal_of(path))
    with pytest.raises(LedgerFailed):
        await ledger.reply(a_reply(1))
    os.dup2(sound, descriptor)
    os.close(sound)
    with pytest.raises(LedgerFailed):
        await ledger.reply(a_reply(2))
    await ledger.close()
    with Reader(path) as reader:
        assert [len(reader.replies(n)) for n in range(3)] == [1, 0, 0]


async def test_what_was_acknowledged_is_there_afterwards_and_the_run_goes_on(struck: Ledger, path: Path) -> None:
    with pytest.raises(LedgerFailed):
        await struck.reply(a_reply(100))
    await struck.close()
    again = Ledger.open(path)
    await again.reply(a_reply(100))
    await again.close()
    with Reader(path) as reader:
        assert all(reader.replies(n) == {key_of(n): raw_of(n)} for n in (*range(20), 100))
        (spend,) = reader.spend()
    assert spend.calls == 21


async def test_commits_that_failed_are_not_reported_as_commits(path: Path) -> None:
    commits: list[int] = []
    ledger = Ledger.open(path, on_commit=lambda rows, _seconds: commits.append(rows))
    await ledger.reply(a_reply(0))
    _, sound = FULL.strike(wal_of(path))
    with pytest.raises(LedgerFailed):
        await ledger.reply(a_reply(1))
    await ledger.close()
    os.close(sound)
    assert commits == [1]


async def test_a_checkpoint_that_fails_stops_the_next_writer_and_loses_nothing(path: Path) -> None:
    """Those who waited were told rightly that all is well: their rows stand in the WAL. The next one is not."""
    ledger = Ledger.open(path)
    await ledger.reply(a_reply(0))
    _, sound = FULL.strike(path)
    await write(ledger, (a_reply(n, raw=raw_of(n, 1 << 20)) for n in range(1, 33)))
    with pytest.raises(LedgerFailed, match="disk is full"):
        await ledger.reply(a_reply(99))
    await ledger.close()
    os.close(sound)
    with Reader(path) as reader:
        assert [list(reader.replies(n)) for n in range(33)] == [[key_of(n)] for n in range(33)]
