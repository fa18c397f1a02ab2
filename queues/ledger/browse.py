"""A ledger as people leaf through it: candidates and seeds page by page, each page one short read.

The order is that of the indexes, so a page costs the same wherever it lies: candidates by the stage and reason that
they fell at, then in the order in which they were settled; seeds by their number.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import orjson

from queues.ledger.reader import SEEDS, Reader
from queues.ledger.rows import CandidateRow, SeedRow

PLACE = "SELECT stage, reason, origin, rowid FROM candidate WHERE seed = ? AND n = ?"
COLUMNS = "seed, n, state, stage, reason, detail, origin, substr(text, 1, ?), CAST(data AS BLOB)"
FIRST = ("", "", "", -1)
PAGE_OF_SEEDS = """
SELECT no FROM seed WHERE state = ? AND (phase, no) > (ifnull((SELECT phase FROM seed WHERE no = ?), -1), ?)
ORDER BY phase, no LIMIT ?"""


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which candidates: in one state, fallen at one stage or for one reason; or all of one seed.

    They come after the candidate `after`, a seed's number and its own; their texts are cut at `chars`.
    """

    state: str = "accepted"
    stage: str | None = None
    reason: str | None = None
    seed: int | None = None
    after: tuple[int, int] | None = None
    limit: int = 20
    chars: int = 1 << 30


class Browser(Reader):
    """A reader for people."""

    def candidates(self, wanted: Wanted) -> list[tuple[SeedRow, CandidateRow]]:
        """Return some of the candidates, each with its seed."""
        if wanted.seed is not None:
            where, order = "seed = ? AND n > ?", "n"
            values: list[str | int] = [wanted.seed, wanted.after[1] if wanted.after else -1]
        else:
            place = self._rows(PLACE, *wanted.after) if wanted.after else []
            where = "state = ? AND (stage, reason, origin, rowid) > (?, ?, ?, ?)"
            values = [wanted.state, *(place[0] if place else FIRST)]
            for name, value in (("stage", wanted.stage), ("reason", wanted.reason)):
                if value is not None:
                    where += f" AND {name} = ?"
                    values.append(value)
            order = "stage, reason, origin, rowid"
        query = f"SELECT {COLUMNS} FROM candidate WHERE {where} ORDER BY {order} LIMIT ?"  # noqa: S608  no value in it
        rows = [CandidateRow(*row) for row in self._rows(query, wanted.chars, *values, wanted.limit)]
        seeds = {seed.no: seed for seed in self._seed_rows([row.seed for row in rows])}
        return [(seeds[row.seed], row) for row in rows]

    def seeds(self, state: str, after: int | None, limit: int) -> list[SeedRow]:
        """Return seeds in one state, after one of this number."""
        last = -1 if after is None else after
        return self._seed_rows([no for (no,) in self._rows(PAGE_OF_SEEDS, state, last, last, limit)])

    def seed(self, no: int) -> SeedRow | None:
        """Return one seed, None where it is not settled yet."""
        return next(iter(self._seed_rows([no])), None)

    def _seed_rows(self, numbers: Sequence[int]) -> list[SeedRow]:
        return [SeedRow(*row) for row in self._rows(SEEDS, orjson.dumps(sorted(set(numbers))))]
