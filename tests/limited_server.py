"""Servers with limits of their own, in virtual time, and callers that keep a gate full before them."""

from __future__ import annotations

import asyncio
import math
import random
from collections import deque
from collections.abc import Callable

from virtual_time import now

from queues.gate import Gate
from queues.pace import TokenBucket

START_S = 1000.0
RETRY_AFTER_S = 0.5


class Server:
    """Refuses by rate (a second's worth is kept), by number or by chance, or queues; a reply takes about `seconds`.

    `per_reply(n)` stretches a reply by how many are worked on at once, as batching does. `down` from and until.
    """

    def __init__(
        self,
        seconds: float,
        jitter: float = 0.2,
        rate: float | None = None,
        most: float = math.inf,
        chance: float = 0.0,
        slots: float = math.inf,
        batching: float = 0.0,
        down: tuple[float, float] = (0.0, 0.0),
        trip_s: float = 0.005,
    ) -> None:
        self.seconds, self.jitter, self.most, self.chance, self.slots = seconds, jitter, most, chance, slots
        self.batching, self.down, self.trip_s = batching, down, trip_s
        self.inside = 0
        self.served: list[float] = []
        self.refused: list[float] = []
        self._rate = rate
        self._bucket: TokenBucket | None = None
        self._queue = deque[asyncio.Future[None]]()
        self._random = random.Random(7)

    def open(self) -> None:
        """Begin on the loop whose time counts."""
        self._bucket = None if self._rate is None else TokenBucket(self._rate, self._rate, now)

    def change(self, rate: float) -> None:
        assert self._bucket is not None
        self._bucket.slow(rate, rate)

    async def answer(self) -> bool:
        """Take as long as the server would; return whether it served."""
        await asyncio.sleep(self._random.uniform(0.5, 1.5) * self.trip_s)
        if self._refuses():
            self.refused.append(now() - START_S)
            await asyncio.sleep(self.trip_s / 2)
            return False
        if self._bucket is not None:
            self._bucket.take(1)
        self.inside += 1
        if self.inside > self.slots:
            turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            self._queue.append(turn)
            await turn
        busy = 1 + self.batching * min(self.inside, self.slots)
        await asyncio.sleep(self.seconds * self._random.lognormvariate(0, self.jitter) * busy)
        if self._queue:
            self._queue.popleft().set_result(None)
        self.inside -= 1
        self.served.append(now() - START_S)
        return True

    def _refuses(self) -> bool:
        is_down = self.down[0] <= now() - START_S < self.down[1]
        is_full = self.inside >= self.most or (self._bucket is not None and self._bucket.wait(1) > 0)
        return is_down or is_full or self._random.random() < self.chance

    def rate(self, start: float, end: float) -> float:
        """Return the replies in a second between two times."""
        return sum(start <= at < end for at in self.served) / (end - start)

    def refused_share(self, start: float, end: float) -> float:
        refused = sum(start <= at < end for at in self.refused)
        return refused / max(1.0, refused + self.rate(start, end) * (end - start))


async def saturate(
    gate: Gate, server: Server, seconds: float, at: dict[float, Callable[[], None]] | None = None, callers: int = 1_200
) -> None:
    """Keep a line before the gate for `seconds`; a refused call comes back when told to. `at`: what happens when."""
    server.open()
    chance = random.Random(7)

    async def call() -> None:
        while True:
            lease = await gate.admit()
            if await server.answer():
                lease.done(0, work=1)
            else:
                lease.refused(RETRY_AFTER_S)
                await asyncio.sleep(RETRY_AFTER_S * chance.uniform(1, 1.25))

    tasks = [asyncio.create_task(call()) for _ in range(callers)] + [asyncio.create_task(gate.run())]
    for when, act in (at or {}).items():
        asyncio.get_running_loop().call_later(when, act)
    await asyncio.sleep(seconds)
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
