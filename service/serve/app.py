"""The service put together: what it is made of, its routes, its ports, and how it begins and ends."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from functools import cached_property
from pathlib import Path

from aiohttp import web

from config.schema import Pipeline
from config.service import Quotas, split_address
from config.service import Service as ServiceConfig
from config.sources import UploadSource
from queues.bounded import QueueStatistics
from queues.registry import Record, Registry
from service.observe.logs import Log
from service.observe.metrics import Metrics
from service.observe.sampled import Sample, of_gates, of_queues, of_sessions
from service.runs.lifecycle import EXIT_STOPPED, signals
from service.runs.rundir import refused
from service.serve.aside import Aside
from service.serve.batches.api import BatchApi
from service.serve.batches.front import Batches
from service.serve.errors import in_words
from service.serve.files import Files
from service.serve.job import Surroundings
from service.serve.job_api import JobApi
from service.serve.jobs import Jobs
from service.serve.openapi import document
from service.serve.operations import Operations
from service.serve.pages import page_routes
from service.serve.routes import BODY_BYTES, Route, add_routes
from service.serve.shared import Meter, Shared
from service.serve.submit import Desk
from service.serve.uploads import Uploaded
from service.serve.who import OPERATOR, Caller, Doorkeeper
from stages.core.base import first_error
from stages.core.errors import InputError

HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-store",
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
}
NOBODY = Caller(OPERATOR, {}, Quotas())


class Service:
    """A service that runs. `tasks` owns all that goes on in the background."""

    def __init__(
        self, config: ServiceConfig, registry: Registry, aside: Aside, tasks: asyncio.TaskGroup, log: Log
    ) -> None:
        data = Path(config.data_dir)
        self.config, self.registry, self.tasks, self.log = config, registry, tasks, log
        self._aside = aside
        self.doorkeeper = Doorkeeper(config)
        self.shared = Shared(config.endpoints, data)
        self.meter = Meter(registry)
        self.metrics = _metrics(config)
        self.files = Files(registry, data / "files", config.max_upload_mb * 10**6, self._in_use)
        uploaded = Uploaded(self.files)
        around = Surroundings(
            registry,
            self.shared,
            self.meter,
            aside,
            self.metrics,
            uploaded,
            self.doorkeeper.callers,
            log,
            data / "jobs",
        )
        self.jobs = Jobs(around, config.jobs.concurrent, tasks)
        batches = (around, self.files, data / "batches", config.jobs.concurrent, tasks, self._unfinished)
        self.batches = Batches(*batches)
        self.desk = Desk(registry, self.jobs, uploaded, aside, self.meter, self._unfinished)
        self._job_api = JobApi(registry, self.jobs, self.desk, around.folder)
        self._batch_api = BatchApi(registry, self.batches, self.files, self.desk)
        self._operations = Operations(registry, self.metrics, lambda: self.jobs.closing)
        self.metrics.sample(self._samples)

    @cached_property
    def routes(self) -> list[Route]:
        """All that can be asked at the main port."""
        routes = [*self._job_api.routes(), *self.files.routes(), *self._batch_api.routes(), *self._operations.probes()]
        if self.config.admin_listen is None and not self.config.tenants:
            routes += self._operations.figures()  # tenants are not to read of each other
        routes += page_routes()
        return [*routes, *self._operations.openapi(lambda: document(self.routes, bool(self.config.tenants)))]

    def app(self, routes: Sequence[Route]) -> web.Application:
        """Return an application that answers at these routes."""
        app = web.Application(client_max_size=BODY_BYTES, middlewares=[in_words(self.log)])
        app.on_response_prepare.append(_add_headers)
        add_routes(app, routes, self.doorkeeper, NOBODY)
        return app

    def ports(self) -> Iterator[tuple[str, web.Application]]:
        """Yield each address with what answers there."""
        yield self.config.listen, self.app(self.routes)
        if self.config.admin_listen is not None:
            yield self.config.admin_listen, self.app([*self._operations.probes(), *self._operations.figures()])

    async def begin(self) -> None:
        """Start what runs in the background, and go on with what earlier processes left."""
        await self.meter.load()
        work = {**self.shared.background(), "meter": self.meter.run(), "loop lag": self.metrics.measure_lag()}
        work["warm"] = self._aside.warm()
        self._background = [self.tasks.create_task(coroutine, name=name) for name, coroutine in work.items()]
        await self.jobs.begin()
        await self.batches.begin()

    async def end(self, drain_s: float, abort: asyncio.Event) -> None:
        """Take no more, let what is on its way come home, and stop."""
        await asyncio.gather(self.jobs.end(drain_s, abort), self.batches.end(drain_s, abort))
        for task in self._background:
            task.cancel()
        await self.meter.write()

    def _in_use(self, file_id: str) -> bool:
        return self.jobs.reads(file_id) or self.batches.reads(file_id)

    def _unfinished(self, tenant: str) -> list[Record]:
        return [*self.jobs.unfinished(tenant), *self.batches.unfinished(tenant)]

    def _samples(self) -> Iterator[Sample]:
        yield from of_queues(self._queues())
        yield from of_gates(self.shared.gates)
        yield from of_sessions(job.session for job in self.jobs.running() if job.session is not None)

    def _queues(self) -> Mapping[str, QueueStatistics]:
        """Return the queues of all jobs, those before stages of one type as one."""
        found: dict[str, QueueStatistics] = {}
        for job in self.jobs.running():
            for kind, now in job.stages().items():
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


@asynccontextmanager
async def opened(config: ServiceConfig, log: Log) -> AsyncIterator[Service]:
    """Make a service that has begun, without any port, and stop it at once at the end. Raises InputError."""
    data = Path(config.data_dir)
    try:
        (data / "jobs").mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(f"data_dir {data}: cannot make the folder: {error.strerror}") from None
    with refused():
        registry = Registry.open(data / "registry.sqlite")
    async with AsyncExitStack() as stack:
        stack.callback(registry.close)
        aside = await stack.enter_async_context(Aside(config))
        try:
            async with asyncio.TaskGroup() as tasks:
                service = Service(config, registry, aside, tasks, log)
                await service.begin()
                try:
                    yield service
                finally:
                    now = asyncio.Event()
                    now.set()
                    await service.end(0.0, now)
        except BaseExceptionGroup as errors:
            raise first_error(errors) from None


async def serve(config: ServiceConfig, log: Log, announce: Callable[[str], None]) -> int:
    """Serve until a signal; `announce` gets each URL once it is answered. Returns the exit code. Raises InputError."""
    stop, abort = asyncio.Event(), asyncio.Event()
    async with opened(config, log) as service, AsyncExitStack() as stack:
        for address, app in service.ports():
            announce(await _listen(stack, address, app))
        with signals(lambda _: stop.set(), abort.set):
            await stop.wait()
            log.info("draining", jobs=len(list(service.jobs.running())), at_most_s=config.drain_s)
            await service.end(config.drain_s, abort)
    return EXIT_STOPPED


async def _listen(stack: AsyncExitStack, address: str, app: web.Application) -> str:
    runner = web.AppRunner(app, access_log=None, handler_cancellation=True, shutdown_timeout=1.0)
    await runner.setup()
    stack.push_async_callback(runner.cleanup)
    try:
        await web.TCPSite(runner, *split_address(address)).start()
    except OSError as error:
        raise InputError(f"{address}: {error.strerror or error}; name another address, or port 0 for any") from None
    host, port = runner.addresses[0][:2]
    return f"http://{f'[{host}]' if ':' in host else host}:{port}"
