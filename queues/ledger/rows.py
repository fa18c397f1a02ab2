"""The rows of the ledger, as plain values: what a writer gives and a reader returns.

Columns that hold JSON (`raw`, `row`, `data`, `body`) are bytes, already serialised, and go through untouched but for
white space between tokens. All other texts are stored as they are, except that what SQLite's JSON functions cannot
carry (NUL, lone surrogates) becomes U+FFFD.
"""

from __future__ import annotations

from typing import NamedTuple

SEED_STATES = ("solved", "unsolved", "failed", "expanded", "parked")


class ReplyRow(NamedTuple):
    """One reply of a model. `seed` is the seed's number, `cost_usd` None where it is unknown; times in seconds.

    `reused` replies were taken from another ledger: nobody paid for them in this run.
    """

    seed: int
    key: str
    stage: str
    endpoint: str
    raw: bytes
    prompt_tokens: int = 0
    completion_tokens: int = 0
    reasoning_tokens: int = 0
    cached_tokens: int = 0
    cost_usd: float | None = None
    wait_s: float = 0.0
    duration_s: float = 0.0
    reused: bool = False


class SeedRow(NamedTuple):
    """One input and how it ended. state: solved, unsolved, failed, expanded, or parked until `phase` begins."""

    no: int
    id: str
    topic: str
    parent_id: str | None
    root_id: str | None
    state: str
    phase: int
    row: bytes
    data: bytes


class CandidateRow(NamedTuple):
    """One candidate of seed number `seed`. state: live, accepted, rejected, failed; `stage`, `reason`: why it fell."""

    seed: int
    n: int
    state: str
    stage: str
    reason: str
    detail: str
    origin: str
    text: str
    data: bytes


class DecisionRow(NamedTuple):
    """A decision that depended on other seeds, committed before it was acted on; `scope` says what it governs."""

    kind: str
    scope: str
    body: bytes
