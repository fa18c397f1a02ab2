"""How tests stand in a gate's line."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from queues.gate import Gate, Lease


@asynccontextmanager
async def dispatched(gate: Gate) -> AsyncIterator[Gate]:
    """Keep the gate's dispatcher going, as its owner does."""
    dispatcher = asyncio.create_task(gate.run(), name="gate")
    try:
        yield gate
    finally:
        dispatcher.cancel()
        await asyncio.gather(dispatcher, return_exceptions=True)


def line_up(gate: Gate, tokens: int = 0, priority: tuple[int, ...] = (), job: str = "") -> asyncio.Task[Lease]:
    return asyncio.create_task(gate.admit(tokens, priority, job), name=job)
