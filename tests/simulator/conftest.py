"""A client to a simulator on an ephemeral loopback port."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any

import aiohttp
import orjson
import pytest

from service.simulator.options import Options
from service.simulator.server import running


class Client:
    """Plain HTTP to one simulator."""

    def __init__(self, session: aiohttp.ClientSession, base_url: str) -> None:
        self._session, self.base_url = session, base_url

    async def post(self, body: dict[str, Any] | bytes, path: str = "/chat/completions", **headers: str) -> Answer:
        data = body if isinstance(body, bytes) else orjson.dumps(body)
        async with self._session.post(self.base_url + path, data=data, headers=headers) as reply:
            return Answer(reply.status, reply.headers, await reply.read())

    async def ask(self, prompt: str, **more: Any) -> Answer:
        return await self.post(chat(prompt, **more))

    async def get(self, path: str) -> dict[str, Any]:
        async with self._session.get(self.base_url.removesuffix("/v1") + path) as reply:
            assert reply.status == 200
            return await reply.json()

    async def figures(self) -> dict[str, float]:
        """Return what it says at /metrics, by name."""
        async with self._session.get(self.base_url.removesuffix("/v1") + "/metrics") as reply:
            assert reply.headers["Content-Type"].startswith("text/plain; version=0.0.4")
            lines = [line for line in (await reply.text()).splitlines() if not line.startswith("#")]
        return {line.partition("{")[0]: float(line.split()[-1]) for line in lines}

    async def stats(self) -> dict[str, Any]:
        return await self.get("/stats")

    async def in_flight(self, count: int) -> None:
        """Return when the simulator says that so many calls are in flight."""
        async with asyncio.timeout(10):
            while (await self.stats())["in_flight"] != count:
                pass


class Answer:
    def __init__(self, status: int, headers: Any, raw: bytes) -> None:
        self.status, self.headers, self.raw = status, headers, raw

    @property
    def body(self) -> dict[str, Any]:
        return orjson.loads(self.raw)

    @property
    def text(self) -> str:
        assert self.status == 200, self.raw
        return self.body["choices"][0]["message"]["content"]


def chat(prompt: str, **more: Any) -> dict[str, Any]:
    return {"model": "simulated", "messages": [{"role": "user", "content": prompt}], **more}


@asynccontextmanager
async def _simulated(options: Options, **how: Any) -> AsyncIterator[Client]:
    async with running(replace(options, port=0), **how) as base_url, aiohttp.ClientSession() as session:
        yield Client(session, base_url)


@pytest.fixture
def simulated() -> Callable[..., Any]:
    return _simulated


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


class FakeClock:
    """Seconds that pass when told."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now
