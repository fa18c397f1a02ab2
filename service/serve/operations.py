"""What those who run the service ask: whether it lives, whether it takes work, its figures, and what it can do."""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import Callable

from aiohttp import web

from queues.ledger import LedgerError
from queues.registry import Registry
from service.observe.metrics import Metrics, exposed
from service.serve.errors import ApiError
from service.serve.routes import Asked, Route
from service.serve.shapes import Health

WRITABLE_S = 5.0
TRIED_EVERY_S = 2.0


class Operations:
    """The routes of operation. `closing()` tells whether the service is about to stop."""

    def __init__(self, registry: Registry, metrics: Metrics, closing: Callable[[], bool]) -> None:
        self._registry, self._metrics, self._closing = registry, metrics, closing
        self._tried_at, self._writable = -math.inf, False

    def probes(self) -> list[Route]:
        """Return what a container is probed by."""
        return [
            Route("GET", "/healthz", self._healthz, "Whether the event loop runs.", Health, open=True),
            Route("GET", "/readyz", self._readyz, "Whether jobs are taken.", Health, open=True),
        ]

    def figures(self) -> list[Route]:
        """Return what Prometheus scrapes."""
        return [Route("GET", "/metrics", self._scrape, "Figures of all jobs.", "text/plain", open=True)]

    async def _healthz(self, _: Asked) -> Health:
        return Health(status="ok")

    async def _readyz(self, _: Asked) -> Health:
        if self._closing():
            raise ApiError(503, "the service is about to stop", code="draining")
        if time.monotonic() - self._tried_at > TRIED_EVERY_S:  # who asks without a token is not to keep the disk busy
            self._tried_at, self._writable = time.monotonic(), await self._write()
        if not self._writable:
            raise ApiError(503, "the registry cannot be written", code="storage")
        return Health(status="ready")

    async def _write(self) -> bool:
        try:
            async with asyncio.timeout(WRITABLE_S):
                await self._registry.try_writing()
        except (LedgerError, TimeoutError):
            return False
        return True

    async def _scrape(self, asked: Asked) -> web.StreamResponse:
        body, content_type = exposed(self._metrics.registry, asked.request.headers.get("Accept", ""))
        return web.Response(body=body, headers={"Content-Type": content_type})
