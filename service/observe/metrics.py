"""What Prometheus sees of a run.

`Metrics` observes events; what is a state rather than an event (queues, limits) is read when a scrape asks for it.
Invariants: a registry of its own, so that two runs in one process do not mix; labels are bounded, and every series
that the pipeline can have is there from the start, at 0, so that a rate over it is never missing.
"""

from __future__ import annotations

import asyncio
import math
import platform
import time
from collections.abc import AsyncIterator, Callable, Iterable, Iterator
from contextlib import asynccontextmanager
from importlib.metadata import version

from aiohttp import web
from prometheus_client import CollectorRegistry, Metric
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.exposition import choose_encoder

from config.schema import Generate, Pipeline
from service.observe import genai
from service.observe.catalogue import COUNTERS, GAUGES, HISTOGRAMS, calls_of, series
from service.observe.histogram import Histograms
from service.observe.sampled import Sample
from service.observe.tally import Counts
from stages.core.errors import InputError
from stages.core.events import CallFinished, DiversityMeasured, Event, ReplyKept

DIVERSITY = {
    "duplicate_ratio": "repeated",
    "distinct_2gram_ratio": "distinct_2",
    "distinct_4gram_ratio": "distinct_4",
    "self_repetition_ratio": "self_repetition",
    "compression_ratio": "compression",
    "opening_ratio": "opening_share",
    "output_words": "words",
}

LAG_EVERY_S = 0.5


class Metrics:
    """An observer of events that times calls, and shows these times and `counts` in `registry`."""

    def __init__(self, pipeline: Pipeline) -> None:
        self.counts = Counts({("build_info", version("tamis"), platform.python_version()): 1})
        self._read: Callable[[], Iterable[Sample]] = tuple
        self.registry = CollectorRegistry()
        spread = {name: Histograms(f"tamis_{name}", *about) for name, about in HISTOGRAMS.items()}
        self._spread = spread
        self._wait, self._duration = spread["call_wait_seconds"], spread["call_duration_seconds"]
        self._kept, self._tokens = spread["call_commit_seconds"], spread["completion_tokens"]
        self._commits, self._lag = spread["ledger_commit_seconds"][()], spread["event_loop_lag_seconds"][()]
        self.expect(pipeline)
        self.registry.register(self)
        self._genai = genai.GenAi(pipeline.endpoints) if genai.asked_for() else None
        if self._genai is not None:
            self.registry.register(self._genai)

    def expect(self, pipeline: Pipeline) -> None:
        """Show every series that the pipeline can have from now on: at 0, or as it stands."""
        for key in series(pipeline):
            self.counts.setdefault(key, 0)
        for stage in pipeline.stages:
            if isinstance(stage, Generate):  # nothing is measured yet, and 0 would be a figure
                for name in DIVERSITY:
                    self.counts.setdefault((name, stage.name), math.nan)
        for call in calls_of(pipeline):
            for histograms in (self._wait, self._duration, self._kept, self._tokens):
                histograms[call]  # is there from now on, at 0

    def __call__(self, event: Event) -> None:
        """Observe one event."""
        self.counts(event)
        if isinstance(event, CallFinished):
            call = (event.endpoint, event.stage)
            if event.duration_s:  # what came home in a batch waited at no gate, and was on no wire
                self._duration[call].observe(event.duration_s)
                self._wait[call].observe(event.wait_s)
            if event.completion_tokens:
                self._tokens[call].observe(event.completion_tokens)
            if self._genai is not None:
                self._genai(event)
        elif isinstance(event, ReplyKept):
            self._kept[event.endpoint, event.stage].observe(event.seconds)
        elif isinstance(event, DiversityMeasured):
            for name, field in DIVERSITY.items():
                value = getattr(event, field)
                self.counts[name, event.stage] = math.nan if value is None else value

    def collect(self) -> Iterator[Metric]:
        """Yield what a scrape sees; prometheus_client asks for it by this name."""
        families: dict[str, CounterMetricFamily | GaugeMetricFamily] = {}
        for kind, catalogue in ((CounterMetricFamily, COUNTERS), (GaugeMetricFamily, GAUGES)):
            families |= {name: kind(f"tamis_{name}", text, labels=of) for name, (text, *of) in catalogue.items()}
        for (name, *values), value in {**self.counts, **dict(self._read())}.items():
            families[name].add_metric(values, value)
        yield from families.values()
        yield from (histograms.family() for histograms in self._spread.values())

    def committed(self, rows: int, seconds: float) -> None:
        """Observe one commit of the ledger."""
        self._commits.observe(seconds)

    def sample(self, read: Callable[[], Iterable[Sample]]) -> None:
        """Say what to read at each scrape; the functions of `sampled.py` make samples."""
        self._read = read

    def began(self) -> None:
        """Note that a job, or this run, begins now."""
        self.counts["job_started_timestamp_seconds",] = time.time()

    def ended(self) -> None:
        """Note that a job, or this run, ends now."""
        self.counts["job_ended_timestamp_seconds",] = time.time()

    async def measure_lag(self, clock: Callable[[], float] = time.monotonic) -> None:
        """Measure how late the event loop wakes, until cancelled; the owner runs this as a task."""
        while True:
            due = clock() + LAG_EVERY_S
            await asyncio.sleep(LAG_EVERY_S)
            self._lag.observe(max(0.0, clock() - due))


def exposed(registry: CollectorRegistry, accept: str) -> tuple[bytes, str]:
    """Return what a scrape is answered that accepts these media types, and the type that it is."""
    encode, content_type = choose_encoder(accept)
    return encode(registry), content_type


@asynccontextmanager
async def serve_metrics(registry: CollectorRegistry, port: int) -> AsyncIterator[str]:
    """Serve `/metrics` on loopback while the block runs; yield its URL. Port 0: any free one.

    Raises InputError where the port cannot be had.
    """

    async def answer(request: web.Request) -> web.Response:
        body, content_type = exposed(registry, request.headers.get("Accept", ""))
        return web.Response(body=body, headers={"Content-Type": content_type})

    app = web.Application()
    app.router.add_get("/metrics", answer)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=1.0)
    await runner.setup()
    try:
        try:
            await web.TCPSite(runner, "127.0.0.1", port).start()
        except OSError as error:
            raise InputError(f"--metrics-port {port}: {error.strerror}; name another port, or 0 for any") from None
        yield f"http://127.0.0.1:{runner.addresses[0][1]}/metrics"
    finally:
        await runner.cleanup()
