"""The HTTP face of the simulator: routes, the order in which a call is admitted, delayed and answered, and counts.

A call is decided in one synchronous step (`_admit`), then waits out its latency, then is answered. Only replies that
went out whole count as answered; the same body after that is a repeat.
"""

from __future__ import annotations

import asyncio
import contextlib
import math
import signal
import socket
import struct
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import partial
from hmac import compare_digest
from typing import Any

import orjson
from aiohttp import web

from service.runs.lifecycle import allow_many_connections
from service.simulator.asked import Asked, Kind, Refusal, read
from service.simulator.batches import KINDS, BatchFront, Handler
from service.simulator.draws import Draws
from service.simulator.gauges import CONTENT_TYPE, Load
from service.simulator.limits import Clock, Limiter
from service.simulator.options import Options
from service.simulator.replies import Composer
from stages.core.errors import InputError

FAULTS = ("refuse", "error", "reset", "hang", "malformed")
_REWARDS: tuple[Kind, ...] = ("classify", "score", "rerank", "pooling")
# vLLM has some of these beside /v1, some below
_PATHS = KINDS | {f"{root}/{kind}": kind for kind in _REWARDS for root in ("", "/v1")}
_BACKLOG = 8192
_LARGEST_BODY = 64 * 1024 * 1024
_RESET_ON_CLOSE = struct.pack("ii", 1, 0)


@dataclass(slots=True)
class Counts:
    """What has happened since the start or the last reset."""

    calls: int = 0
    repeats: int = 0
    tokens: int = 0
    refused: Counter[str] = field(default_factory=Counter)
    faults: Counter[str] = field(default_factory=Counter)
    arrivals: Counter[str] = field(default_factory=Counter)
    answered: set[str] = field(default_factory=set)


@dataclass(frozen=True, slots=True)
class Call:
    """A call that has arrived: its body's arrival, counted from 1, and what goes wrong with it."""

    asked: Asked
    arrival: int
    fault: str | None


class Simulator:
    """One simulated endpoint. Raises InputError where the truth file cannot be used."""

    def __init__(self, options: Options, clock: Clock) -> None:
        self._options, self._composer, self._counts = options, Composer(options), Counts()
        self._batches = BatchFront(options.batch_s, clock, self._in_batch)
        self._limiter, self._load = Limiter(options, clock), Load(options)
        self._slots = asyncio.Semaphore(options.slots) if options.slots else contextlib.nullcontext()

    def app(self) -> web.Application:
        app = web.Application(client_max_size=_LARGEST_BODY, middlewares=[self._in_words])
        app.add_routes([web.post(path, partial(self._complete, kind)) for path, kind in _PATHS.items()])
        for verb, path, handler in (*self._batches.routes(), (web.get, "/v1/models", self._models)):
            app.add_routes([verb(path, partial(self._authorised, handler))])
        app.add_routes([web.get("/health", self._health)])
        app.add_routes([web.get("/stats", self._stats), web.post("/stats/reset", self._reset)])
        app.add_routes([web.get("/metrics", self._metrics)])
        return app

    @web.middleware
    async def _in_words(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        try:
            return await handler(request)
        except Refusal as refused:
            self._counts.refused[refused.kind] += 1
            return _json(refused.body, refused.headers, refused.status)

    async def _authorised(self, handler: Handler, request: web.Request) -> web.StreamResponse:
        self._authorise(request)
        return await handler(request)

    async def _complete(self, kind: Kind, request: web.Request) -> web.Response:
        call = self._admit(request, await request.read(), kind)
        try:
            return await self._serve(request, call)
        finally:
            self._limiter.leave()

    def _admit(self, request: web.Request, raw: bytes, kind: Kind) -> Call:
        """Let a call in or raise Refusal; counts it either way."""
        self._counts.calls += 1
        self._authorise(request)
        call = self._arrived(raw, kind)
        if call.fault == "refuse":
            raise self._limiter.refused("injected", "Rate limit reached. Please try again later.")
        self._limiter.enter(call.asked.reserved_tokens)
        return call

    def _arrived(self, raw: bytes, kind: Kind) -> Call:
        """Read a call, count the arrival of its body, and decide what goes wrong with it; raises Refusal."""
        counts = self._counts
        asked = read(raw, kind, self._options.models, self._options.context)
        counts.repeats += asked.digest in counts.answered
        counts.arrivals[asked.digest] += 1
        arrival = counts.arrivals[asked.digest]
        return Call(asked, arrival, fate(self._options, asked.digest, arrival))

    def _authorise(self, request: web.Request) -> None:
        wanted, last = self._options.api_key, self._options.revoke_after
        if wanted is None:
            return
        key = request.headers.get("Authorization", "").removeprefix("Bearer ").strip()
        if not key:
            raise Refusal(401, "You didn't provide an API key: send `Authorization: Bearer YOUR_KEY`.", "unauthorized")
        revoked = last is not None and len(self._counts.answered) >= last
        if revoked or not compare_digest(key.encode(), wanted.encode()):
            message = f"Incorrect API key provided: {key[:3]}***. Check the key that this simulator was started with."
            raise Refusal(401, message, "unauthorized", code="invalid_api_key")

    async def _serve(self, request: web.Request, call: Call) -> web.Response:
        options = self._options
        if call.fault:
            self._counts.faults[call.fault] += 1
        if call.fault == "hang":
            await asyncio.get_running_loop().create_future()  # until the client gives up, which cancels us
        if options.latency:
            chance = Draws(options.seed, "latency", call.asked.digest, call.arrival).source("delay")
            async with self._slots:
                with self._load.running(call.asked.reserved_tokens):
                    await asyncio.sleep(chance.lognormvariate(math.log(options.latency), options.jitter))
        if call.fault in {"error", "reset"}:
            if call.fault == "reset":
                _cut_off(request)
            words = "The server had an error while processing your request. Sorry about that!"
            return _json(Refusal(500, words, "server_error").body, status=500)
        return self._reply(request, call)

    def _reply(self, request: web.Request, call: Call) -> web.Response:
        asked, counts = call.asked, self._counts
        reply = self._composer.compose(asked)
        used = reply["usage"]["total_tokens"]
        self._limiter.correct(asked.reserved_tokens, used)
        counts.tokens += used
        body = orjson.dumps(reply)
        if call.fault == "malformed":
            body = self._malformed(reply, call)
        elif request.transport is not None:  # else nobody is there to receive it
            counts.answered.add(asked.digest)
        return _json(body, self._limiter.headers())

    def _in_batch(self, kind: Kind, raw: bytes) -> tuple[int, bytes] | None:
        """Answer a request of a batch: no limit holds there, faults do."""
        counts = self._counts
        counts.calls += 1
        try:
            call = self._arrived(raw, kind)
        except Refusal as refused:
            counts.refused[refused.kind] += 1
            return refused.status, refused.body
        if call.fault:
            counts.faults[call.fault] += 1
        if call.fault in {"refuse", "error", "reset"}:
            return 500, Refusal(500, "The server had an error while processing your request.", "server_error").body
        if call.fault == "hang":
            return None
        reply = self._composer.compose(call.asked)
        if call.fault == "malformed":
            return 200, self._malformed(reply, call)
        counts.tokens += reply["usage"]["total_tokens"]
        counts.answered.add(call.asked.digest)
        return 200, orjson.dumps(reply)

    def _malformed(self, reply: dict[str, Any], call: Call) -> bytes:
        """Break a good reply: cut off in the middle, without its content, or with none in the list."""
        draws = Draws(self._options.seed, "malform", call.asked.digest, call.arrival)
        how = draws.pick("how", ("cut", "missing", "empty"))
        content = next(key for key in ("choices", "data", "results") if key in reply)
        if how == "cut":
            body = orjson.dumps(reply)
            return body[: len(body) // 2]
        rest = {key: value for key, value in reply.items() if key != content}
        return orjson.dumps(rest if how == "missing" else rest | {content: []})

    async def _models(self, request: web.Request) -> web.Response:
        models = [{"id": name, "object": "model", "created": 0, "owned_by": "tamis"} for name in self._options.models]
        return _json(orjson.dumps({"object": "list", "data": models}))

    async def _health(self, request: web.Request) -> web.Response:
        return _json(b'{"status":"ok"}')

    async def _stats(self, request: web.Request) -> web.Response:
        counts, limiter = self._counts, self._limiter
        told = {name: getattr(counts, name) for name in ("calls", "repeats", "tokens", "refused", "faults")}
        told |= {"answered": len(counts.answered), "in_flight": limiter.in_flight, "peak": limiter.peak}
        told["batches"] = self._batches.created
        return _json(orjson.dumps(told))

    async def _metrics(self, request: web.Request) -> web.Response:
        return web.Response(body=self._load.exposed(self._limiter.in_flight), headers={"Content-Type": CONTENT_TYPE})

    async def _reset(self, request: web.Request) -> web.Response:
        """Forget what has arrived and been answered too: the same run gives the same faults again."""
        self._counts = Counts()
        self._limiter.peak = self._limiter.in_flight
        return _json(b"{}")


def fate(options: Options, digest: str, arrival: int) -> str | None:
    """Return what goes wrong with the `arrival`-th call of a body (only first ones are refused), or None."""
    draws = Draws(options.seed, "fault", digest, arrival)
    kinds = FAULTS if arrival == 1 else FAULTS[1:]
    return next((kind for kind in kinds if draws.chance(kind, getattr(options, kind))), None)


def _json(body: bytes, headers: dict[str, str] | None = None, status: int = 200) -> web.Response:
    return web.Response(body=body, status=status, headers=headers, content_type="application/json")


def _cut_off(request: web.Request) -> None:
    """Close the connection so that the client sees a reset, not an orderly end."""
    if request.transport is not None:
        request.transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET_ON_CLOSE)
        request.transport.abort()


@asynccontextmanager
async def running(options: Options, clock: Clock = time.monotonic) -> AsyncIterator[str]:
    """Serve while the block runs; yields the base URL, ending in `/v1`. Handlers end with their clients.

    Raises InputError where the address cannot be had.
    """
    runner = web.AppRunner(
        Simulator(options, clock).app(),
        access_log=None,
        handler_cancellation=True,
        shutdown_timeout=0.1,  # 0 is for ever: a reply that takes long would keep it up
        keepalive_timeout=600,  # longer than any client's pool keeps a connection: no reset that nobody asked for
    )
    await runner.setup()
    try:
        try:
            await web.TCPSite(runner, options.host, options.port, backlog=_BACKLOG).start()
        except OSError as error:
            raise InputError(f"--port {options.port}: {error.strerror}; name another port, or 0 for any") from None
        host, port = runner.addresses[0][:2]
        yield f"http://{host}:{port}/v1"
    finally:
        await runner.cleanup()


async def serve(options: Options, announce: Callable[[str], None]) -> None:
    """Serve until SIGINT or SIGTERM; `announce` gets the base URL once requests are answered."""
    allow_many_connections()
    stop = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    async with running(options) as base_url:
        announce(base_url)
        await stop.wait()
