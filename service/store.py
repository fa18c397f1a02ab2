"""The ledger as the pipeline sees it: groups are settled, parked and streamed again."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

import orjson

from queues.ledger import DecisionRow, Ledger, Reader, SeedNumbers
from stages.core.record import Group
from stages.io.sources import Source
from stages.io.store import pack, unpack
from stages.pipeline import SeedState

PAGE = 200
SETTLED = ("solved", "unsolved", "failed", "expanded")


class LedgerStore:
    """Implements the pipeline's Store on a ledger and its reader."""

    def __init__(self, ledger: Ledger, reader: Reader) -> None:
        self._ledger, self._reader = ledger, reader

    async def settle(self, group: Group, state: SeedState, phase: int) -> None:
        await self._ledger.group(*pack(group, state, phase))

    async def park(self, group: Group, phase: int) -> None:
        await self._ledger.group(*pack(group, "parked", phase))

    async def reached(self, phase: int) -> AsyncIterator[tuple[Group, bool]]:
        """Yield the groups page by page, each with its committed replies; other tasks get their turn in between."""
        for rows in self._reader.groups(page=PAGE):
            stored = unpack(*rows)
            if stored.phase < phase:
                continue
            waits = stored.state == "parked" and stored.phase == phase
            if waits:
                stored.group.replies = self._reader.replies(stored.group.seed.no)
            yield stored.group, waits
            await asyncio.sleep(0)


class LedgerDecisions:
    """Implements the stages' Decisions on a ledger and its reader."""

    def __init__(self, ledger: Ledger, reader: Reader) -> None:
        self._ledger, self._reader = ledger, reader

    def made(self, kind: str) -> Iterator[tuple[str, Any]]:
        for row in self._reader.decisions(kind):
            yield row.scope, orjson.loads(row.body)

    async def make(self, kind: str, scope: str, body: Any) -> None:
        await self._ledger.decision(DecisionRow(kind, scope, orjson.dumps(body)))


async def fresh_groups(
    source: Source, reader: Reader, limit: int | None, stopping: Callable[[], bool]
) -> AsyncIterator[Group]:
    """Yield the groups of the source that no earlier process has settled or parked, with their committed replies."""
    done: SeedNumbers = reader.numbers((*SETTLED, "parked"))
    resumed = reader.has_replies()
    for group in source.groups(limit=limit):
        if stopping():
            return
        if group.seed.no in done:
            continue
        if resumed:
            group.replies = reader.replies(group.seed.no)
        yield group
