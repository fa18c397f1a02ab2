"""The service put together: what it is made of, its routes, its ports, and how it begins and ends."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AsyncExitStack
from functools import cached_property
from itertools import chain
from pathlib import Path
from typing import get_args

from aiohttp import web

from config.schema import Pipeline
from config.service import Service as ServiceConfig
from config.service import split_address
from config.sources import UploadSource
from queues.bounded import QueueStatistics
from queues.registry import Record, Registry
from service.observe.logs import Log
from service.observe.metrics import Metrics
from service.observe.sampled import Sample, of_budgets, of_gates, of_queues, of_servers
from service.runs.lifecycle import EXIT_STOPPED, signals
from service.runs.rundir import refused
from service.serve.aside import Aside
from service.serve.batches.api import BatchApi
from service.serve.batches.front import Batches
from service.serve.deciding import Deciding
from service.serve.errors import as_json, in_words, is_ours_to_know
from service.serve.files import Files
from service.serve.job_api import JobApi
from service.serve.jobs import Jobs
from service.serve.line import Surroundings
from service.serve.openapi import document
from service.serve.operations import Operations
from service.serve.pages import page_routes
from service.serve.routes import BODY_BYTES, Asked, Route, add_routes
from service.serve.shapes import AnyObject, JobState
from service.serve.shared import Meter, Shared
from service.serve.submit import Desk
from service.serve.watching import JobWatch
from service.serve.who import Doorkeeper
from stages.core.base import first_error
from stages.core.errors import InputError

HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-store",
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
}


class Service:
    """A service that runs. `tasks` owns all that goes on in the background."""

    def __init__(
        self, config: ServiceConfig, registry: Registry, aside: Aside, tasks: asyncio.TaskGroup, log: Log
    ) -> None:
        data = Path(config.data_dir)
        self._config, self._tasks = config, tasks
        self._doorkeeper = Doorkeeper(config)
        deciding = Deciding()
        self._around = Surroundings(
            registry=registry,
            shared=Shared(config.endpoints, data),
            meter=Meter(registry),
            aside=aside,
            metrics=_metrics(config),
            files=Files(registry, data / "files", config.max_upload_mb * 10**6, self._unfinished, deciding),
            callers=self._doorkeeper.callers,
            log=log,
            data=data,
            unfinished=self._unfinished,
            deciding=deciding,
        )
        self.jobs = Jobs(self._around, config.jobs.concurrent, tasks)
        self._batches = Batches(self._around, config.jobs.concurrent, tasks)
        self._operations = Operations(registry, self._around.metrics, lambda: self.jobs.closing)
        self._around.metrics.sample(self._samples)

    @cached_property
    def routes(self) -> list[Route]:
        """All that can be asked at the main port."""
        desk = Desk(self._around, self.jobs)
        routes = [
            *JobApi(self._around, self.jobs, desk).routes(),
            *self._around.files.routes(),
            *BatchApi(self._around, self._batches, desk).routes(),
            *self._operations.probes(),
        ]
        if self._config.admin_listen is None and not self._config.tenants:
            routes += self._operations.figures()  # tenants are not to read of each other
        openapi = Route("GET", "/openapi.json", self._openapi, "This document.", AnyObject, open=True)
        return [*routes, *page_routes(), openapi]

    def app(self, routes: Sequence[Route]) -> web.Application:
        """Return an application that answers at these routes."""
        app = web.Application(client_max_size=BODY_BYTES, middlewares=[in_words(self._around.log)])
        app.on_response_prepare.append(_add_headers)
        add_routes(app, routes, self._doorkeeper)
        return app

    def ports(self) -> Iterator[tuple[str, web.Application]]:
        """Yield each address with what answers there."""
        yield self._config.listen, self.app(self.routes)
        if self._config.admin_listen is not None:
            yield self._config.admin_listen, self.app([*self._operations.probes(), *self._operations.figures()])

    async def begin(self) -> None:
        """Start what runs in the background, and go on with what earlier processes left."""
        around = self._around
        await around.meter.load()
        work = {**around.shared.background(), "meter": around.meter.run(), "loop lag": around.metrics.measure_lag()}
        work["warm"] = around.aside.warm()
        self._background = [self._tasks.create_task(coroutine, name=name) for name, coroutine in work.items()]
        await self.jobs.begin()
        await self._batches.begin()

    async def end(self, drain_s: float, abort: asyncio.Event) -> None:
        """Take no more, let what is on its way come home, and stop."""
        await asyncio.gather(self.jobs.end(drain_s, abort), self._batches.end(drain_s, abort))
        for task in self._background:
            task.cancel()
        await self._around.meter.write()

    async def _openapi(self, _: Asked) -> web.StreamResponse:
        return as_json(document(self.routes, bool(self._config.tenants)))

    def _unfinished(self, tenant: str) -> list[Record]:
        return [*self.jobs.unfinished(tenant), *self._batches.unfinished(tenant)]

    def _samples(self) -> Iterator[Sample]:
        watches = list(self.jobs.watches())
        yield from ((("jobs", name), self.jobs.states[name]) for name in get_args(JobState))
        yield from of_queues(_queues(watches))
        yield from of_gates(self._around.shared.gates)
        sessions = [watch.session for watch in watches if watch.session is not None]
        yield from of_budgets(sessions)
        of_jobs = (endpoint for session in sessions for endpoint in session.endpoints.values())
        yield from of_servers(chain(of_jobs, self._batches.endpoints()))


def _queues(watches: Iterable[JobWatch]) -> Mapping[str, QueueStatistics]:
    """Return the queues of all jobs, those before stages of one type as one."""
    found: dict[str, QueueStatistics] = {}
    for watch in watches:
        for kind, now in watch.stages().items():
            found[kind] = now.inbox if kind not in found else _together(found[kind], now.inbox)
    return found


def _together(one: QueueStatistics, other: QueueStatistics) -> QueueStatistics:
    return QueueStatistics(
        one.depth + other.depth,
        one.capacity + other.capacity,
        max(one.oldest_s, other.oldest_s),
        one.getting + other.getting,
        one.putting + other.putting,
        one.closed and other.closed,
    )


def _metrics(config: ServiceConfig) -> Metrics:
    """Return metrics for jobs whose stages nobody knows yet."""
    return Metrics(Pipeline(endpoints=config.endpoints, source=UploadSource.model_construct(file_id="")))


async def _add_headers(_: web.Request, response: web.StreamResponse) -> None:
    for name, value in HEADERS.items():
        response.headers.setdefault(name, value)


async def serve(config: ServiceConfig, log: Log, announce: Callable[[str], None]) -> int:
    """Serve until a signal; `announce` gets each URL once it is answered. Returns the exit code. Raises InputError."""
    stop, abort = asyncio.Event(), asyncio.Event()
    async with AsyncExitStack() as stack:
        registry = _open_registry(Path(config.data_dir))
        stack.callback(registry.close)
        aside = Aside(config)
        stack.push_async_callback(aside.stop)
        try:
            async with asyncio.TaskGroup() as tasks, AsyncExitStack() as ports:
                service = Service(config, registry, aside, tasks, log)
                await service.begin()
                with signals(lambda _: stop.set(), abort.set):
                    try:
                        for address, app in service.ports():
                            announce(await _listen(ports, address, app))
                        await stop.wait()
                        log.info("draining", jobs=service.jobs.states["running"], at_most_s=config.drain_s)
                    finally:
                        await service.end(config.drain_s if stop.is_set() else 0.0, abort)
        except BaseExceptionGroup as errors:
            raise first_error(errors) from None
    return EXIT_STOPPED


def _open_registry(data: Path) -> Registry:
    try:
        (data / "jobs").mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(f"data_dir {data}: cannot make the folder: {error.strerror}") from None
    with refused():
        return Registry.open(data / "registry.sqlite")


async def _listen(stack: AsyncExitStack, address: str, app: web.Application) -> str:
    logging.getLogger("aiohttp.server").addFilter(is_ours_to_know)
    runner = web.AppRunner(app, access_log=None, handler_cancellation=True, shutdown_timeout=1.0)
    await runner.setup()
    stack.push_async_callback(runner.cleanup)
    try:
        await web.TCPSite(runner, *split_address(address)).start()
    except OSError as error:
        raise InputError(f"{address}: {error.strerror or error}; name another address, or port 0 for any") from None
    host, port = runner.addresses[0][:2]
    return f"http://{f'[{host}]' if ':' in host else host}:{port}"
