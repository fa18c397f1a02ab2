"""The rows of one commit, and how they become JSON."""

from __future__ import annotations

import asyncio
import re
import sqlite3
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

import orjson

from queues.ledger import schema
from queues.ledger.rows import CandidateRow, DecisionRow, ReplyRow, SeedRow

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
            (last_reply,) = connection.execute("SELECT ifnull(max(id), 0) FROM reply").fetchone()
            for statement, rows, places in (
                (schema.INSERT_REPLIES, self.replies, (4,)),
                (schema.UPSERT_SEEDS, self.seeds, (7, 8)),
                (schema.UPSERT_CANDIDATES, self.candidates, (8,)),
                (schema.INSERT_DECISIONS, self.decisions, (2,)),
                (schema.UPSERT_META, self.meta, ()),
            ):
                if rows:
                    connection.execute(statement, (as_json(rows, places),))
            if self.replies:
                connection.execute(schema.ADD_SPEND, (last_reply,))
            connection.execute("COMMIT")
        except BaseException:
            if connection.in_transaction:
                connection.execute("ROLLBACK")
            raise


def as_json(rows: Iterable[Sequence[object]], json_places: tuple[int, ...]) -> bytes:
    """Return the rows as one JSON array of arrays; the columns at `json_places` are JSON bytes and are embedded."""
    plain: list[list[Any]] = [list(row) for row in rows]
    for row in plain:
        for place in json_places:
            row[place] = orjson.Fragment(row[place])
    try:
        encoded = orjson.dumps(plain)
    except TypeError:  # a lone surrogate somewhere
        return orjson.dumps(_storable(plain))
    # SQLite's ->> ends a text at its NUL; inside embedded JSON the escape stays an escape and is harmless
    return orjson.dumps(_storable(plain)) if b"\\u0000" in encoded else encoded


def _storable(rows: list[list[object]]) -> list[list[object]]:
    return [[_UNSTORABLE.sub("\ufffd", value) if isinstance(value, str) else value for value in row] for row in rows]
