"""Where groups are kept: the ledger, seen from the pipeline."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Literal, Protocol

from stages.core.record import Group, Seed

SeedState = Literal["solved", "unsolved", "failed", "expanded"]


class Store(Protocol):
    """Keeps groups that are done, and those that wait: out of memory, and out of admission."""

    async def settle(self, group: Group, state: SeedState, phase: int) -> None:
        """Commit a group that is done."""
        ...

    async def park(self, group: Group, phase: int) -> None:
        """Commit a group that waits for `phase`."""
        ...

    def fresh(self, seed: Seed) -> Group | None:
        """Return the group of a seed, with its committed replies; None where an earlier process is done with it."""
        ...

    def reached(self, phase: int) -> AsyncIterator[tuple[Group, bool]]:
        """Yield every group that came as far as `phase`, in canonical order, and whether it still waits for it."""
        ...

    def waiting(self, phase: int) -> AsyncIterator[Group]:
        """Yield the groups that now wait in or for `phase`, in canonical order."""
        ...
