"""Many clients of a service at once, each with a will of its own: they submit, read, pause, resume, cancel, listen."""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

import aiohttp
from benches.service_http import Asker, requests_of, seeds_of

T = TypeVar("T")

PATIENCE_S = 600.0
"""How long a client asks again whose connection was refused or broke."""
TERMINAL = {"complete", "budget", "failed", "cancelled", "completed", "expired"}


class Crowd:
    """So many clients with a job each, and every fourth with a batch too; `taken` and `ended` are ids."""

    def __init__(self, url: str, clients: int) -> None:
        self._url, self._clients = url, clients
        self.wanted = clients + clients // 4
        self.taken: set[str] = set()
        self.ended: set[str] = set()
        self.statuses = Counter[int]()
        self.broken = 0
        self.done = False

    async def run(self) -> None:
        async with asyncio.TaskGroup() as tasks:
            for number in range(self._clients):
                tasks.create_task(self._job(number))
                if number % 4 == 3:
                    tasks.create_task(self._batch(number))
        self.done = True

    async def _job(self, number: int) -> None:
        chance = random.Random(number)
        async with Asker(self._url) as asker:
            seeds = seeds_of(chance.randint(5, 60))
            file_id = await self._insisting(lambda: asker.upload("seeds.jsonl", seeds, "seeds"))
            path = "/v1/jobs/" + await self._insisting(lambda: asker.submit(file_id, f"job-{number}"))
            self.taken.add(path.rpartition("/")[2])
            while (state := (await self._ask(asker, "GET", path))["state"]) not in TERMINAL:
                does = chance.random()
                if state == "paused" or does < 0.05:
                    await self._ask(asker, "POST", f"{path}/{'resume' if state == 'paused' else 'pause'}")
                elif does < 0.07:
                    await self._ask(asker, "POST", f"{path}/cancel")
                else:
                    looks = chance.choice(("", "/samples", "/seeds", "/files", "/pipeline"))
                    await self._ask(asker, "GET", f"{path}{looks}")
                if does > 0.9:
                    await self._listen(asker, path, chance.random())
                await asyncio.sleep(chance.uniform(0.1, 1.0))
            self.ended.add(path.rpartition("/")[2])

    async def _batch(self, number: int) -> None:
        chance = random.Random(-number)
        async with Asker(self._url) as asker:
            requests = requests_of(chance.randint(5, 100))
            file_id = await self._insisting(lambda: asker.upload("requests.jsonl", requests, "batch"))
            path = "/v1/batches/" + await self._insisting(lambda: asker.batch(file_id, f"batch-{number}"))
            self.taken.add(path.rpartition("/")[2])
            while (await self._ask(asker, "GET", path))["status"] not in TERMINAL:
                if chance.random() < 0.05:
                    await self._ask(asker, "POST", f"{path}/cancel")
                await asyncio.sleep(chance.uniform(0.1, 1.0))
            self.ended.add(path.rpartition("/")[2])

    async def _listen(self, asker: Asker, path: str, seconds: float) -> None:
        """Hear events for a while."""
        try:
            async with asyncio.timeout(seconds), asker.listening(path.rpartition("/")[2], 1):
                await asyncio.sleep(seconds)
        except TimeoutError:
            pass
        except ExceptionGroup:  # the connection broke
            self.broken += 1

    async def _ask(self, asker: Asker, method: str, path: str) -> Any:
        status, body = await self._insisting(lambda: asker.ask(method, path))
        self.statuses[status] += 1
        return body

    async def _insisting(self, attempt: Callable[[], Awaitable[T]]) -> T:
        """Return what an attempt brings, made again while nobody answers."""
        async with asyncio.timeout(PATIENCE_S):
            while True:
                try:
                    return await attempt()
                except (aiohttp.ClientError, OSError):
                    self.broken += 1
                    await asyncio.sleep(0.5)
