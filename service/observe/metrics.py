"""What Prometheus sees of a run: the one door to prometheus_client.

`Metrics` observes events; what is a state rather than an event (queues, limits) is read when a scrape asks for it.
Invariants: a registry of its own, so that two runs in one process do not mix; labels are bounded, and every series
that the pipeline can have is there from the start, at 0, so that a rate over it is never missing.
"""

from __future__ import annotations

import asyncio
import math
import platform
import time
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import asynccontextmanager
from importlib.metadata import version
from typing import get_args

from aiohttp import web
from prometheus_client import CollectorRegistry, Metric
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily
from prometheus_client.exposition import choose_encoder

from config.schema import Generate, Judge, Pipeline
from queues.bounded import QueueStatistics
from service.observe.histogram import Histogram
from service.observe.tally import Counts
from stages.core.errors import InputError
from stages.core.events import CallFinished, CallOutcome, DiversityMeasured, Event, InBatches, ServerChanged
from stages.core.steering import Step

CALL_BUCKETS_S = (0.01, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 20, 40, 60, 120, 300, 600)
SHORT_BUCKETS_S = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5)

TOKEN_KINDS = ("prompt", "completion", "reasoning", "cached")
RETRY_CAUSES = ("rate_limited", "server_error", "connection", "timeout", "invalid")
CANDIDATE_OUTCOMES = ("generated", "derived", "given", "passed", "rejected", "failed", "marked")
SEED_OUTCOMES = ("solved", "unsolved", "failed", "expanded", "parked", "waiting")
REASONS = {
    "generate": ("truncated", "empty"),
    "math": ("wrong_answer", "no_answer"),
    "numeric": ("wrong_answer", "no_answer"),
    "exact": ("wrong_answer", "no_answer"),
    "regex": ("no_match",),
    "json_schema": ("schema", "invalid_json"),
    "python": ("wrong_answer", "error", "timeout", "memory", "exited", "crashed"),
    "plugin": ("not_passed",),
    "cross_check": ("disagrees", "no_answer"),
    "judge": ("eliminated", "low_score"),
    "vote": ("outvoted", "no_agreement", "no_answer"),
    "select": ("not_selected", "disagreed"),
    "dedupe": ("duplicate",),
    "decontaminate": ("contaminated",),
}
"""Why a stage of this type (or a verify stage with this check) rejects; any other reason appears when it is given."""

CALL = ("endpoint", "stage")
COUNTERS = {
    "calls": ("Attempts that left for an endpoint, by how they ended", *CALL, "outcome"),
    "rate_limited": ("Attempts that the endpoint refused for now", "endpoint"),
    "retries": ("Attempts made again, by what went wrong", "endpoint", "cause"),
    "tokens": ("Tokens; reasoning ones are part of completion, cached ones part of prompt", "endpoint", "kind"),
    "cost_usd": ("US dollars, of the calls whose price is known", *CALL),
    "unpriced_calls": ("Served calls whose price is not known", *CALL),
    "candidates": ("Candidates made, and verdicts on them", "stage", "outcome"),
    "rejections": ("Candidates rejected, by reason", "stage", "reason"),
    "seeds": ("Seeds by how they left; who is parked or waits leaves once more", "outcome"),
    "collapse_alarms": ("Alarms that outputs begin to repeat themselves", "stage"),
    "collapse_steps": ("Steps against repetition", "stage", "step", "outcome"),
}
GAUGES = {
    "calls_in_flight": ("Calls on the wire", "endpoint"),
    "in_batches": ("Requests in batches at the provider", "endpoint"),
    "groups_in_flight": ("Seeds under way, with their candidates",),
    "queue_depth": ("Groups that wait before a stage", "stage"),
    "queue_capacity": ("Groups that may wait before a stage", "stage"),
    "queue_oldest_seconds": ("Age of the oldest that waits", "stage"),
    "breaker_open": ("Servers left alone for a while, having failed again and again", "endpoint"),
    "concurrency_limit": ("Calls that may be on the wire now", "endpoint"),
    "duplicate_ratio": ("Share of a window's outputs that were there before", "stage"),
    "distinct_2gram_ratio": ("Different word 2-grams by all of a window", "stage"),
    "distinct_4gram_ratio": ("Different word 4-grams by all of a window", "stage"),
    "self_repetition_ratio": ("Share of an output's 4-grams that another one of its window has", "stage"),
    "compression_ratio": ("Bytes by compressed bytes of a window's outputs", "stage"),
    "opening_ratio": ("Share of a window's outputs that begin with its most frequent three words", "stage"),
    "output_words": ("Words per output in a window", "stage"),
    "jobs": ("Jobs of the service", "state"),
    "build_info": ("Always 1; the labels tell what runs", "version", "python"),
}
"""The names of what is counted or read, with what to say of each and its labels."""

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

Queues = Callable[[], Mapping[str, QueueStatistics]]
Limits = Callable[[], Mapping[str, float]]


class Metrics:
    """An observer of events that times calls, and shows these times and `counts` in `registry`."""

    def __init__(self, pipeline: Pipeline) -> None:
        self.counts = Counts(dict.fromkeys(_series(pipeline), 0))
        self.counts["build_info", version("tamis"), platform.python_version()] = 1
        for stage in pipeline.stages:
            if isinstance(stage, Generate):  # nothing is measured yet, and 0 would be a figure
                self.counts |= {(name, stage.name): math.nan for name in DIVERSITY}
        self._queues: Queues = dict
        self._limits: Limits = dict
        self.registry = CollectorRegistry()
        self._commits, self._lag = Histogram(SHORT_BUCKETS_S), Histogram(SHORT_BUCKETS_S)
        self._of_calls: dict[tuple[str, str], tuple[Histogram, Histogram]] = {}
        for call in _calls(pipeline):
            self._times(call)
        self.registry.register(self)

    def __call__(self, event: Event) -> None:
        """Observe one event."""
        self.counts(event)
        if isinstance(event, CallFinished):
            call = (event.endpoint, event.stage)
            duration, wait = self._of_calls.get(call) or self._times(call)
            duration.observe(event.duration_s)
            wait.observe(event.wait_s)
        elif isinstance(event, ServerChanged):
            self.counts["breaker_open", event.endpoint] = event.now_down
        elif isinstance(event, InBatches):
            self.counts["in_batches", event.endpoint] = event.requests
        elif isinstance(event, DiversityMeasured):
            for name, field in DIVERSITY.items():
                value = getattr(event, field)
                self.counts[name, event.stage] = math.nan if value is None else value

    def collect(self) -> Iterator[Metric]:
        """Yield what a scrape sees; prometheus_client asks for it by this name."""
        families: dict[str, Metric] = {
            **{name: CounterMetricFamily(f"tamis_{name}", text) for name, (text, *_) in COUNTERS.items()},
            **{name: GaugeMetricFamily(f"tamis_{name}", text) for name, (text, *_) in GAUGES.items()},
        }
        labels = {name: names for name, (_, *names) in (COUNTERS | GAUGES).items()}
        for (name, *values), value in [*self.counts.items(), *self._sampled()]:
            if name in families:
                suffix = "_total" * (name in COUNTERS)
                families[name].add_sample(f"tamis_{name}{suffix}", dict(zip(labels[name], values, strict=True)), value)
        yield from families.values()
        yield _family("ledger_commit", "Time of one commit of the ledger", {(): self._commits})
        yield _family("event_loop_lag", "How late the event loop woke", {(): self._lag})
        durations: dict[tuple[str, ...], Histogram] = {call: times[0] for call, times in self._of_calls.items()}
        yield _family("call_duration", "Time on the wire", durations, CALL)
        waits: dict[tuple[str, ...], Histogram] = {call: times[1] for call, times in self._of_calls.items()}
        yield _family("call_wait", "Time at the gate, before the wire", waits, CALL)

    def committed(self, rows: int, seconds: float) -> None:
        """Observe one commit of the ledger."""
        self._commits.observe(seconds)

    def sample(self, queues: Queues, limits: Limits) -> None:
        """Say where to read at each scrape: statistics of queues by stage, concurrency limits by endpoint."""
        self._queues, self._limits = queues, limits

    async def measure_lag(self, clock: Callable[[], float] = time.monotonic) -> None:
        """Measure how late the event loop wakes, until cancelled; the owner runs this as a task."""
        while True:
            due = clock() + LAG_EVERY_S
            await asyncio.sleep(LAG_EVERY_S)
            self._lag.observe(max(0.0, clock() - due))

    def _times(self, call: tuple[str, str]) -> tuple[Histogram, Histogram]:
        return self._of_calls.setdefault(call, (Histogram(CALL_BUCKETS_S), Histogram(CALL_BUCKETS_S)))

    def _sampled(self) -> Iterator[tuple[tuple[str, ...], float]]:
        for stage, queue in self._queues().items():
            yield ("queue_depth", stage), queue.depth
            yield ("queue_capacity", stage), queue.capacity
            yield ("queue_oldest_seconds", stage), queue.oldest_s
        for endpoint, limit in self._limits().items():
            yield ("concurrency_limit", endpoint), limit


def _family(
    name: str, text: str, histograms: Mapping[tuple[str, ...], Histogram], labels: tuple[str, ...] = ()
) -> HistogramMetricFamily:
    family = HistogramMetricFamily(f"tamis_{name}_seconds", text, labels=labels)
    for values, histogram in histograms.items():
        family.add_metric(values, histogram.buckets(), histogram.sum)
    return family


def _calls(pipeline: Pipeline) -> Iterator[tuple[str, str]]:
    """Yield every endpoint with a name that calls to it are counted under."""
    for stage in pipeline.stages:
        for _, endpoint in stage.aliases():
            yield endpoint, stage.name
            if isinstance(stage, Judge) and stage.audit is not None:
                yield endpoint, f"{stage.name}.audit"


def _series(pipeline: Pipeline) -> Iterator[tuple[str, ...]]:
    """Yield every series that the pipeline can have; a reason that `REASONS` lacks comes when it is given."""
    for call in _calls(pipeline):
        yield from (("calls", *call, outcome) for outcome in get_args(CallOutcome))
        yield from (("cost_usd", *call), ("unpriced_calls", *call))
        yield from ((name, call[0]) for name in ("calls_in_flight", "in_batches", "rate_limited", "breaker_open"))
        yield from (("retries", call[0], cause) for cause in RETRY_CAUSES)
        yield from (("tokens", call[0], kind) for kind in TOKEN_KINDS)
    for stage in pipeline.stages:
        yield from (("candidates", stage.name, outcome) for outcome in CANDIDATE_OUTCOMES)
        reasons = REASONS.get(getattr(stage, "check", stage.type), ())
        yield from (("rejections", stage.name, reason) for reason in reasons)
        if isinstance(stage, Generate):
            yield "collapse_alarms", stage.name
            for step in get_args(Step):
                yield from (("collapse_steps", stage.name, step, outcome) for outcome in ("taken", "undone"))
    yield from (("seeds", outcome) for outcome in SEED_OUTCOMES)
    yield ("groups_in_flight",)


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
