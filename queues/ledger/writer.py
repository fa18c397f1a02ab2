"""The ledger's writing side: rows from the event loop, committed in groups by one thread, then acknowledged.

A future resolves only when its row is on disk (WAL, synchronous=FULL). When a commit fails, those who wait for it and
all who come later get LedgerFailed; what was acknowledged before stays.
"""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from pathlib import Path

from queues.ledger.commit import Batch, CommitThread
from queues.ledger.connection import connect_writer
from queues.ledger.errors import LedgerFailed, explained
from queues.ledger.lock import Lock
from queues.ledger.rows import CandidateRow, DecisionRow, ReplyRow, SeedRow

GROUP_SECONDS = 0.05
GROUP_ROWS = 500
GROUP_BYTES = 16 << 20

OnCommit = Callable[[int, float], None]


class Ledger:
    """The durable store of one run. All methods belong to one event loop; `open` may run in any thread.

    `on_commit(rows, seconds)` is called on the loop after each commit.
    """

    def __init__(self, path: Path, lock: Lock, connection: sqlite3.Connection, on_commit: OnCommit | None) -> None:
        self.path = path
        self._on_commit = on_commit
        self._meta: dict[str, str] = dict(connection.execute("SELECT key, value FROM meta"))
        self._batch = Batch()
        self._timer: asyncio.TimerHandle | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread = CommitThread(path, lock, connection, self._acknowledge)
        self._failure: str | None = None
        self._closed: asyncio.Future[None] | None = None

    @classmethod
    def open(cls, path: Path, *, on_commit: OnCommit | None = None) -> Ledger:
        """Open or create the ledger at `path` for writing, and hold its lock (`ledger.lock` beside `ledger.sqlite`).

        Blocks; after an unclean end for 3 s a GB. Raises LedgerLocked, LedgerMismatch, LedgerCorrupt, LedgerFailed.
        """
        with ExitStack() as undo, explained(path, "open"):
            lock = Lock.acquire(path.with_suffix(".lock"))
            undo.callback(lock.release)
            connection = connect_writer(path)
            undo.callback(connection.close)
            ledger = cls(path, lock, connection, on_commit)
            undo.pop_all()
            return ledger

    def reply(self, row: ReplyRow) -> asyncio.Future[None]:
        """Write a model's reply; the future resolves when it is on disk."""
        self._batch.replies.append(row)
        return self._added(1, len(row.raw))

    def group(self, seed: SeedRow, candidates: Sequence[CandidateRow]) -> asyncio.Future[None]:
        """Write a seed and its candidates together, over what stood there before."""
        self._batch.seeds.append(seed)
        self._batch.candidates.extend(candidates)
        size = len(seed.row) + len(seed.data) + sum(len(c.text) + len(c.data) for c in candidates)
        return self._added(1 + len(candidates), size)

    def decision(self, row: DecisionRow) -> asyncio.Future[None]:
        """Write a decision; act on it only when the future has resolved."""
        self._batch.decisions.append(row)
        return self._added(1, len(row.body))

    def set_meta(self, key: str, value: str) -> asyncio.Future[None]:
        """Write a fact about the run; `meta` tells it at once, a reader after the commit."""
        self._meta[key] = value
        self._batch.meta.append((key, value))
        return self._added(1, len(value))

    def meta(self, key: str) -> str | None:
        """Return a fact about the run, None where it was never set."""
        return self._meta.get(key)

    async def close(self) -> None:
        """Write what is pending, bring the WAL into the file, give up the lock. Quiet after a failure; idempotent."""
        if self._closed is None:
            loop = self._loop or self._start()
            self._closed = loop.create_future()
            self._hand_over()
            self._thread.work.put(self._closed)
        await asyncio.shield(self._closed)

    def _added(self, rows: int, size: int) -> asyncio.Future[None]:
        loop = self._loop or self._start()
        waiter: asyncio.Future[None] = loop.create_future()
        if self._failure is not None or self._closed is not None:
            waiter.set_exception(LedgerFailed(self._failure or f"cannot write {self.path}: it is closed"))
            return waiter
        batch = self._batch
        batch.waiters.append(waiter)
        batch.rows += rows
        batch.size += size
        if batch.rows >= GROUP_ROWS or batch.size >= GROUP_BYTES:
            self._hand_over()
        elif self._timer is None:
            self._timer = loop.call_later(GROUP_SECONDS, self._hand_over)
        return waiter

    def _start(self) -> asyncio.AbstractEventLoop:
        self._loop = asyncio.get_running_loop()
        self._thread.start(self._loop)
        return self._loop

    def _hand_over(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._batch.waiters:
            self._thread.work.put(self._batch)
            self._batch = Batch()

    def _acknowledge(self, batch: Batch, failure: str | None, seconds: float) -> None:
        self._failure = failure
        for waiter in batch.waiters:
            if waiter.done():  # cancelled; its row is written all the same
                continue
            if failure is None:
                waiter.set_result(None)
            else:
                waiter.set_exception(LedgerFailed(failure))
        if failure is None and self._on_commit is not None:
            self._on_commit(batch.rows, seconds)
