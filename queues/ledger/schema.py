"""The tables, and the statements that fill them.

Every write is one statement per table and commit: the rows arrive as one JSON array and SQLite unpacks them in C, with
the GIL released (docs/decisions/0001-rows-through-json-each.md). `->>` gives a text or number itself, `->` keeps JSON.
Large columns stand last, so that reading the small ones touches no overflow page.
"""

from __future__ import annotations

from typing import NamedTuple

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


_ROWS = "FROM json_each(CAST(? AS TEXT))"  # bytes in, decoded by SQLite and not under the GIL

REPLY = Table(
    f"""
INSERT INTO reply (seed, key, stage, endpoint, raw, prompt_tokens, completion_tokens, reasoning_tokens, cached_tokens,
                   cost_usd, wait_s, duration_s, reused)
SELECT value->>0, value->>1, value->>2, value->>3, value->4, value->>5, value->>6, value->>7, value->>8,
       value->>9, value->>10, value->>11, value->>12 {_ROWS}""",
    json=(4,),
    texts=(),
)

# WHERE true: without it the parser takes ON CONFLICT for a join's ON
SEED = Table(
    f"""
INSERT INTO seed (no, id, topic, parent_id, root_id, state, phase, row, data)
SELECT value->>0, value->>1, value->>2, value->>3, value->>4, value->>5, value->>6, value->7, value->8 {_ROWS}
WHERE true ON CONFLICT (no) DO UPDATE SET
    id = excluded.id, topic = excluded.topic, parent_id = excluded.parent_id, root_id = excluded.root_id,
    state = excluded.state, phase = excluded.phase, row = excluded.row, data = excluded.data""",
    json=(7, 8),
    texts=(1, 2),
)

CANDIDATE = Table(
    f"""
INSERT INTO candidate (seed, n, state, stage, reason, detail, origin, text, data)
SELECT value->>0, value->>1, value->>2, value->>3, value->>4, value->>5, value->>6, value->>7, value->8 {_ROWS}
WHERE true ON CONFLICT (seed, n) DO UPDATE SET
    state = excluded.state, stage = excluded.stage, reason = excluded.reason, detail = excluded.detail,
    origin = excluded.origin, text = excluded.text, data = excluded.data""",
    json=(8,),
    texts=(4, 5, 7),
)

DECISION = Table(
    f"INSERT INTO decision (kind, scope, body) SELECT value->>0, value->>1, value->2 {_ROWS}", json=(2,), texts=(1,)
)

META = Table(
    f"""
INSERT INTO meta (key, value) SELECT value->>0, value->>1 {_ROWS}
WHERE true ON CONFLICT (key) DO UPDATE SET value = excluded.value""",
    json=(),
    texts=(0, 1),
)
