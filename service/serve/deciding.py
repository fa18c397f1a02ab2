"""Decisions about what jobs, batches and files there are: one at a time, and never half of one."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar

T = TypeVar("T")


class Deciding:
    """Lets decisions be taken one after the other.

    A decision looks at what there is, and ends when what follows from it is registered, and known to whoever acts on
    it. It goes through even where the one who asked for it hangs up meanwhile.
    """

    def __init__(self) -> None:
        self._alone = asyncio.Lock()

    async def __call__(self, decision: Coroutine[Any, Any, T]) -> T:
        """Take a decision, and return or raise what it does."""
        going = asyncio.ensure_future(self._taken(decision))
        try:
            return await asyncio.shield(going)
        except asyncio.CancelledError:
            await asyncio.gather(going, return_exceptions=True)
            raise

    async def _taken(self, decision: Coroutine[Any, Any, T]) -> T:
        async with self._alone:
            return await decision
