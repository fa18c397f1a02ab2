"""The ledger as the pipeline sees it: groups are settled, parked and streamed again, decisions kept."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable, Iterator
from typing import Any

import orjson

from queues.ledger import DecisionRow, Ledger, Reader
from stages.core.record import Group, Seed
from stages.core.store import SeedState
from stages.io.store import pack, unpack

PAGE = 200


class LedgerStore:
    """Implements the pipeline's Store and the stages' Decisions on a ledger and its reader."""

    def __init__(self, ledger: Ledger, reader: Reader) -> None:
        self._ledger, self._reader = ledger, reader
        self._done = reader.numbers()
        self._resumed = reader.has_replies()

    def fresh(self, seed: Seed) -> Group | None:
        if seed.no in self._done:
            return None
        return Group(seed, replies=self._reader.replies(seed.no) if self._resumed else {})

    async def settle(self, group: Group, state: SeedState, phase: int) -> None:
        await self._ledger.group(*pack(group, state, phase))

    async def park(self, group: Group, phase: int) -> None:
        await self._ledger.group(*pack(group, "parked", phase))

    async def reached(self, phase: int) -> AsyncIterator[tuple[Group, bool]]:
        """Yield the groups page by page; other tasks get their turn in between."""
        for rows in self._reader.groups(page=PAGE):
            stored = unpack(*rows)
            if stored.phase < phase:
                continue
            yield stored.group, stored.state == "parked" and stored.phase == phase
            await asyncio.sleep(0)

    async def waiting(self, phase: int) -> AsyncIterator[Group]:
        """Yield the groups as `reached` does, each with its committed replies."""
        for rows in self._reader.groups(("parked",), phase, page=PAGE):
            group = unpack(*rows).group
            group.replies = self._reader.replies(group.seed.no)
            yield group
            await asyncio.sleep(0)

    def made(self, kind: str) -> Iterator[tuple[str, Any]]:
        return made(self._reader, kind)

    async def make(self, kind: str, scope: str, body: Any) -> None:
        await self._ledger.decision(DecisionRow(kind, scope, orjson.dumps(body)))


def made(reader: Reader, kind: str) -> Iterator[tuple[str, Any]]:
    """Yield the decisions of a kind in the order in which they were made: the scope and the body of each."""
    for row in reader.decisions(kind):
        yield row.scope, orjson.loads(row.body)


async def fresh_groups(
    groups: Iterable[Group], store: LedgerStore, stopping: Callable[[], bool]
) -> AsyncIterator[Group]:
    """Yield those groups of the source that no earlier process has settled or parked, until it is time to stop."""
    for group in groups:
        if stopping():
            return
        if (fresh := store.fresh(group.seed)) is not None:
            fresh.candidates = group.candidates
            yield fresh
