"""Somebody who asks a service over HTTP: what its benches send and hear."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any, Self

import aiohttp


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
