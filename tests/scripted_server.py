"""A real HTTP server on loopback that answers from a script, and the run around an endpoint, in memory."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

import orjson
from aiohttp import web
from multidict import CIMultiDict

from queues.ledger import ReplyRow
from stages.core.errors import BudgetReached, TamisError
from stages.core.events import Event
from stages.core.record import Group, Seed
from stages.llm.endpoint import Endpoint, Hooks
from stages.llm.protocol import Call
from stages.llm.retries import RetryPolicy

Answer = Callable[[web.Request], Awaitable[web.StreamResponse]]


def completion(text: str = "42", **choice: Any) -> dict[str, Any]:
    """Return a chat completion as a provider writes it."""
    return {
        "id": "c1",
        "model": "m",
        "choices": [{"index": 0, "message": {"role": "assistant", "content": text}, "finish_reason": "stop", **choice}],
        "usage": {"prompt_tokens": 10, "completion_tokens": 5, "total_tokens": 15},
    }


@dataclass
class Seen:
    path: str
    query: dict[str, str]
    headers: CIMultiDict[str]
    body: dict[str, Any]
    raw: bytes
    peer: tuple[str, int]


class ScriptedServer:
    """Answers the n-th request with the n-th answer of the script, and with a completion after the last."""

    def __init__(self) -> None:
        self.script: list[Answer] = []
        self.models: Answer = self.json({"object": "list", "data": [{"id": "m"}, {"id": "other"}]})
        self.seen: list[Seen] = []
        self.asked_for_models: list[Seen] = []
        self.in_flight = self.peak = 0
        self.arrived = asyncio.Event()
        self.gone = asyncio.Event()
        self.base_url = ""

    @staticmethod
    def json(body: Any, status: int = 200, headers: dict[str, str] | None = None) -> Answer:
        return ScriptedServer.raw(orjson.dumps(body), status, headers)

    @staticmethod
    def raw(body: bytes, status: int = 200, headers: dict[str, str] | None = None) -> Answer:
        async def answer(_request: web.Request) -> web.StreamResponse:
            return web.Response(body=body, status=status, headers=headers, content_type="application/json")

        return answer

    @staticmethod
    def error(status: int, message: str = "no", headers: dict[str, str] | None = None, **more: Any) -> Answer:
        return ScriptedServer.json({"error": {"message": message, **more}}, status, headers)

    @staticmethod
    async def reset(request: web.Request) -> web.StreamResponse:
        assert request.transport is not None
        request.transport.abort()
        return web.Response()

    @staticmethod
    async def cut(request: web.Request) -> web.StreamResponse:
        """Promise a hundred bytes, send some, hang up."""
        reply = web.StreamResponse(headers={"Content-Length": "100"})
        await reply.prepare(request)
        await reply.write(b'{"choices": [')
        assert request.transport is not None
        request.transport.abort()
        return reply

    async def hang(self, _request: web.Request) -> web.StreamResponse:
        await self.gone.wait()
        return web.Response()

    async def complete(self, request: web.Request) -> web.StreamResponse:
        self.seen.append(await self._seen(request))
        self.in_flight += 1
        self.peak = max(self.peak, self.in_flight)
        self.arrived.set()
        try:
            return await (self.script.pop(0) if self.script else self.json(completion()))(request)
        finally:
            self.in_flight -= 1

    async def list_models(self, request: web.Request) -> web.StreamResponse:
        self.asked_for_models.append(await self._seen(request))
        return await self.models(request)

    @staticmethod
    async def _seen(request: web.Request) -> Seen:
        raw, peer = await request.read(), request.get_extra_info("peername")
        return Seen(
            request.path, dict(request.query), CIMultiDict(request.headers), orjson.loads(raw or b"{}"), raw, peer
        )


@dataclass
class Run:
    """The run around an endpoint: its ledger, budget, clock and observers, in memory."""

    committed: list[ReplyRow] = field(default_factory=list)
    events: list[Event] = field(default_factory=list)
    slept: list[float] = field(default_factory=list)
    reusable: dict[str, bytes] = field(default_factory=dict)
    budget_calls: int = 0
    budget_ends_at: int | None = None
    ends_with: TamisError = field(default_factory=lambda: BudgetReached("calls", "the budget of calls is used up"))
    now: float = 1000.0
    time_passes: bool = True

    async def commit(self, _call: Call, row: ReplyRow) -> None:
        self.committed.append(row)

    def reuse(self, key: str) -> bytes | None:
        return self.reusable.get(key)

    def admit_budget(self) -> None:
        self.budget_calls += 1
        if self.budget_ends_at is not None and self.budget_calls >= self.budget_ends_at:
            raise self.ends_with

    async def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.now += seconds if self.time_passes else 0.0
        await asyncio.sleep(0)

    @property
    def hooks(self) -> Hooks:
        return Hooks(self.commit, self.admit_budget, self.reuse, self.events.append)

    @property
    def policy(self) -> RetryPolicy:
        return RetryPolicy(clock=lambda: self.now, sleep=self.sleep, chance=lambda: 0.5)


def a_call(text: str = "What is 6 * 7?", seed: int = 0, **changes: Any) -> Call:
    body = {"messages": [{"role": "user", "content": text}], **changes.pop("body", {})}
    group = changes.pop("group", None) or Group(Seed(seed, f"s{seed}", {}))
    return Call(**{"stage": "generate", "depth": 0, "purpose": "generate", "group": group, "body": body, **changes})


def closed_port() -> str:
    """Return the URL of a server that is not there."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return f"http://127.0.0.1:{probe.getsockname()[1]}/v1"


Serve = Callable[..., Awaitable[ScriptedServer]]
Make = Callable[..., Endpoint]
