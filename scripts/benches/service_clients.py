"""Who asks a service over HTTP in its benches: one caller, and a crowd of clients, each with a will of its own."""

from __future__ import annotations

import asyncio
import json
import random
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any, Self, TypeVar

import aiohttp

T = TypeVar("T")

PATIENCE_S = 600.0
"""How long a client asks again whose connection was refused or broke."""
ENDED = ("complete", "budget", "failed", "cancelled", "completed", "expired")
"""The states of jobs and batches that have ended."""


def seeds_of(count: int) -> bytes:
    rows = ({"id": f"q{n}", "question": f"What is {n % 37 + 3} + {n}?", "answer": n % 37 + 3 + n} for n in range(count))
    return "".join(json.dumps(row) + "\n" for row in rows).encode()


def requests_of(count: int) -> bytes:
    """Return the file of a batch."""
    lines = []
    for n in range(count):
        body = {"model": "main", "messages": [{"role": "user", "content": f"What is {n % 37 + 3} + {n}?"}]}
        lines.append({"custom_id": f"r{n}", "method": "POST", "url": "/v1/chat/completions", "body": body})
    return "".join(json.dumps(line) + "\n" for line in lines).encode()


def pipeline(file_id: str) -> dict[str, Any]:
    return {
        "name": "bench",
        "source": {"type": "upload", "file_id": file_id, "id": "id"},
        "stages": [
            {"type": "generate", "endpoint": "main", "prompts": ["{{ question }}"]},
            {"type": "verify", "check": "numeric", "against": "{{ answer }}"},
        ],
    }


class Asker:
    """One caller. `ask` gives status and body; the others raise where the answer is no success."""

    def __init__(self, url: str) -> None:
        self._url = url

    async def __aenter__(self) -> Self:
        timeout = aiohttp.ClientTimeout(total=300)
        self._session = aiohttp.ClientSession(
            self._url, timeout=timeout, connector=aiohttp.TCPConnector(limit=0, force_close=True)
        )
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._session.close()

    async def ask(self, method: str, path: str, **more: Any) -> tuple[int, Any]:
        async with self._session.request(method, path, **more) as reply:
            body = await reply.read()
            return reply.status, json.loads(body) if reply.content_type == "application/json" else body

    async def get(self, path: str) -> Any:
        return await self._well(await self.ask("GET", path))

    async def upload(self, name: str, content: bytes, purpose: str) -> str:
        form = aiohttp.FormData({"purpose": purpose})
        form.add_field("file", content, filename=name)
        return str((await self._well(await self.ask("POST", "/v1/files", data=form)))["id"])

    async def submit(self, file_id: str, key: str) -> str:
        """Have a job taken; with a key that came before it is the same one."""
        return await self._made("/v1/jobs", {"pipeline": pipeline(file_id)}, key)

    async def batch(self, file_id: str, key: str) -> str:
        body = {"input_file_id": file_id, "endpoint": "/v1/chat/completions", "completion_window": "24h"}
        return await self._made("/v1/batches", body, key)

    async def when(self, path: str, true: Callable[[Any], object], every_s: float = 0.2) -> Any:
        """Return what is at a path when it is so."""
        while True:
            if true(shown := await self.get(path)):
                return shown
            await asyncio.sleep(every_s)

    async def all(self, *kinds: str) -> list[Any]:
        """Return all things of these kinds, page after page."""
        found: list[Any] = []
        for kind in kinds:
            page: dict[str, Any] = {"has_more": True, "last_id": ""}
            while page["has_more"]:
                after = f"&after={page['last_id']}" if page["last_id"] else ""
                page = await self.get(f"/v1/{kind}?limit=50{after}")
                found += page["data"]
        return found

    @asynccontextmanager
    async def listening(self, job: str, listeners: int) -> AsyncIterator[None]:
        """Hear the events of a job in the block, so many times."""
        async with asyncio.TaskGroup() as tasks:
            all_of_them = [tasks.create_task(self._hear(job)) for _ in range(listeners)]
            yield
            for task in all_of_them:
                task.cancel()

    async def _hear(self, job: str) -> None:
        async with self._session.get(f"/v1/jobs/{job}/events", timeout=aiohttp.ClientTimeout()) as reply:
            while await reply.content.readany():
                pass

    async def _made(self, path: str, body: dict[str, Any], key: str) -> str:
        answer = await self.ask("POST", path, json=body, headers={"Idempotency-Key": key})
        return str((await self._well(answer))["id"])

    @staticmethod
    async def _well(answer: tuple[int, Any]) -> Any:
        status, body = answer
        if status >= 300:
            raise RuntimeError(f"{status}: {body}")
        return body


class Crowd:
    """So many clients with a job each, and every fourth with a batch too; `taken` and `ended` are ids.

    They submit, read, pause, resume, cancel and listen.
    """

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
            while (state := (await self._ask(asker, "GET", path))["state"]) not in ENDED:
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
            while (await self._ask(asker, "GET", path))["status"] not in ENDED:
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
