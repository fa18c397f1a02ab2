"""Who waits at a gate, and whose turn it is: fair between jobs by what they cost, by priority within a job.

Each job has an account of what its requests cost since it began to wait, and the one with the smallest account is
next (start-time fair queueing: Goyal, Vin, Cheng 1996). A job that comes starts level with whoever was served last, so
it neither waits for the past of others nor is owed its own absence. The head stays the head until it is taken, however
long it waits, so a large request is never starved by small ones.
"""

from __future__ import annotations

import asyncio
import heapq
from collections.abc import Iterator
from typing import Any

Priority = tuple[int, ...]


class Waiter:
    """Somebody in line; within a job ordered by priority and then by arrival. `future` is set when its turn comes."""

    __slots__ = ("future", "job", "order", "tokens")

    def __init__(self, order: tuple[Priority, int], tokens: int, job: str, future: asyncio.Future[Any]) -> None:
        self.order, self.tokens, self.job, self.future = order, tokens, job, future

    def __lt__(self, other: Waiter) -> bool:
        return self.order < other.order


class Line:
    """All who wait. A waiter whose future is done (cancelled in line) is left out, and forgotten when met."""

    def __init__(self) -> None:
        self._jobs: dict[str, list[Waiter]] = {}
        self._accounts: dict[str, float] = {}
        self._reached = 0.0

    def __bool__(self) -> bool:
        return bool(self._jobs)

    def __len__(self) -> int:
        return sum(map(len, self._jobs.values()))

    def __iter__(self) -> Iterator[Waiter]:
        """Yield whoever waits, in no order."""
        return (waiter for waiters in self._jobs.values() for waiter in waiters if not waiter.future.done())

    def join(self, waiter: Waiter) -> None:
        waiters = self._jobs.get(waiter.job)
        if waiters is None:
            waiters = self._jobs[waiter.job] = []
            self._accounts[waiter.job] = self._reached
        heapq.heappush(waiters, waiter)

    def head(self) -> Waiter | None:
        """Return whose turn it is; None when nobody waits."""
        while self._jobs:
            job = (
                next(iter(self._jobs)) if len(self._jobs) == 1 else min(self._accounts, key=self._accounts.__getitem__)
            )
            first = self._jobs[job][0]
            if not first.future.done():
                return first
            self._drop(first)
        return None

    def take(self, head: Waiter) -> None:
        """Let the head go, at the cost of its tokens, or of one where none are counted."""
        self._reached = self._accounts[head.job]
        self._accounts[head.job] += head.tokens or 1
        self._drop(head)

    def _drop(self, head: Waiter) -> None:
        waiters = self._jobs[head.job]
        heapq.heappop(waiters)
        if not waiters:
            del self._jobs[head.job], self._accounts[head.job]
