"""What those who watch a job are sent: server-sent events, each made once for all of them.

Of every kind of event only the latest is kept. Whoever reads slowly is sent fewer, and nobody waits for them.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator

from pydantic import BaseModel

PING_S = 15.0
RETRY = b"retry: 2000\n\n"


class Feed:
    """The events of one job, until `end`. `listeners`: how many hear them now."""

    def __init__(self) -> None:
        self.listeners = 0
        self._latest: dict[str, tuple[int, bytes]] = {}
        self._number = 0
        self._changed = asyncio.Event()
        self._ended = False

    def publish(self, kind: str, data: BaseModel, *, last: bool = False) -> None:
        """Send an event to all; after the last one their streams end."""
        self._number += 1
        self._latest[kind] = (self._number, frame(kind, data, self._number))
        self._ended = self._ended or last
        self.wake()

    def wake(self) -> None:
        """Let those who wait look again."""
        changed, self._changed = self._changed, asyncio.Event()
        changed.set()

    def end(self) -> None:
        """End all streams."""
        self._ended = True
        self.wake()

    async def frames(self) -> AsyncGenerator[bytes, None]:
        """Yield what is new, as it comes, and a comment now and then so that the connection lives."""
        seen = 0
        self.listeners += 1
        try:
            yield RETRY
            while True:
                changed, ended = self._changed, self._ended
                new = sorted(one for one in self._latest.values() if one[0] > seen)
                if new:
                    seen = new[-1][0]
                    yield b"".join(event for _, event in new)
                if ended:
                    return
                try:
                    async with asyncio.timeout(PING_S):
                        await changed.wait()
                except TimeoutError:
                    yield b": ping\n\n"
        finally:
            self.listeners -= 1


def frame(kind: str, data: BaseModel, number: int = 0) -> bytes:
    """Return one event as it goes over the wire."""
    return f"id: {number}\nevent: {kind}\ndata: {data.model_dump_json()}\n\n".encode()
