"""What Prometheus sees of a run: the one door to prometheus_client.

`Metrics` observes events; what is a state rather than an event (queues, limits) is read when a scrape asks for it.
Invariants: a registry of its own, so that two runs in one process do not mix; labels are bounded, and every series
that the pipeline can have is there from the start, at 0, so that a rate over it is never missing.
"""

from __future__ import annotations

import asyncio
import platform
import time
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import asynccontextmanager
from importlib.metadata import version
from typing import Any, NamedTuple, get_args

from aiohttp import web
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, disable_created_metrics
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.exposition import choose_encoder
from prometheus_client.registry import Collector

from config.schema import Pipeline
from queues.bounded import QueueStatistics
from stages.core.errors import InputError
from stages.core.events import (
    CallFinished,
    CallOutcome,
    CallRetried,
    CallStarted,
    CandidatesMade,
    Event,
    GroupSettled,
    GroupStarted,
    VerdictGiven,
)

CALL_BUCKETS_S = (0.01, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 20, 40, 60, 120, 300, 600)
SHORT_BUCKETS_S = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5)

TOKEN_KINDS = ("prompt", "completion", "reasoning", "cached")
RETRY_CAUSES = ("rate_limited", "server_error", "connection", "timeout", "invalid")
CANDIDATE_OUTCOMES = ("generated", "derived", "given", "passed", "rejected", "failed", "marked")
SEED_OUTCOMES = ("solved", "unsolved", "failed", "expanded", "parked")
REASONS = {
    "generate": ("truncated", "empty"),
    "math": ("wrong_answer", "no_answer"),
    "numeric": ("wrong_answer", "no_answer"),
    "exact": ("wrong_answer", "no_answer"),
    "regex": ("no_match",),
    "json_schema": ("schema", "invalid_json"),
    "python": ("wrong_answer", "error", "timeout", "memory", "exited", "crashed"),
    "judge": ("eliminated",),
    "select": ("not_selected",),
    "dedupe": ("duplicate",),
}
"""Why a stage of this type (or a verify stage with this check) rejects; any other reason appears when it is given."""

LAG_EVERY_S = 0.5

Queues = Callable[[], Mapping[str, QueueStatistics]]
Limits = Callable[[], Mapping[str, float]]


class _Calls(NamedTuple):
    """The series of the calls of one stage to one endpoint, looked up once."""

    outcomes: dict[str, Counter]
    duration: Histogram
    wait: Histogram
    in_flight: Gauge
    refused: Counter
    tokens: tuple[Counter, ...]
    cost: Counter
    unpriced: Counter


class Metrics:
    """An observer of events that keeps the metrics of one run in `registry`."""

    def __init__(self, pipeline: Pipeline) -> None:
        disable_created_metrics()  # type: ignore[no-untyped-call]  # untyped there; they would double the series
        self.registry = CollectorRegistry()
        self._make_call_metrics()
        self._make_flow_metrics()
        self._of_call: dict[tuple[str, str], _Calls] = {}
        self._looked_up: dict[tuple[Counter | str, ...], Counter] = {}
        self._handlers: dict[type, Callable[[Any], None]] = {
            CallStarted: self._call_started,
            CallFinished: self._call_finished,
            CallRetried: lambda event: self._retries.labels(event.endpoint, event.cause).inc(),
            CandidatesMade: self._candidates_made,
            VerdictGiven: self._verdict_given,
            GroupStarted: lambda _: self._groups.inc(),
            GroupSettled: self._group_settled,
        }
        self._begin_at_zero(pipeline)

    def __call__(self, event: Event) -> None:
        """Observe one event."""
        handler = self._handlers.get(type(event))
        if handler is not None:
            handler(event)

    def committed(self, rows: int, seconds: float) -> None:
        """Observe one commit of the ledger; any thread may call it."""
        self._commits.observe(seconds)

    def sample(self, queues: Queues, limits: Limits) -> None:
        """Say where to read at each scrape: statistics of queues by stage, concurrency limits by endpoint."""
        self.registry.register(_Sampled(queues, limits))

    async def measure_lag(self, clock: Callable[[], float] = time.monotonic) -> None:
        """Measure how late the event loop wakes, until cancelled; the owner runs this as a task."""
        while True:
            due = clock() + LAG_EVERY_S
            await asyncio.sleep(LAG_EVERY_S)
            self._lag.observe(max(0.0, clock() - due))

    def _make_call_metrics(self) -> None:
        call = ("endpoint", "stage")
        self._calls = self._counter("calls", "Attempts that left for an endpoint, by how they ended", *call, "outcome")
        self._duration = self._histogram("call_duration", "Time on the wire", CALL_BUCKETS_S, *call)
        self._wait = self._histogram("call_wait", "Time at the gate, before the wire", CALL_BUCKETS_S, *call)
        self._in_flight = self._gauge("calls_in_flight", "Calls on the wire", "endpoint")
        self._refused = self._counter("rate_limited", "Attempts that the endpoint refused for now", "endpoint")
        self._retries = self._counter("retries", "Attempts made again, by what went wrong", "endpoint", "cause")
        self._tokens = self._counter(
            "tokens", "Tokens; reasoning ones are part of completion, cached ones part of prompt", "endpoint", "kind"
        )
        self._cost = self._counter("cost_usd", "US dollars, of the calls whose price is known", *call)
        self._unpriced = self._counter("unpriced_calls", "Served calls whose price is not known", *call)

    def _make_flow_metrics(self) -> None:
        self._candidates = self._counter("candidates", "Candidates made, and verdicts on them", "stage", "outcome")
        self._rejections = self._counter("rejections", "Candidates rejected, by reason", "stage", "reason")
        self._seeds = self._counter(
            "seeds", "Seeds by how they left; a parked one leaves once more, in a later phase", "outcome"
        )
        self._groups = self._gauge("groups_in_flight", "Seeds under way, with their candidates")
        self._commits = self._histogram("ledger_commit", "Time of one commit of the ledger", SHORT_BUCKETS_S)
        self._lag = self._histogram("event_loop_lag", "How late the event loop woke", SHORT_BUCKETS_S)
        build = self._gauge("build_info", "Always 1; the labels tell what runs", "version", "python")
        build.labels(version("tamis"), platform.python_version()).set(1)

    def _counter(self, name: str, text: str, *labels: str) -> Counter:
        return Counter(f"tamis_{name}", text, labels, registry=self.registry)

    def _gauge(self, name: str, text: str, *labels: str) -> Gauge:
        return Gauge(f"tamis_{name}", text, labels, registry=self.registry)

    def _histogram(self, name: str, text: str, buckets: tuple[float, ...], *labels: str) -> Histogram:
        return Histogram(f"tamis_{name}_seconds", text, labels, registry=self.registry, buckets=buckets)

    def _begin_at_zero(self, pipeline: Pipeline) -> None:
        for stage in pipeline.stages:
            for _, endpoint in stage.aliases():
                self._call(endpoint, stage.name)
                for cause in RETRY_CAUSES:
                    self._retries.labels(endpoint, cause)
            for outcome in CANDIDATE_OUTCOMES:
                self._candidates.labels(stage.name, outcome)
            for reason in REASONS.get(getattr(stage, "check", stage.type), ()):
                self._rejections.labels(stage.name, reason)
        for outcome in SEED_OUTCOMES:
            self._seeds.labels(outcome)

    def _call(self, endpoint: str, stage: str) -> _Calls:
        series = self._of_call.get((endpoint, stage))
        if series is None:
            series = self._of_call[endpoint, stage] = _Calls(
                {outcome: self._calls.labels(endpoint, stage, outcome) for outcome in get_args(CallOutcome)},
                self._duration.labels(endpoint, stage),
                self._wait.labels(endpoint, stage),
                self._in_flight.labels(endpoint),
                self._refused.labels(endpoint),
                tuple(self._tokens.labels(endpoint, kind) for kind in TOKEN_KINDS),
                self._cost.labels(endpoint, stage),
                self._unpriced.labels(endpoint, stage),
            )
        return series

    def _call_started(self, event: CallStarted) -> None:
        self._call(event.endpoint, event.stage).in_flight.inc()

    def _call_finished(self, event: CallFinished) -> None:
        series = self._call(event.endpoint, event.stage)
        series.in_flight.dec()
        series.outcomes[event.outcome].inc()
        series.duration.observe(event.duration_s)
        series.wait.observe(event.wait_s)
        if event.outcome == "ok":
            _served(series, event)
        elif event.outcome == "refused":
            series.refused.inc()

    def _candidates_made(self, event: CandidatesMade) -> None:
        self._series(self._candidates, event.stage, event.origin).inc(event.count)

    def _verdict_given(self, event: VerdictGiven) -> None:
        self._series(self._candidates, event.stage, event.outcome).inc()
        if event.outcome == "rejected":
            self._series(self._rejections, event.stage, event.reason).inc()

    def _group_settled(self, event: GroupSettled) -> None:
        self._groups.dec()
        self._series(self._seeds, event.outcome).inc()

    def _series(self, counter: Counter, *labels: str) -> Counter:
        """Return the counter of these labels; the library's own look-up takes as long as a whole event may."""
        series = self._looked_up.get((counter, *labels))
        if series is None:
            series = self._looked_up[counter, *labels] = counter.labels(*labels)
        return series


def _served(series: _Calls, event: CallFinished) -> None:
    counts = (event.prompt_tokens, event.completion_tokens, event.reasoning_tokens, event.cached_tokens)
    for tokens, count in zip(series.tokens, counts, strict=True):
        if count:
            tokens.inc(count)
    if event.cost_usd is None:
        series.unpriced.inc()
    elif event.cost_usd:
        series.cost.inc(event.cost_usd)


class _Sampled(Collector):
    """Reads queues and limits when a scrape asks."""

    def __init__(self, queues: Queues, limits: Limits) -> None:
        self._queues, self._limits = queues, limits

    def collect(self) -> Iterator[GaugeMetricFamily]:
        depth = GaugeMetricFamily("tamis_queue_depth", "Groups that wait before a stage", labels=["stage"])
        capacity = GaugeMetricFamily("tamis_queue_capacity", "Groups that may wait before a stage", labels=["stage"])
        oldest = GaugeMetricFamily("tamis_queue_oldest_seconds", "Age of the oldest that waits", labels=["stage"])
        for stage, queue in self._queues().items():
            depth.add_metric([stage], queue.depth)
            capacity.add_metric([stage], queue.capacity)
            oldest.add_metric([stage], queue.oldest_s)
        limit = GaugeMetricFamily("tamis_concurrency_limit", "Calls that may be on the wire", labels=["endpoint"])
        for endpoint, value in self._limits().items():
            limit.add_metric([endpoint], value)
        yield from (depth, capacity, oldest, limit)


@asynccontextmanager
async def serve_metrics(registry: CollectorRegistry, port: int) -> AsyncIterator[str]:
    """Serve `/metrics` on loopback while the block runs; yield its URL. Port 0: any free one.

    Raises InputError where the port cannot be had.
    """

    async def answer(request: web.Request) -> web.Response:
        encode, content_type = choose_encoder(request.headers.get("Accept", ""))
        return web.Response(body=encode(registry), headers={"Content-Type": content_type})

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
