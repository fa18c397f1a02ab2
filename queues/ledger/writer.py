"""The ledger's writing side: rows from the event loop, committed in groups by one thread, then acknowledged.

Invariants: a future resolves only when its row is on disk (WAL, synchronous=FULL). A commit that fails is never tried
again: those who wait for it and all who come later get LedgerFailed, and what was acknowledged before stays. Only this
thread checkpoints, and only after it has acknowledged.
"""

from __future__ import annotations

import asyncio
import sqlite3
import threading
import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from queue import SimpleQueue

from queues.ledger.batch import Batch
from queues.ledger.errors import LedgerCorrupt, LedgerError, LedgerFailed, explained
from queues.ledger.lock import Lock
from queues.ledger.rows import CandidateRow, DecisionRow, ReplyRow, SeedRow
from queues.ledger.schema import connect_writer

GROUP_ROWS = 500
GROUP_BYTES = 16 << 20
GROUP_SECONDS = 0.05
WAL_BYTES = 32 << 20  # checkpoint when the WAL is larger

OnCommit = Callable[[int, float], None]


class Ledger:
    """The durable store of one run. All methods belong to one event loop; `open` may run in any thread.

    `on_commit(rows, seconds)` is called on the loop after each commit.
    """

    def __init__(self, path: Path, lock: Lock, connection: sqlite3.Connection, on_commit: OnCommit | None) -> None:
        self.path = path
        self._lock, self._connection, self._on_commit = lock, connection, on_commit
        self._meta: dict[str, str] = dict(connection.execute("SELECT key, value FROM meta"))
        self._loop: asyncio.AbstractEventLoop | None = None
        self._batch = Batch()
        self._timer: asyncio.TimerHandle | None = None
        self._commits: SimpleQueue[Batch | asyncio.Future[None]] = SimpleQueue()  # a future closes the ledger
        self._failure: LedgerError | None = None
        self._closed: asyncio.Future[None] | None = None

    @classmethod
    def open(cls, path: Path, *, on_commit: OnCommit | None = None) -> Ledger:
        """Open or create the ledger at `path` for writing, and hold its lock (`ledger.lock` beside `ledger.sqlite`).

        Blocks; after an unclean end it also checks the file. Raises LedgerLocked, LedgerMismatch, LedgerCorrupt,
        LedgerFailed.
        """
        lock = Lock.acquire(path.with_suffix(".lock"))
        connection: sqlite3.Connection | None = None
        try:
            wal = path.with_name(path.name + "-wal")
            unclean = wal.exists() and wal.stat().st_size > 0
            with explained(path, "open"):
                connection = connect_writer(path)
                if unclean:
                    _check(connection, path)
                return cls(path, lock, connection, on_commit)
        except BaseException:
            if connection is not None:
                connection.close()
            lock.release()
            raise

    def reply(self, row: ReplyRow) -> asyncio.Future[None]:
        """Write a model's reply; the future resolves when it is on disk."""
        batch = self._batch
        batch.replies.append(row)
        batch.raw_bytes += len(row.raw)
        return self._wait_for(batch)

    def group(self, seed: SeedRow, candidates: Sequence[CandidateRow]) -> asyncio.Future[None]:
        """Write a seed and its candidates together, over what stood there before."""
        batch = self._batch
        batch.seeds.append(seed)
        batch.candidates.extend(candidates)
        batch.raw_bytes += len(seed.row) + sum(len(candidate.data) for candidate in candidates)
        return self._wait_for(batch)

    def decision(self, row: DecisionRow) -> asyncio.Future[None]:
        """Write a decision; act on it only when the future has resolved."""
        self._batch.decisions.append(row)
        return self._wait_for(self._batch)

    def set_meta(self, key: str, value: str) -> asyncio.Future[None]:
        """Write a fact about the run; `meta` tells it at once, a reader after the commit."""
        self._meta[key] = value
        self._batch.meta.append((key, value))
        return self._wait_for(self._batch)

    def meta(self, key: str) -> str | None:
        """Return a fact about the run, None where it was never set."""
        return self._meta.get(key)

    async def close(self) -> None:
        """Write what is pending, checkpoint, and give up the lock. A failed ledger closes quietly; idempotent."""
        if self._closed is None:
            loop = self._loop or self._start()
            self._closed = loop.create_future()
            self._hand_over()
            self._commits.put(self._closed)
        await asyncio.shield(self._closed)

    def _wait_for(self, batch: Batch) -> asyncio.Future[None]:
        loop = self._loop or self._start()
        waiter: asyncio.Future[None] = loop.create_future()
        if self._failure is not None or self._closed is not None:
            waiter.set_exception(self._failure or LedgerFailed(f"{self.path} is closed"))
            return waiter
        batch.waiters.append(waiter)
        if self._timer is None:
            self._timer = loop.call_later(GROUP_SECONDS, self._hand_over)
        if len(batch.waiters) >= GROUP_ROWS or batch.raw_bytes >= GROUP_BYTES:
            self._hand_over()
        return waiter

    def _start(self) -> asyncio.AbstractEventLoop:
        loop = self._loop = asyncio.get_running_loop()
        threading.Thread(target=self._commit_all, args=(loop,), name="ledger", daemon=True).start()
        return loop

    def _hand_over(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._batch.waiters:
            self._commits.put(self._batch)
            self._batch = Batch()

    # from here on in the commit thread

    def _commit_all(self, loop: asyncio.AbstractEventLoop) -> None:
        failure: LedgerError | None = None
        while isinstance(batch := self._commits.get(), Batch):
            started = time.perf_counter()
            failure = failure or self._attempt(partial(batch.write, self._connection))
            loop.call_soon_threadsafe(self._acknowledge, batch, failure, time.perf_counter() - started)
            failure = failure or self._attempt(self._checkpoint)
        self._attempt(self._connection.close)
        self._lock.release()
        loop.call_soon_threadsafe(batch.set_result, None)

    def _attempt(self, step: Callable[[], None]) -> LedgerError | None:
        try:
            with explained(self.path, "write"):
                step()
        except LedgerError as error:
            return error
        except Exception as error:  # whatever breaks in this thread must reach those who wait for it
            failure = LedgerFailed(f"cannot write {self.path}: {error!r}")
            failure.__cause__ = error
            return failure
        return None

    def _checkpoint(self) -> None:
        wal = self.path.with_name(self.path.name + "-wal")
        if wal.stat().st_size > WAL_BYTES:
            self._connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()

    # and here on the loop again

    def _acknowledge(self, batch: Batch, failure: LedgerError | None, seconds: float) -> None:
        self._failure = failure
        for waiter in batch.waiters:
            if waiter.done():  # cancelled; its row is written all the same
                continue
            if failure is None:
                waiter.set_result(None)
            else:
                waiter.set_exception(failure)
        if failure is None and self._on_commit is not None:
            self._on_commit(batch.rows, seconds)


def _check(connection: sqlite3.Connection, path: Path) -> None:
    problems = [text for (text,) in connection.execute("PRAGMA quick_check(3)") if text != "ok"]
    if problems:
        raise LedgerCorrupt(f"{path} is damaged: {'; '.join(problems)}")
