"""Scripted servers, and endpoints made from settings as in pipeline.yaml."""

from __future__ import annotations

import ssl
from collections.abc import AsyncIterator
from typing import Any

import pytest
from aiohttp import web
from scripted_server import Make, Run, ScriptedServer, Serve

from config.schema import Endpoint as Config
from queues.gate import Gate, GateLimits
from stages.llm.endpoint import Endpoint
from stages.llm.keys import ApiKey


@pytest.fixture
async def serve() -> AsyncIterator[Serve]:
    """Return a function that starts a scripted server, with TLS where it is given a context."""
    runners: list[tuple[web.AppRunner, ScriptedServer]] = []

    async def start(tls: ssl.SSLContext | None = None) -> ScriptedServer:
        server = ScriptedServer()
        app = web.Application()
        app.router.add_post("/{path:.*}", server.complete)
        app.router.add_get("/{path:.*}models", server.list_models)
        app.router.add_get("/{path:.*}models/unlisted", ScriptedServer.json({"id": "unlisted", "object": "model"}))
        app.router.add_get("/{path:.*}models/{name}", ScriptedServer.error(404, "no such model"))
        runner = web.AppRunner(app, shutdown_timeout=0.1)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0, ssl_context=tls).start()
        server.base_url = f"{'https' if tls else 'http'}://127.0.0.1:{runner.addresses[0][1]}/v1"
        runners.append((runner, server))
        return server

    yield start
    for runner, server in runners:
        server.gone.set()
        await runner.cleanup()


@pytest.fixture
async def server(serve: Serve) -> ScriptedServer:
    return await serve()


@pytest.fixture
def run() -> Run:
    return Run()


@pytest.fixture
def make(run: Run) -> Make:
    """Return a function that makes an endpoint of the alias `main` from settings as in pipeline.yaml."""

    def endpoint(
        *base_urls: str, keys: tuple[str | None, ...] = (None,), gate: Gate | None = None, **config: Any
    ) -> Endpoint:
        settings = Config.model_validate({"base_url": base_urls, "model": "m", **config})
        ring = [ApiKey(text, f"KEY_{number}" if text else "") for number, text in enumerate(keys)]
        gate = gate or Gate(GateLimits(max_concurrency=100), clock=run.policy.clock)
        return Endpoint("main", settings, gate, ring, run.hooks, run.policy)

    return endpoint
