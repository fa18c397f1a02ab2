"""The rows of one commit, and how they become JSON."""

from __future__ import annotations

import asyncio
import re
import sqlite3
from collections.abc import Iterable, Sequence
from contextlib import suppress
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
