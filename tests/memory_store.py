"""A store of groups in memory, for pipelines under test."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

from stages.core.record import Group, Seed
from stages.core.store import SeedState


class Memory:
    """A store in memory that remembers what was committed, in which order."""

    def __init__(self) -> None:
        self.settled: dict[int, tuple[SeedState, Group, int]] = {}
        self.parked: dict[int, tuple[Group, int]] = {}

    async def settle(self, group: Group, state: SeedState, phase: int) -> None:
        await asyncio.sleep(0)
        assert group.seed.no not in self.settled, "settled twice"
        self.parked.pop(group.seed.no, None)
        self.settled[group.seed.no] = (state, group, phase)

    async def park(self, group: Group, phase: int) -> None:
        await asyncio.sleep(0)
        self.parked[group.seed.no] = (group, phase)

    def fresh(self, seed: Seed) -> Group | None:
        return None if seed.no in self.settled or seed.no in self.parked else Group(seed)

    async def reached(self, phase: int) -> AsyncIterator[tuple[Group, bool]]:
        waiting = {no: (group, True) for no, (group, at) in self.parked.items() if at == phase}
        past = {no: (group, False) for no, (_, group, at) in self.settled.items() if at >= phase}
        for _no, pair in sorted((waiting | past).items()):
            yield pair

    async def waiting(self, phase: int) -> AsyncIterator[Group]:
        for no, (group, at) in sorted(self.parked.items()):
            if at == phase and self.parked.get(no) == (group, at):
                yield group
