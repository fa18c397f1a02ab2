"""What came out of a job, to leaf through: candidates with their verdicts, and seeds, read from its ledger.

Each answer is one short read beside the writer. Texts are cut in lists; a seed by itself has all of its own.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal, TypeVar

from pydantic import Field

from config.base import Config
from queues.ledger import LedgerError, LedgerMissing
from queues.ledger.browse import Browser, Wanted
from queues.ledger.rows import CandidateRow, SeedRow
from service.runs.rundir import LEDGER
from service.serve.errors import ApiError, not_found
from service.serve.paging import After
from service.serve.shapes import Listed, Sample, Seed, listed
from stages.io.store import unpack

T = TypeVar("T")
CHARS = 4000
CANDIDATES = 1100
"""More than a seed can have."""


class SampleQuery(Config):
    """Which candidates. `seed`: all of the seed of this number; `stage` and `reason`: where and why they fell."""

    status: Literal["accepted", "rejected", "failed", "live"] = "accepted"
    stage: str | None = None
    reason: str | None = None
    seed: int | None = Field(default=None, ge=0, lt=2**62)
    after: After | None = None
    limit: int = Field(default=20, ge=1, le=100)


class SeedQuery(Config):
    """Which seeds: those in one state, after the one of this number."""

    state: Literal["solved", "unsolved", "failed", "expanded", "parked"] = "unsolved"
    after: int | None = Field(default=None, ge=0, lt=2**62)
    limit: int = Field(default=20, ge=1, le=100)


async def samples(run_dir: Path, query: SampleQuery) -> Listed[Sample]:
    """Return a page of candidates."""
    after = None if query.after is None else _place(query.after)
    wanted = Wanted(query.status, query.stage, query.reason, query.seed, after, query.limit + 1, CHARS + 1)
    rows = await read(run_dir, lambda browser: browser.candidates(wanted)) or []
    found = [_sample(seed, row, CHARS) for seed, row in rows[: query.limit]]
    return listed(found, len(rows) > query.limit)


async def seeds(run_dir: Path, query: SeedQuery) -> Listed[Seed]:
    """Return a page of seeds, by their numbers."""
    rows = await read(run_dir, lambda browser: browser.seeds(query.state, query.after, query.limit + 1)) or []
    return listed([_seed(row, None, CHARS) for row in rows[: query.limit]], len(rows) > query.limit)


async def seed(run_dir: Path, number: str) -> Seed:
    """Return a seed with all its candidates, uncut. Raises ApiError 404."""
    if not re.fullmatch("[0-9]{1,18}", number):
        raise not_found("seed", number)
    no = int(number)

    def both(browser: Browser) -> tuple[SeedRow | None, list[tuple[SeedRow, CandidateRow]]]:
        return browser.seed(no), browser.candidates(Wanted(seed=no, limit=CANDIDATES))

    row, candidates = await read(run_dir, both) or (None, [])
    if row is None:
        raise not_found("seed", number)
    return _seed(row, [_sample(row, candidate, None) for _, candidate in candidates], None)


async def read(run_dir: Path, look: Callable[[Browser], T]) -> T | None:
    """Read in a thread; None where the job has no ledger yet, or is deleted meanwhile."""
    path = run_dir / LEDGER

    def reading() -> T | None:
        try:
            with Browser(path) as browser:
                return look(browser)
        except LedgerMissing:
            return None
        except LedgerError:
            if path.exists():
                raise
            return None

    return await asyncio.to_thread(reading)


def _place(sample_id: str) -> tuple[int, int]:
    no, dash, n = sample_id.partition("-")
    if not (dash and no.isdecimal() and n.isdecimal() and int(no) < 2**62 and int(n) < 2**31):
        raise ApiError(400, f"after: {sample_id!r:.60} is not the id of a sample", param="after", code="invalid_value")
    return int(no), int(n)


def _sample(seed_row: SeedRow, row: CandidateRow, chars: int | None) -> Sample:
    group = unpack(seed_row, [row]).group
    (candidate,) = group.candidates
    cut = _Cut(chars)
    return Sample(
        id=f"{group.seed.no}-{candidate.n}",
        candidate=group.candidate_id(candidate),
        seed_no=group.seed.no,
        seed_id=group.seed.id,
        topic=group.seed.topic,
        state=candidate.state,
        stage=candidate.stage,
        reason=candidate.reason,
        detail=cut(candidate.detail),
        origin=candidate.origin,
        text=cut(candidate.text),
        reasoning=cut(candidate.reasoning),
        tool_calls=cut(candidate.tool_calls),
        scores=candidate.scores,
        verdicts=cut({name: verdict.as_dict() for name, verdict in candidate.verdicts.items()}),
        lineage=cut(candidate.lineage),
        fields=cut(candidate.fields),
        prompt=None if chars is not None else candidate.prompt,
        truncated=cut.happened,
    )


def _seed(row: SeedRow, candidates: list[Sample] | None, chars: int | None) -> Seed:
    stored, cut = unpack(row, []), _Cut(chars)
    seed = stored.group.seed
    return Seed(
        id=str(seed.no),
        seed_id=seed.id,
        topic=seed.topic,
        state=stored.state,
        parent_id=seed.parent_id,
        row=cut(seed.row),
        failure=stored.group.failure,
        candidates=candidates,
        truncated=cut.happened,
    )


class _Cut:
    """Cuts every text in a value at so many characters, and remembers whether there was one to cut."""

    def __init__(self, chars: int | None) -> None:
        self._chars, self.happened = chars, False

    def __call__(self, value: Any) -> Any:
        if self._chars is None:
            return value
        if isinstance(value, dict):
            return {key: self(inner) for key, inner in value.items()}
        if isinstance(value, list):
            return [self(inner) for inner in value]
        if isinstance(value, str) and len(value) > self._chars:
            self.happened = True
            return value[: self._chars]
        return value
