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
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from functools import partial
from importlib.metadata import version
from typing import Any, TypeVar, cast, get_args

from aiohttp import web
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, disable_created_metrics
from prometheus_client.exposition import choose_encoder

from config.schema import Generate, Judge, Pipeline
from queues.bounded import QueueStatistics
from stages.core.errors import InputError
from stages.core.events import (
    CallFinished,
    CallOutcome,
    CallRetried,
    CallStarted,
    CandidatesMade,
    Collapsing,
    DiversityMeasured,
    Event,
    GroupSettled,
    GroupStarted,
    VerdictGiven,
)
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

QUEUE_GAUGES = (
    ("queue_depth", "depth", "Groups that wait before a stage"),
    ("queue_capacity", "capacity", "Groups that may wait before a stage"),
    ("queue_oldest_seconds", "oldest_s", "Age of the oldest that waits"),
)

DIVERSITY_GAUGES = (
    ("duplicate_ratio", "repeated", "Share of a window's outputs that were there before"),
    ("distinct_2gram_ratio", "distinct_2", "Different word 2-grams by all of a window"),
    ("distinct_4gram_ratio", "distinct_4", "Different word 4-grams by all of a window"),
    ("self_repetition_ratio", "self_repetition", "Share of an output's 4-grams that another one of its window has"),
    ("compression_ratio", "compression", "Bytes by compressed bytes of a window's outputs"),
    ("opening_ratio", "opening_share", "Share of a window's outputs that begin with its most frequent three words"),
    ("output_words", "words", "Words per output in a window"),
)

LAG_EVERY_S = 0.5

M = TypeVar("M", Counter, Gauge, Histogram)
Queues = Callable[[], Mapping[str, QueueStatistics]]
Limits = Callable[[], Mapping[str, float]]


class Metrics:
    """An observer of events that keeps the metrics of one run in `registry`."""

    def __init__(self, pipeline: Pipeline) -> None:
        disable_created_metrics()  # type: ignore[no-untyped-call]  # untyped there; they would double the series
        self.registry = CollectorRegistry()
        self._make_call_metrics()
        self._make_flow_metrics()
        self._looked_up: dict[tuple[object, ...], Any] = {}
        self._begin_at_zero(pipeline)

    def __call__(self, event: Event) -> None:
        """Observe one event."""
        match event:
            case CallStarted():
                self._of(self._in_flight, event.endpoint).inc()
            case CallFinished():
                self._call_finished(event)
            case CallRetried():
                self._of(self._retries, event.endpoint, event.cause).inc()
            case CandidatesMade():
                self._of(self._candidates, event.stage, event.origin).inc(event.total)
            case VerdictGiven():
                self._of(self._candidates, event.stage, event.outcome).inc()
                if event.outcome == "rejected":
                    self._of(self._rejections, event.stage, event.reason).inc()
            case GroupStarted():
                self._groups.inc()
            case GroupSettled():
                self._groups.dec()
                self._of(self._seeds, event.outcome).inc()
            case DiversityMeasured() | Collapsing():
                self._repetition(event)

    def committed(self, rows: int, seconds: float) -> None:
        """Observe one commit of the ledger; any thread may call it."""
        self._commits.observe(seconds)

    def sample(self, queues: Queues, limits: Limits) -> None:
        """Say where to read at each scrape: statistics of queues by stage, concurrency limits by endpoint."""

        def queue(stage: str, field: str) -> float:
            return float(getattr(queues()[stage], field))

        def limit(endpoint: str) -> float:
            return limits()[endpoint]

        for name, field, text in QUEUE_GAUGES:
            gauge = self._gauge(name, text, "stage")
            for stage in queues():
                gauge.labels(stage).set_function(partial(queue, stage, field))
        gauge = self._gauge("concurrency_limit", "Calls that may be on the wire", "endpoint")
        for endpoint in limits():
            gauge.labels(endpoint).set_function(partial(limit, endpoint))

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
            "seeds", "Seeds by how they left; who is parked or waits leaves once more", "outcome"
        )
        self._groups = self._gauge("groups_in_flight", "Seeds under way, with their candidates")
        self._commits = self._histogram("ledger_commit", "Time of one commit of the ledger", SHORT_BUCKETS_S)
        self._diversity = {name: self._gauge(name, text, "stage") for name, _, text in DIVERSITY_GAUGES}
        self._alarms = self._counter("collapse_alarms", "Alarms that outputs begin to repeat themselves", "stage")
        self._steps = self._counter("collapse_steps", "Steps against repetition", "stage", "step", "outcome")
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
                self._begin_call_at_zero(endpoint, stage.name)
                if isinstance(stage, Judge) and stage.audit is not None:
                    self._begin_call_at_zero(endpoint, f"{stage.name}.audit")
            for outcome in CANDIDATE_OUTCOMES:
                self._of(self._candidates, stage.name, outcome)
            for reason in REASONS.get(getattr(stage, "check", stage.type), ()):
                self._of(self._rejections, stage.name, reason)
            if isinstance(stage, Generate):
                self._begin_generate_at_zero(stage.name)
        for outcome in SEED_OUTCOMES:
            self._of(self._seeds, outcome)

    def _begin_generate_at_zero(self, stage: str) -> None:
        for gauge in self._diversity.values():
            self._of(gauge, stage).set(math.nan)  # nothing is measured yet, and 0 would be a figure
        self._of(self._alarms, stage)
        for step in get_args(Step):
            for outcome in ("taken", "undone"):
                self._of(self._steps, stage, step, outcome)

    def _begin_call_at_zero(self, endpoint: str, stage: str) -> None:
        for times in (self._duration, self._wait):
            self._of(times, endpoint, stage)
        for sums in (self._cost, self._unpriced):
            self._of(sums, endpoint, stage)
        for outcome in get_args(CallOutcome):
            self._of(self._calls, endpoint, stage, outcome)
        self._of(self._in_flight, endpoint)
        self._of(self._refused, endpoint)
        for cause in RETRY_CAUSES:
            self._of(self._retries, endpoint, cause)
        for kind in TOKEN_KINDS:
            self._of(self._tokens, endpoint, kind)

    def _call_finished(self, event: CallFinished) -> None:
        call = (event.endpoint, event.stage)
        self._of(self._in_flight, event.endpoint).dec()
        self._of(self._calls, *call, event.outcome).inc()
        self._of(self._duration, *call).observe(event.duration_s)
        self._of(self._wait, *call).observe(event.wait_s)
        if event.outcome == "refused":
            self._of(self._refused, event.endpoint).inc()
        if event.outcome != "ok":
            return
        counts = (event.prompt_tokens, event.completion_tokens, event.reasoning_tokens, event.cached_tokens)
        for kind, count in zip(TOKEN_KINDS, counts, strict=True):
            if count:
                self._of(self._tokens, event.endpoint, kind).inc(count)
        if event.cost_usd is None:
            self._of(self._unpriced, *call).inc()
        elif event.cost_usd:
            self._of(self._cost, *call).inc(event.cost_usd)

    def _repetition(self, event: DiversityMeasured | Collapsing) -> None:
        if isinstance(event, DiversityMeasured):
            for gauge, field, _ in DIVERSITY_GAUGES:
                self._of(self._diversity[gauge], event.stage).set(_known(getattr(event, field)))
            return
        if event.what == "alarm":
            self._of(self._alarms, event.stage).inc()
        if event.what != "effect" and event.step:
            outcome = "taken" if event.what == "alarm" else "undone"
            self._of(self._steps, event.stage, event.step, outcome).inc()

    def _of(self, metric: M, *labels: str) -> M:
        """Return the series of these labels; the library's own look-up takes as long as a whole event may."""
        series = self._looked_up.get((metric, labels))
        if series is None:
            series = self._looked_up[metric, labels] = metric.labels(*labels)
        return cast(M, series)


def _known(value: float | None) -> float:
    return math.nan if value is None else value


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
