"""The WAL is brought into the file as the run goes: it must not grow with the run, whoever reads."""

from __future__ import annotations

import asyncio
import sqlite3
import threading
from pathlib import Path

import pytest
from ledger_rows import a_reply, write

from queues.ledger import Ledger, Reader, commit
from queues.ledger.connection import wal_of

LIMIT = 1 << 20


@pytest.fixture(autouse=True)
def a_small_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    """The real one would need a hundred megabytes a test."""
    monkeypatch.setattr(commit, "WAL_BYTES", LIMIT)


def size_of(file: Path) -> int:
    return file.stat().st_size


async def fill(ledger: Ledger, path: Path, batches: range) -> int:
    """Write 500 kB a batch; return the largest size of the WAL."""
    largest = 0
    for batch in batches:
        await write(ledger, (a_reply(batch * 500 + n) for n in range(500)))
        largest = max(largest, size_of(wal_of(path)))
    return largest


async def test_under_readers_that_come_and_go_the_wal_stays_near_its_limit(path: Path) -> None:
    stop = threading.Event()

    def read() -> None:
        with Reader(path) as reader:
            while not stop.is_set():
                reader.replies(1)
                reader.spend()

    ledger = Ledger.open(path)
    readers = [asyncio.create_task(asyncio.to_thread(read)) for _ in range(2)]
    largest = await fill(ledger, path, range(20))
    stop.set()
    await asyncio.gather(*readers)
    await ledger.close()
    assert largest < 4 * LIMIT < 10 * LIMIT < size_of(path)


async def test_a_reader_that_stays_hinders_nobody_and_when_it_goes_the_wal_shrinks(path: Path) -> None:
    ledger = Ledger.open(path)
    await fill(ledger, path, range(1))
    stuck = sqlite3.connect(path)
    cursor = stuck.execute("SELECT id FROM reply")
    assert cursor.fetchone() == (1,)
    assert await fill(ledger, path, range(1, 9)) > 3 * LIMIT
    cursor.close()
    stuck.close()
    await fill(ledger, path, range(9, 14))
    assert size_of(wal_of(path)) < 2 * LIMIT
    await ledger.close()
    with Reader(path) as reader:
        assert reader.spend()[0].calls == 14 * 500


async def test_a_reader_that_closes_last_leaves_the_wal_to_the_next_writer(path: Path) -> None:
    """Checkpoints are the writer's alone: two who make them meet a fault of SQLite before 3.51.3."""
    ledger = Ledger.open(path)
    reader = Reader(path)
    assert reader.spend() == []
    await write(ledger, map(a_reply, range(100)))
    held = sqlite3.connect(path)
    held.execute("BEGIN")
    held.execute("SELECT * FROM meta").fetchall()
    await ledger.close()
    held.close()
    size = size_of(wal_of(path))
    assert reader.spend()[0].calls == 100
    reader.close()
    assert size_of(wal_of(path)) == size
