"""The HTTP face of the simulator: routes, the order in which a call is admitted, delayed and answered, and counts.

A call is decided in one synchronous step (`_admit`), then waits out its latency, then is answered. Only replies that
went out whole count as answered; the same body after that is a repeat.
"""

from __future__ import annotations

import asyncio
import socket
import struct
import time
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from hmac import compare_digest

import orjson
from aiohttp import web

from service.simulator import asked as asking
from service.simulator import refusal
from service.simulator.asked import Asked
from service.simulator.draws import Draws
from service.simulator.faults import Fault, Faults
from service.simulator.judge import Judge
from service.simulator.limits import Clock, Limiter
from service.simulator.options import Options
from service.simulator.refusal import Refusal
from service.simulator.replies import Composer
from service.simulator.speech import Speaker
from service.simulator.truth import KnownQuestions
from service.simulator.world import World

_LARGEST_BODY = 64 * 1024 * 1024
_RESET_ON_CLOSE = struct.pack("ii", 1, 0)


@dataclass(slots=True)
class Counts:
    """What has happened since the start or the last reset."""

    calls: int = 0
    repeats: int = 0
    tokens: int = 0
    refused: Counter[str] = field(default_factory=Counter)
    faults: Counter[Fault] = field(default_factory=Counter)
    arrivals: Counter[str] = field(default_factory=Counter)
    answered: set[str] = field(default_factory=set)


@dataclass(frozen=True, slots=True)
class Admitted:
    """A call that is being served."""

    asked: Asked
    reserved: int
    arrival: int
    fault: Fault | None


class Simulator:
    """One simulated endpoint."""

    def __init__(self, options: Options, clock: Clock) -> None:
        seed = options.seed
        self._options = options
        world = World(seed, options.skill, KnownQuestions.load(options.truth))
        self._composer = Composer(seed, Speaker(world, Judge(options.judge)), options.reasoning)
        self._faults = Faults(seed, options.faults)
        self._limiter = Limiter(options.limits, clock)
        self._counts = Counts()

    def routes(self) -> list[web.RouteDef]:
        return [
            web.post("/v1/chat/completions", self._route(chat=True)),
            web.post("/v1/completions", self._route(chat=False)),
            web.get("/v1/models", self._models),
            web.get("/health", self._health),
            web.get("/stats", self._stats),
            web.post("/stats/reset", self._reset),
        ]

    def _route(self, *, chat: bool) -> Callable[[web.Request], Awaitable[web.StreamResponse]]:
        async def complete(request: web.Request) -> web.StreamResponse:
            raw = await request.read()
            try:
                call = self._admit(request, raw, chat=chat)
                try:
                    return await self._serve(request, call)
                finally:
                    self._limiter.leave()
            except Refusal as refused:
                self._counts.refused[refused.kind] += 1
                return _json(refused.body, refused.headers, refused.status)

        return complete

    def _admit(self, request: web.Request, raw: bytes, *, chat: bool) -> Admitted:
        """Let a call in or raise Refusal; counts it either way."""
        options, counts = self._options, self._counts
        counts.calls += 1
        self._authorise(request)
        asked = asking.read(raw, chat=chat, models=options.models, context_tokens=options.context_tokens)
        counts.repeats += asked.digest in counts.answered
        counts.arrivals[asked.digest] += 1
        arrival = counts.arrivals[asked.digest]
        fault = self._faults.of(asked.digest, arrival)
        if fault == "refuse":
            raise self._limiter.refused("injected", "Rate limit reached. Please try again later.")
        reserved = asked.prompt_tokens + asked.n * (asked.max_tokens or 0)
        self._limiter.enter(reserved)
        return Admitted(asked, reserved, arrival, fault)

    def _authorise(self, request: web.Request) -> None:
        access = self._options.access
        if access.api_key is None:
            return
        key = request.headers.get("Authorization", "").removeprefix("Bearer ").strip()
        if not key:
            raise refusal.no_key()
        revoked = access.revoke_after is not None and len(self._counts.answered) >= access.revoke_after
        if revoked or not compare_digest(key.encode(), access.api_key.encode()):
            raise refusal.wrong_key(key)

    async def _serve(self, request: web.Request, call: Admitted) -> web.StreamResponse:
        asked, latency = call.asked, self._options.latency
        if call.fault:
            self._counts.faults[call.fault] += 1
        if call.fault == "hang":
            await asyncio.get_running_loop().create_future()  # until the client gives up, which cancels us
        draws = Draws(self._options.seed, "latency", asked.digest, call.arrival)
        if delay := draws.lognormal("delay", latency.median_s, latency.jitter):
            await asyncio.sleep(delay)
        if call.fault == "reset":
            _cut_off(request)
        if call.fault in {"error", "reset"}:
            return _json(refusal.server_error().body, {}, 500)
        return self._reply(request, call)

    def _reply(self, request: web.Request, call: Admitted) -> web.Response:
        asked, counts = call.asked, self._counts
        composed = self._composer.compose(asked)
        self._limiter.correct(call.reserved, composed.total_tokens)
        counts.tokens += composed.total_tokens
        body = composed.body
        if call.fault == "malformed":
            body = self._faults.malform(body, asked.digest, call.arrival)
        elif request.transport is not None:  # else nobody is there to receive it
            counts.answered.add(asked.digest)
        return _json(body, self._limiter.headers())

    async def _models(self, request: web.Request) -> web.Response:
        try:
            self._authorise(request)
        except Refusal as refused:
            return _json(refused.body, refused.headers, refused.status)
        models = [{"id": name, "object": "model", "created": 0, "owned_by": "tamis"} for name in self._options.models]
        return _json(orjson.dumps({"object": "list", "data": models}))

    async def _health(self, request: web.Request) -> web.Response:
        return _json(b'{"status":"ok"}')

    async def _stats(self, request: web.Request) -> web.Response:
        counts, limiter = self._counts, self._limiter
        return _json(
            orjson.dumps(
                {
                    "calls": counts.calls,
                    "answered": len(counts.answered),
                    "repeats": counts.repeats,
                    "tokens": counts.tokens,
                    "in_flight": limiter.in_flight,
                    "peak": limiter.peak,
                    "refused": counts.refused,
                    "faults": counts.faults,
                }
            )
        )

    async def _reset(self, request: web.Request) -> web.Response:
        """Forget what has arrived and been answered too: the same run gives the same faults again."""
        self._counts = Counts()
        self._limiter.peak = self._limiter.in_flight
        return _json(b"{}")


def build_app(options: Options, clock: Clock = time.monotonic) -> web.Application:
    """Return the simulator as an application. Raises InputError where the truth file cannot be used."""
    app = web.Application(client_max_size=_LARGEST_BODY)
    app.add_routes(Simulator(options, clock).routes())
    return app


def _json(body: bytes, headers: dict[str, str] | None = None, status: int = 200) -> web.Response:
    return web.Response(body=body, status=status, headers=headers, content_type="application/json")


def _cut_off(request: web.Request) -> None:
    """Close the connection so that the client sees a reset, not an orderly end."""
    transport = request.transport
    if transport is None:
        return
    transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET_ON_CLOSE)
    transport.abort()
