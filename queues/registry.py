"""The registry of a service: its jobs, files and whatever else has an id, a tenant and a state, in one SQLite file.

What a thing is beyond that stands in its `body`, plain JSON. One thread reads and writes; a call returns when its
change is on disk (WAL, synchronous=FULL), so that what was answered survives a power cut. One process at a time.
"""

from __future__ import annotations

import asyncio
import sqlite3
import time
import uuid
from collections import Counter
from collections.abc import Callable, Collection, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

import orjson

from queues.ledger.connection import create, is_empty, make_durable
from queues.ledger.errors import LedgerMismatch, explained
from queues.ledger.lock import Lock

T = TypeVar("T")

VERSION = 1
TABLES = (
    """
CREATE TABLE thing (
    no INTEGER PRIMARY KEY AUTOINCREMENT, kind TEXT NOT NULL, id TEXT NOT NULL UNIQUE, tenant TEXT NOT NULL,
    state TEXT NOT NULL, created_at INTEGER NOT NULL, body TEXT NOT NULL) STRICT""",
    "CREATE INDEX thing_of_tenant ON thing (kind, tenant, no)",
    "CREATE INDEX thing_state ON thing (kind, state, no)",
    """
CREATE TABLE key (
    tenant TEXT NOT NULL, key TEXT NOT NULL, digest TEXT NOT NULL, id TEXT NOT NULL,
    PRIMARY KEY (tenant, key)) STRICT, WITHOUT ROWID""",
    "CREATE INDEX key_of_thing ON key (id)",
    """
CREATE TABLE usage (
    tenant TEXT NOT NULL, day INTEGER NOT NULL, tokens INTEGER NOT NULL,
    PRIMARY KEY (tenant, day)) STRICT, WITHOUT ROWID""",
)
GONE = "gone"
COLUMNS = "kind, id, tenant, state, created_at, body"


class KeyTaken(Exception):
    """An idempotency key came before with something else."""


class Record(NamedTuple):
    """A thing as it is registered. `created_at` in seconds since 1970; `body` must be plain JSON data."""

    kind: str
    id: str
    tenant: str
    state: str
    created_at: int
    body: dict[str, Any]

    def now(self, state: str | None = None, **body: Any) -> Record:
        """Return the thing as it is after a change."""
        return self._replace(state=state or self.state, body={**self.body, **body})


def new_record(kind: str, tenant: str, state: str, body: dict[str, Any]) -> Record:
    """Return a new thing, with an id that nobody guesses."""
    return Record(kind, f"{kind}-{uuid.uuid4().hex}", tenant, state, int(time.time()), body)


class Page(NamedTuple):
    """What is asked for of a list: those after one of this id, newest first or oldest first."""

    after: str | None = None
    limit: int = 20
    newest_first: bool = True


class Registry:
    """The open registry. Its methods belong to one event loop; `open` and `close` block."""

    def __init__(self, path: Path, lock: Lock, connection: sqlite3.Connection) -> None:
        self.path = path
        self._lock, self._connection = lock, connection
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="registry")

    @classmethod
    def open(cls, path: Path) -> Registry:
        """Open or make the registry at `path`. Raises the errors of a ledger: LedgerLocked, LedgerMismatch, ..."""
        with ExitStack() as undo, explained(path, "open"):
            lock = Lock.acquire(path.with_suffix(".lock"))
            undo.callback(lock.release)
            connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
            undo.callback(connection.close)
            _prepare(connection, path)
            undo.pop_all()
            return cls(path, lock, connection)

    def close(self) -> None:
        """Finish what was begun, and give up the lock."""
        self._thread.shutdown()
        self._connection.close()
        self._lock.release()

    async def add(self, record: Record, key: str | None = None, digest: str = "") -> Record:
        """Register a thing, and return it; with a key that came before, return what was registered then instead.

        `digest` stands for what the key came with. Raises KeyTaken where it differs.
        """
        return await self._write(partial(self._add, record, key, digest))

    async def known(self, tenant: str, key: str, digest: str) -> Record | None:
        """Return what was registered with a key, None where it did not come before. Raises KeyTaken as `add` does."""
        return await self._read(partial(self._known, tenant, key, digest))

    async def put(self, record: Record) -> None:
        """Write the state and body of a thing that is registered."""
        statement = "UPDATE thing SET state = ?, body = ? WHERE id = ?"
        await self._write(lambda: self._run(statement, record.state, _json(record.body), record.id))

    async def delete(self, thing: str) -> None:
        """Forget a thing, but for its place: a list that somebody leafs through goes on behind it."""

        def deleted() -> None:
            self._run("DELETE FROM key WHERE id = ?", thing)
            self._run("UPDATE thing SET kind = ?, state = '', body = '{}' WHERE id = ?", GONE, thing)

        await self._write(deleted)

    async def get(self, kind: str, thing: str, tenant: str) -> Record | None:
        """Return a tenant's thing, None where there is none of this id, or it is another's."""
        found = await self._things("kind = ? AND id = ? AND tenant = ?", kind, thing, tenant)
        return next(iter(found), None)

    async def page(self, kind: str, tenant: str, page: Page, match: Mapping[str, str]) -> tuple[list[Record], bool]:
        """Return things of a tenant, and whether there are more. `match`: a `state`, or what their body must have."""
        where, values = ["kind = ?", "tenant = ?"], [kind, tenant]
        order, beyond = ("DESC", "<") if page.newest_first else ("ASC", ">")
        if page.after is not None:
            where.append(f"no {beyond} (SELECT no FROM thing WHERE id = ? AND tenant = ?)")  # noqa: S608  no value in it
            values += [page.after, tenant]
        for name, value in match.items():
            where.append("state = ?" if name == "state" else "body->>? = ?")
            values += [value] if name == "state" else [f"$.{name}", value]
        found = await self._things(f"{' AND '.join(where)} ORDER BY no {order} LIMIT ?", *values, page.limit + 1)
        return found[: page.limit], len(found) > page.limit

    async def all(self, kind: str, states: Collection[str]) -> list[Record]:
        """Return all things in one of these states, in the order in which they came."""
        where = "kind = ? AND state IN (SELECT value FROM json_each(?)) ORDER BY no"
        return await self._things(where, kind, orjson.dumps(list(states)).decode())

    async def states(self, kind: str) -> Counter[str]:
        """Count the things in each state."""
        return Counter(dict(await self._rows("SELECT state, count(*) FROM thing WHERE kind = ? GROUP BY state", kind)))

    async def total(self, tenant: str, name: str) -> int:
        """Return the sum of a number in the bodies of a tenant's things."""
        ((total,),) = await self._rows(
            "SELECT ifnull(sum(body->>?), 0) FROM thing WHERE tenant = ?", f"$.{name}", tenant
        )
        return int(total)

    async def used(self, day: int) -> dict[str, int]:
        """Return the tokens that each tenant has taken on a day, counted from 1970."""
        return dict(await self._rows("SELECT tenant, tokens FROM usage WHERE day = ?", day))

    async def use(self, tenant: str, day: int, tokens: int) -> None:
        """Write how many tokens a tenant has taken on a day so far; earlier days are forgotten after a month."""
        statement = "INSERT INTO usage VALUES (?, ?, ?) ON CONFLICT DO UPDATE SET tokens = excluded.tokens"

        def used() -> None:
            self._run("DELETE FROM usage WHERE day < ?", day - 31)
            self._run(statement, tenant, day, tokens)

        await self._write(used)

    async def try_writing(self) -> None:
        """Write something that nobody reads. Raises LedgerError where that cannot be."""
        statement = "INSERT INTO usage VALUES ('', 0, 0) ON CONFLICT DO UPDATE SET tokens = 1 - tokens"
        await self._write(lambda: self._run(statement))

    async def _things(self, where: str, *values: object) -> list[Record]:
        return await self._read(lambda: self._found(where, *values))

    async def _rows(self, query: str, *values: object) -> list[Any]:
        return await self._read(lambda: self._run(query, *values))

    async def _read(self, step: Callable[[], T]) -> T:
        return await self._do("read", step)

    async def _write(self, step: Callable[[], T]) -> T:
        """Do all of a step, or nothing of it."""

        def transaction() -> T:
            with self._connection:
                self._run("BEGIN IMMEDIATE")
                return step()

        return await self._do("write", transaction)

    async def _do(self, doing: str, step: Callable[[], T]) -> T:
        def explained_step() -> T:
            with explained(self.path, doing):
                return step()

        return await asyncio.get_running_loop().run_in_executor(self._thread, explained_step)

    def _run(self, query: str, *values: object) -> list[Any]:
        return self._connection.execute(query, values).fetchall()

    def _found(self, where: str, *values: object) -> list[Record]:
        rows = self._run(f"SELECT {COLUMNS} FROM thing WHERE {where}", *values)  # noqa: S608  no value in it
        return [Record._make([*row[:5], orjson.loads(row[5])]) for row in rows]

    def _add(self, record: Record, key: str | None, digest: str) -> Record:
        if key is not None:
            if (before := self._known(record.tenant, key, digest)) is not None:
                return before
            self._run("INSERT INTO key VALUES (?, ?, ?, ?)", record.tenant, key, digest, record.id)
        values = (*record[:5], _json(record.body))
        self._run(f"INSERT INTO thing ({COLUMNS}) VALUES (?, ?, ?, ?, ?, ?)", *values)  # noqa: S608  no value in it
        return record

    def _known(self, tenant: str, key: str, digest: str) -> Record | None:
        before = self._run("SELECT digest, id FROM key WHERE tenant = ? AND key = ?", tenant, key)
        if not before:
            return None
        if digest != before[0][0]:
            raise KeyTaken
        return self._found("id = ?", before[0][1])[0]


def _json(body: Mapping[str, Any]) -> str:
    return orjson.dumps(body).decode()


def _prepare(connection: sqlite3.Connection, path: Path) -> None:
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    empty = is_empty(connection)
    if version != VERSION and not empty:
        raise LedgerMismatch(f"{path} has format {version}, this tamis reads {VERSION}; use the tamis that wrote it")
    make_durable(connection)
    if empty:
        create(connection, path, TABLES, VERSION)
