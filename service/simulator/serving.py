"""Runs a simulator: for the time of a block, or until a signal."""

from __future__ import annotations

import asyncio
import signal
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from aiohttp import web

from service.lifecycle import allow_many_connections
from service.simulator.limits import Clock
from service.simulator.options import Options
from service.simulator.server import build_app
from stages.core.errors import InputError

_BACKLOG = 8192


@asynccontextmanager
async def running(options: Options, clock: Clock = time.monotonic) -> AsyncIterator[str]:
    """Serve while the block runs; yields the base URL, ending in `/v1`. Handlers end with their clients.

    Raises InputError where the address cannot be had.
    """
    runner = web.AppRunner(
        build_app(options, clock),
        access_log=None,
        handler_cancellation=True,
        shutdown_timeout=0,
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
