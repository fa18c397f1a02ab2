"""The tables, and the statements that fill them.

Every write is one statement per table and commit: the rows arrive as one JSON array and SQLite unpacks them in C, with
the GIL released (docs/decisions/0001-rows-through-json-each.md). `->>` gives a text or number itself, `->` keeps JSON.
A statement's columns are the fields of its row (`rows.py`), by name.
Large columns stand last, so that reading the small ones touches no overflow page.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from queues.ledger.rows import CandidateRow, DecisionRow, ReplyRow, SeedRow

APPLICATION_ID = 0x74616D69  # "tami", in the file's header
VERSION = 1

TABLES = (
    "CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT, WITHOUT ROWID",
    """
CREATE TABLE reply (
    id INTEGER PRIMARY KEY, seed INTEGER NOT NULL, key TEXT NOT NULL, stage TEXT NOT NULL, endpoint TEXT NOT NULL,
    prompt_tokens INTEGER NOT NULL, completion_tokens INTEGER NOT NULL, reasoning_tokens INTEGER NOT NULL,
    cached_tokens INTEGER NOT NULL, cost_usd REAL, wait_s REAL NOT NULL, duration_s REAL NOT NULL,
    reused INTEGER NOT NULL, raw TEXT NOT NULL) STRICT""",
    "CREATE INDEX reply_seed ON reply (seed)",
    # the sums of the replies: a budget must be known at once, and ten million replies take a minute to read
    """
CREATE TABLE spend (
    stage TEXT NOT NULL, endpoint TEXT NOT NULL, calls INTEGER NOT NULL, reused INTEGER NOT NULL,
    unpriced INTEGER NOT NULL, prompt_tokens INTEGER NOT NULL, completion_tokens INTEGER NOT NULL,
    reasoning_tokens INTEGER NOT NULL, cached_tokens INTEGER NOT NULL, cost_usd REAL NOT NULL, wait_s REAL NOT NULL,
    duration_s REAL NOT NULL, PRIMARY KEY (stage, endpoint)) STRICT, WITHOUT ROWID""",
    """
CREATE TRIGGER reply_paid AFTER INSERT ON reply WHEN NOT new.reused BEGIN
    INSERT INTO spend VALUES (
        new.stage, new.endpoint, 1, 0, new.cost_usd IS NULL, new.prompt_tokens, new.completion_tokens,
        new.reasoning_tokens, new.cached_tokens, ifnull(new.cost_usd, 0), new.wait_s, new.duration_s)
    ON CONFLICT (stage, endpoint) DO UPDATE SET
        calls = calls + 1, unpriced = unpriced + excluded.unpriced,
        prompt_tokens = prompt_tokens + excluded.prompt_tokens,
        completion_tokens = completion_tokens + excluded.completion_tokens,
        reasoning_tokens = reasoning_tokens + excluded.reasoning_tokens,
        cached_tokens = cached_tokens + excluded.cached_tokens, cost_usd = cost_usd + excluded.cost_usd,
        wait_s = wait_s + excluded.wait_s, duration_s = duration_s + excluded.duration_s;
END""",
    """
CREATE TRIGGER reply_reused AFTER INSERT ON reply WHEN new.reused BEGIN
    INSERT INTO spend VALUES (new.stage, new.endpoint, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0)
    ON CONFLICT (stage, endpoint) DO UPDATE SET reused = reused + 1;
END""",
    """
CREATE TABLE seed (
    no INTEGER PRIMARY KEY, id TEXT NOT NULL, topic TEXT NOT NULL, parent_id TEXT, root_id TEXT,
    state TEXT NOT NULL, phase INTEGER NOT NULL, row TEXT NOT NULL, data TEXT NOT NULL) STRICT""",
    "CREATE INDEX seed_state ON seed (state, phase, no, parent_id)",
    """
CREATE TABLE candidate (
    seed INTEGER NOT NULL, n INTEGER NOT NULL, state TEXT NOT NULL, stage TEXT NOT NULL, reason TEXT NOT NULL,
    detail TEXT NOT NULL, origin TEXT NOT NULL, text TEXT NOT NULL, data TEXT NOT NULL,
    PRIMARY KEY (seed, n)) STRICT""",
    "CREATE INDEX candidate_state ON candidate (state, stage, reason, origin)",
    """
CREATE TABLE decision (
    id INTEGER PRIMARY KEY, kind TEXT NOT NULL, scope TEXT NOT NULL, body TEXT NOT NULL) STRICT""",
)


class Table(NamedTuple):
    """How rows enter a table: `json` are the places of columns that are JSON, `texts` of those that people wrote."""

    statement: str
    json: tuple[int, ...]
    texts: tuple[int, ...]


def _table(
    name: str, columns: Sequence[str], json: Sequence[str] = (), texts: Sequence[str] = (), key: Sequence[str] = ()
) -> Table:
    """Return how rows enter a table; with a `key`, over the row that has the same."""
    places = {column: place for place, column in enumerate(columns)}
    values = [f"value->{place}" if column in json else f"value->>{place}" for column, place in places.items()]
    rows = "json_each(CAST(? AS TEXT))"  # bytes in, decoded by SQLite and not under the GIL
    statement = f"INSERT INTO {name} ({', '.join(columns)}) SELECT {', '.join(values)} FROM {rows}"  # noqa: S608  no value in it
    if key:
        news = ", ".join(f"{column} = excluded.{column}" for column in columns if column not in key)
        # WHERE true: without it the parser takes ON CONFLICT for a join's ON
        statement += f" WHERE true ON CONFLICT ({', '.join(key)}) DO UPDATE SET {news}"
    return Table(statement, tuple(places[column] for column in json), tuple(places[column] for column in texts))


REPLY = _table("reply", ReplyRow._fields, json=("raw",))
SEED = _table("seed", SeedRow._fields, json=("row", "data"), texts=("id", "topic"), key=("no",))
CANDIDATE = _table(
    "candidate", CandidateRow._fields, json=("data",), texts=("reason", "detail", "text"), key=("seed", "n")
)
DECISION = _table("decision", DecisionRow._fields, json=("body",), texts=("scope",))
META = _table("meta", ("key", "value"), texts=("key", "value"), key=("key",))
