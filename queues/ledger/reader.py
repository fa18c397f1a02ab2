"""The ledger's reading side: short reads beside the writer, from any process.

Every read fetches one page and ends: a cursor left open would keep the writer from reusing its WAL. A page is one
consistent moment; two pages need not be.
"""

from __future__ import annotations

from array import array
from bisect import bisect_left
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple, Self

import numpy as np
import orjson

from queues.ledger.connection import connect_reader
from queues.ledger.errors import LedgerCorrupt, explained
from queues.ledger.rows import SEED_STATES, CandidateRow, DecisionRow, SeedRow

NUMBERS_A_PAGE = 10_000

REPLIES = "SELECT key, CAST(raw AS BLOB) FROM reply WHERE seed = ?"
KEYS = "SELECT key FROM reply WHERE seed IN (SELECT value FROM json_each(?))"
NUMBERS = """
SELECT phase, no FROM seed WHERE state = ? AND (phase, no) > (?, ?) AND phase <= ? ORDER BY phase, no LIMIT ?"""
SEEDS = """
SELECT no, id, topic, parent_id, root_id, state, phase, CAST(row AS BLOB), CAST(data AS BLOB)
FROM seed WHERE no IN (SELECT value FROM json_each(?)) ORDER BY no"""
CANDIDATES = """
SELECT seed, n, state, stage, reason, detail, origin, text, CAST(data AS BLOB)
FROM candidate WHERE seed IN (SELECT value FROM json_each(?)) ORDER BY seed, n"""
CANDIDATE_COUNTS = "SELECT state, stage, reason, origin, count(*) FROM candidate GROUP BY state, stage, reason, origin"
SEED_COUNTS = "SELECT state, phase, parent_id IS NOT NULL, count(*) FROM seed GROUP BY 1, 2, 3"
FAILURE = """
SELECT detail FROM candidate WHERE state = 'failed' AND (stage, reason) =
    (SELECT stage, reason FROM candidate WHERE state = 'failed' GROUP BY 1, 2 ORDER BY count(*) DESC LIMIT 1) LIMIT 1"""
SPEND = """
SELECT stage, endpoint, calls, reused, unpriced, prompt_tokens, completion_tokens, reasoning_tokens, cached_tokens,
       cost_usd, wait_s, duration_s FROM spend ORDER BY stage, endpoint"""
SPENT_ON = """
SELECT count(*), count(*) - count(cost_usd), ifnull(sum(prompt_tokens + completion_tokens), 0), total(cost_usd)
FROM reply WHERE seed IN (SELECT value FROM json_each(?)) AND NOT reused"""
DECISIONS = "SELECT kind, scope, CAST(body AS BLOB) FROM decision WHERE kind = ? ORDER BY id"

GroupRows = tuple[SeedRow, list[CandidateRow]]


class SeedNumbers:
    """Seed numbers in ascending order: 8 bytes each, membership in logarithmic time."""

    def __init__(self, numbers: Iterable[int]) -> None:
        self._numbers = array("q", numbers)
        np.frombuffer(self._numbers, np.int64).sort()  # in place: a list of them takes five times as much

    def __contains__(self, number: int) -> bool:
        place = bisect_left(self._numbers, number)
        return place < len(self._numbers) and self._numbers[place] == number

    def __iter__(self) -> Iterator[int]:
        return iter(self._numbers)

    def __len__(self) -> int:
        return len(self._numbers)


class CandidateCount(NamedTuple):
    """How many candidates (`total`) share a state, the stage and reason where they fell, and an origin."""

    state: str
    stage: str
    reason: str
    origin: str
    total: int


class SeedCount(NamedTuple):
    """How many seeds (`total`) share a state and a phase; `derived` ones came out of a stage, not out of the source."""

    state: str
    phase: int
    derived: bool
    total: int


class Spend(NamedTuple):
    """What the calls of one stage to one endpoint took. `reused` replies were not called and count nowhere else.

    `cost_usd` is the sum of the known prices; `unpriced` calls had none.
    """

    stage: str
    endpoint: str
    calls: int
    reused: int
    unpriced: int
    prompt_tokens: int
    completion_tokens: int
    reasoning_tokens: int
    cached_tokens: int
    cost_usd: float
    wait_s: float
    duration_s: float


class Spent(NamedTuple):
    """What the calls for some seeds took; `cost_usd` is the sum of the known prices, `unpriced` calls had none."""

    calls: int
    unpriced: int
    tokens: int
    cost_usd: float

    def plus(self, other: Spent) -> Spent:
        """Return what both took."""
        calls, unpriced, tokens = self.calls + other.calls, self.unpriced + other.unpriced, self.tokens + other.tokens
        return Spent(calls, unpriced, tokens, self.cost_usd + other.cost_usd)


class Reader:
    """A view of one ledger. One thread at a time; close it, or use it in a `with`."""

    def __init__(self, path: Path) -> None:
        """Open the ledger at `path`. Raises LedgerMissing, LedgerMismatch, LedgerCorrupt, LedgerFailed."""
        self.path = path
        with explained(path, "read"):
            self._connection = connect_reader(path)

    def close(self) -> None:
        self._connection.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def meta(self) -> dict[str, str]:
        """Return the facts about the run."""
        return dict(self._rows("SELECT key, value FROM meta"))

    def has_replies(self) -> bool:
        return bool(self._rows("SELECT 1 FROM reply LIMIT 1"))

    def replies(self, seed: int) -> dict[str, bytes]:
        """Return the raw replies to one seed's calls, by call key."""
        return dict(self._rows(REPLIES, seed))

    def keys(self, seeds: Sequence[int]) -> set[str]:
        """Return the keys of all replies to the calls of these seeds."""
        return {key for (key,) in self._rows(KEYS, orjson.dumps(seeds))}

    def numbers(self, states: Sequence[str] = SEED_STATES, phase: int | None = None) -> SeedNumbers:
        """Return the numbers of all seeds in one of these states, of one phase or of any."""
        found = array("q")
        first, last = (0, 1 << 62) if phase is None else (phase, phase)
        for state in states:
            after = (first, -1)
            while page := self._rows(NUMBERS, state, *after, last, NUMBERS_A_PAGE):
                found.extend(no for _, no in page)
                after = page[-1]
        return SeedNumbers(found)

    def groups(
        self, states: Sequence[str] = SEED_STATES, phase: int | None = None, *, page: int = 100
    ) -> Iterator[GroupRows]:
        """Yield the seeds that are now in one of these states with their candidates, by seed number, then by n.

        They are read `page` seeds at a time; a seed that leaves these states before its page is read is left out.
        """
        numbers = iter(self.numbers(states, phase))
        while wanted := list(islice(numbers, page)):
            yield from (group for group in self._groups(wanted) if group[0].state in states)

    def candidate_counts(self) -> list[CandidateCount]:
        """Count the candidates by state, stage, reason and origin: about a second for ten million."""
        return [CandidateCount(*row) for row in self._rows(CANDIDATE_COUNTS)]

    def seed_counts(self) -> list[SeedCount]:
        """Count the seeds by state, phase and descent."""
        return [SeedCount(state, phase, bool(derived), n) for state, phase, derived, n in self._rows(SEED_COUNTS)]

    def failure(self) -> str:
        """Return the words of one that failed for what most of them failed for; empty where none did."""
        return str(next(iter(self._rows(FAILURE)), ("",))[0])

    def spend(self) -> list[Spend]:
        """Return what was called and paid so far, by stage and endpoint."""
        return [Spend(*row) for row in self._rows(SPEND)]

    def spent_on(self, seeds: Sequence[int]) -> Spent:
        """Return what was called and paid for these seeds: read reply by reply, so in a run with many it takes long."""
        return Spent(*self._rows(SPENT_ON, orjson.dumps(seeds))[0])

    def decisions(self, kind: str) -> list[DecisionRow]:
        """Return the decisions of one kind, in the order in which they were taken."""
        return [DecisionRow(*row) for row in self._rows(DECISIONS, kind)]

    def _groups(self, numbers: list[int]) -> list[GroupRows]:
        wanted = orjson.dumps(numbers)
        with explained(self.path, "read"):
            self._connection.execute("BEGIN")  # both reads see one moment
            try:
                seeds = self._connection.execute(SEEDS, (wanted,)).fetchall()
                candidates = self._connection.execute(CANDIDATES, (wanted,)).fetchall()
            finally:
                self._connection.execute("ROLLBACK")
        groups: dict[int, GroupRows] = {row[0]: (SeedRow(*row), []) for row in seeds}
        if len(groups) != len(numbers):  # nothing is ever deleted
            raise LedgerCorrupt(self.path, "seeds that its index has are not in its table")
        for row in candidates:
            groups[row[0]][1].append(CandidateRow(*row))
        return list(groups.values())

    def _rows(self, query: str, *values: object) -> list[Any]:
        with explained(self.path, "read"):
            return self._connection.execute(query, values).fetchall()
