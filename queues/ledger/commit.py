"""The rows of one commit, and the thread that commits them.

A commit that fails is never tried again: what follows a failed fsync is not known to be on disk. All later batches fail
with the same words. Only this thread checkpoints, and only after it has acknowledged.
"""

from __future__ import annotations

import asyncio
import re
import sqlite3
import threading
import time
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from queue import SimpleQueue
from typing import Any

import orjson

from queues.ledger import schema
from queues.ledger.connection import wal_of
from queues.ledger.errors import LedgerError, explained
from queues.ledger.lock import Lock
from queues.ledger.rows import CandidateRow, DecisionRow, ReplyRow, SeedRow

WAL_BYTES = 32 << 20  # a larger WAL is brought into the file
_UNSTORABLE = re.compile("[\0\ud800-\udfff]")


@dataclass(slots=True)
class Batch:
    """What is written together, and the futures of those who wait for it."""

    replies: list[ReplyRow] = field(default_factory=list)
    seeds: list[SeedRow] = field(default_factory=list)
    candidates: list[CandidateRow] = field(default_factory=list)
    decisions: list[DecisionRow] = field(default_factory=list)
    meta: list[tuple[str, str]] = field(default_factory=list)
    waiters: list[asyncio.Future[None]] = field(default_factory=list)
    rows: int = 0
    size: int = 0  # bytes of JSON, about

    def write(self, connection: sqlite3.Connection) -> None:
        """Write all rows in one transaction, later rows over earlier ones. Any error leaves nothing of them."""
        connection.execute("BEGIN IMMEDIATE")
        try:
            for table, rows in (
                (schema.REPLY, self.replies),
                (schema.SEED, self.seeds),
                (schema.CANDIDATE, self.candidates),
                (schema.DECISION, self.decisions),
                (schema.META, self.meta),
            ):
                if rows:
                    connection.execute(table.statement, (as_json(table, rows),))
            connection.execute("COMMIT")
        except BaseException:
            if connection.in_transaction:
                connection.execute("ROLLBACK")
            raise


def as_json(table: schema.Table, rows: Iterable[Sequence[object]]) -> bytes:
    """Return the rows as one JSON array of arrays, with the columns that are JSON already embedded as they are."""
    plain: list[list[Any]] = [list(row) for row in rows]
    for row in plain:
        for place in table.json:
            row[place] = orjson.Fragment(row[place])
    # ->> would end a text at its NUL, unseen; in embedded JSON a NUL is an escape, which stays
    if not any("\0" in row[place] for row in plain for place in table.texts):
        with suppress(TypeError):  # a lone surrogate, which UTF-8 has no bytes for
            return orjson.dumps(plain)
    return orjson.dumps([[_storable(value) for value in row] for row in plain])


def _storable(value: object) -> object:
    return _UNSTORABLE.sub("\ufffd", value) if isinstance(value, str) else value


class CommitThread:
    """The one thread that writes: commits batch after batch until it is given a future, which it resolves at its end.

    `acknowledge(batch, failure, seconds)` is called on the loop, once per batch; `failure` says in words why it is not
    on disk. A daemon: when the process dies it may stop anywhere, since a transaction is whole or not there.
    """

    def __init__(
        self,
        path: Path,
        lock: Lock,
        connection: sqlite3.Connection,
        acknowledge: Callable[[Batch, str | None, float], None],
    ) -> None:
        self.work: SimpleQueue[Batch | asyncio.Future[None]] = SimpleQueue()
        self._path, self._wal, self._lock = path, wal_of(path), lock
        self._connection, self._acknowledge = connection, acknowledge
        self._checkpoint_at = WAL_BYTES

    def start(self, loop: asyncio.AbstractEventLoop) -> None:
        threading.Thread(target=self._run, args=(loop,), name="ledger", daemon=True).start()

    def _run(self, loop: asyncio.AbstractEventLoop) -> None:
        failure: str | None = None
        while isinstance(item := self.work.get(), Batch):
            started = time.perf_counter()
            failure = failure or self._attempt(partial(item.write, self._connection))
            loop.call_soon_threadsafe(self._acknowledge, item, failure, time.perf_counter() - started)
            failure = failure or self._attempt(self._checkpoint_if_large)
        if failure is None:
            self._attempt(self._checkpoint)  # all is safe in the WAL where this fails
        self._attempt(self._connection.close)
        self._lock.release()
        loop.call_soon_threadsafe(item.set_result, None)

    def _attempt(self, step: Callable[[], object]) -> str | None:
        try:
            with explained(self._path, "write"):
                step()
        except LedgerError as error:
            return str(error)
        except Exception as error:  # whatever breaks in this thread must reach those who wait for it
            return f"cannot write {self._path}: {error!r}"
        return None

    def _checkpoint_if_large(self) -> None:
        size = self._wal.stat().st_size
        if size >= self._checkpoint_at:
            hindered = self._checkpoint()
            self._checkpoint_at = (size if hindered else 0) + WAL_BYTES

    def _checkpoint(self) -> bool:
        """Bring the WAL into the file and empty it; return whether a reader hindered that (for a quarter second)."""
        busy, _frames, _done = self._connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
        return bool(busy)
