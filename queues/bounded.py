"""A bounded queue between the workers of two stages.

Invariants: `put` never lets the queue grow beyond its capacity, `put_again` always has room and is served first (what
comes back is older than what is new), items leave in the order they came, closing loses nothing, and a cancelled `put`
or `get` takes or leaves exactly nothing.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic, TypeVar

T = TypeVar("T")


class QueueClosed(Exception):
    """The queue takes nothing any more and, for a `get`, holds nothing any more."""


@dataclass(frozen=True, slots=True)
class QueueStatistics:
    """A queue at one moment. `oldest_s` is the age of its oldest item in seconds, 0 when empty."""

    depth: int
    capacity: int
    oldest_s: float
    getting: int
    putting: int
    closed: bool


class BoundedQueue(Generic[T]):
    """At most `capacity` items, any number of producers and consumers on one event loop."""

    def __init__(self, capacity: int, name: str = "", clock: Callable[[], float] = time.monotonic) -> None:
        if capacity < 1:
            raise ValueError(f"a queue holds at least one item; capacity is {capacity}")
        self.name = name
        self._capacity = capacity
        self._clock = clock
        self._new: deque[tuple[float, T]] = deque()
        self._again: deque[tuple[float, T]] = deque()
        self._getters: deque[asyncio.Future[None]] = deque()
        self._putters: deque[asyncio.Future[None]] = deque()
        self._closed = False

    async def put(self, item: T) -> None:
        """Add an item, waiting for room. Raises QueueClosed, also when the queue closes during the wait."""
        while self._full and not self._closed:
            await _turn(self._putters)
        self._add(self._new, item)

    def put_again(self, item: T) -> None:
        """Add an item that comes back for another round: never waits, for the caller's own get made its room."""
        self._add(self._again, item)

    async def get(self) -> T:
        """Take the next item, waiting for one. Raises QueueClosed once the queue is closed and empty."""
        while not self._again and not self._new:
            if self._closed:
                raise QueueClosed(repr(self))
            await _turn(self._getters)
        _, item = (self._again or self._new).popleft()
        if not self._full:
            _wake_next(self._putters)
        return item

    def close(self) -> None:
        """Take nothing more; what is inside can still be got. Closing twice is closing once."""
        self._closed = True
        for line in (self._getters, self._putters):
            while line:
                _wake_next(line)

    def statistics(self) -> QueueStatistics:
        since = [line[0][0] for line in (self._again, self._new) if line]
        return QueueStatistics(
            depth=len(self),
            capacity=self._capacity,
            oldest_s=self._clock() - min(since) if since else 0.0,
            getting=len(self._getters),
            putting=len(self._putters),
            closed=self._closed,
        )

    def __len__(self) -> int:
        return len(self._new) + len(self._again)

    def __repr__(self) -> str:
        now = self.statistics()
        return (
            f"<BoundedQueue {self.name or 'unnamed'} {now.depth}/{now.capacity}, oldest {now.oldest_s:.1f} s, "
            f"{now.getting} getting, {now.putting} putting{', closed' if now.closed else ''}>"
        )

    @property
    def _full(self) -> bool:
        return len(self) >= self._capacity

    def _add(self, line: deque[tuple[float, T]], item: T) -> None:
        if self._closed:
            raise QueueClosed(repr(self))
        line.append((self._clock(), item))
        _wake_next(self._getters)


async def _turn(line: deque[asyncio.Future[None]]) -> None:
    """Wait in line until woken. Who is cancelled after having been woken wakes the next, so that no turn is lost."""
    turn = asyncio.get_running_loop().create_future()
    line.append(turn)
    try:
        await turn
    except asyncio.CancelledError:
        if turn.cancelled():
            with contextlib.suppress(ValueError):  # whoever woke the line in between has taken it out already
                line.remove(turn)
        else:
            _wake_next(line)
        raise


def _wake_next(line: deque[asyncio.Future[None]]) -> None:
    while line:
        turn = line.popleft()
        if not turn.done():
            turn.set_result(None)
            return
