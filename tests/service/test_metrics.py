from __future__ import annotations

import ast
import asyncio
import socket
import subprocess
import time
from collections.abc import Callable, Iterator

import aiohttp
import pytest
from needs import ROOT, need_program
from prometheus_client import Counter, generate_latest
from virtual_time import run
from watched_run import events, watched_pipeline

from queues.bounded import BoundedQueue
from queues.gate import Gate, GateLimits
from service.observe.catalogue import REASONS
from service.observe.metrics import Metrics, serve_metrics
from service.observe.sampled import of_gates, of_queues
from stages.core.errors import InputError
from stages.core.events import CallFinished, CallReplayed, CallStarted, VerdictGiven


@pytest.fixture
def metrics() -> Metrics:
    return Metrics(watched_pipeline())


@pytest.fixture
def observed(metrics: Metrics) -> Metrics:
    for event in events():
        metrics(event)
    return metrics


def value(metrics: Metrics, name: str, **labels: str) -> float | None:
    return metrics.registry.get_sample_value(name, labels)


def test_every_series_is_there_from_the_start_at_zero(metrics: Metrics) -> None:
    zeros = [
        ("tamis_calls_total", {"endpoint": "strong", "stage": "judge", "outcome": "timeout"}),
        ("tamis_calls_total", {"endpoint": "strong", "stage": "judge.audit", "outcome": "ok"}),
        ("tamis_call_duration_seconds_count", {"endpoint": "main", "stage": "generate"}),
        ("tamis_calls_in_flight", {"endpoint": "main"}),
        ("tamis_rate_limited_total", {"endpoint": "strong"}),
        ("tamis_breaker_open", {"endpoint": "main"}),
        ("tamis_retries_total", {"endpoint": "main", "cause": "server_error"}),
        ("tamis_tokens_total", {"endpoint": "main", "kind": "cached"}),
        ("tamis_cost_usd_total", {"endpoint": "main", "stage": "generate"}),
        ("tamis_candidates_total", {"stage": "select", "outcome": "passed"}),
        ("tamis_rejections_total", {"stage": "verify", "reason": "wrong_answer"}),
        ("tamis_rejections_total", {"stage": "dedupe", "reason": "duplicate"}),
        ("tamis_failures_total", {"stage": "judge", "reason": "unreadable"}),
        ("tamis_truncated_total", {"endpoint": "main", "stage": "generate"}),
        ("tamis_accepted_total", {}),
        ("tamis_seeds_total", {"outcome": "unsolved"}),
        ("tamis_groups_in_flight", {}),
    ]
    assert [value(metrics, name, **labels) for name, labels in zeros] == [0.0] * len(zeros)


def test_every_reason_that_a_stage_gives_is_listed() -> None:
    given = {reason for path in (ROOT / "stages").rglob("*.py") for reason in rejecting(ast.parse(path.read_text()))}
    assert len(given) > 20
    assert given <= {reason for reasons in REASONS.values() for reason in reasons}


def rejecting(tree: ast.AST) -> Iterator[str]:
    """Yield the reason of every rejection in the source: `Verdict(False, ...)`, or `_failed("...")` of a gate."""
    for call in (node for node in ast.walk(tree) if isinstance(node, ast.Call)):
        words = [part.value if isinstance(part, ast.Constant) else None for part in call.args]
        named = {key.arg: key.value.value for key in call.keywords if isinstance(key.value, ast.Constant)}
        if ast.unparse(call.func) == "_failed":
            yield from (str(word) for word in words[:1] if word)
        elif words[:1] == [False] or named.get("passed") is False:
            yield from (str(word) for word in (named.get("reason"), *words[2:3]) if word)


def test_no_series_is_made_that_the_pipeline_cannot_have(metrics: Metrics) -> None:
    assert value(metrics, "tamis_calls_total", endpoint="main", stage="judge", outcome="ok") is None
    assert value(metrics, "tamis_rejections_total", stage="verify", reason="no_match") is None


@pytest.mark.parametrize(
    ("name", "labels", "expected"),
    [
        ("tamis_calls_total", {"endpoint": "main", "stage": "generate", "outcome": "ok"}, 6),
        ("tamis_calls_total", {"endpoint": "main", "stage": "generate", "outcome": "refused"}, 1),
        ("tamis_calls_in_flight", {"endpoint": "main"}, 1),
        ("tamis_calls_in_flight", {"endpoint": "strong"}, 0),
        ("tamis_call_duration_seconds_sum", {"endpoint": "strong", "stage": "generate"}, 1.0),
        ("tamis_call_wait_seconds_sum", {"endpoint": "strong", "stage": "generate"}, 0.4),
        ("tamis_rate_limited_total", {"endpoint": "main"}, 1),
        ("tamis_retries_total", {"endpoint": "main", "cause": "rate_limited"}, 1),
        ("tamis_tokens_total", {"endpoint": "main", "kind": "prompt"}, 360),
        ("tamis_truncated_total", {"endpoint": "main", "stage": "generate"}, 1),
        ("tamis_truncated_total", {"endpoint": "strong", "stage": "generate"}, 0),
        ("tamis_backoff_seconds_total", {"endpoint": "main"}, 0.5),
        ("tamis_call_commit_seconds_count", {"endpoint": "main", "stage": "generate"}, 6),
        ("tamis_call_commit_seconds_sum", {"endpoint": "strong", "stage": "generate"}, 0.008),
        ("tamis_completion_tokens_bucket", {"endpoint": "main", "stage": "generate", "le": "32.0"}, 0),
        ("tamis_completion_tokens_bucket", {"endpoint": "main", "stage": "generate", "le": "64.0"}, 6),
        ("tamis_tokens_total", {"endpoint": "main", "kind": "completion"}, 240),
        ("tamis_tokens_total", {"endpoint": "strong", "kind": "reasoning"}, 20),
        ("tamis_tokens_total", {"endpoint": "strong", "kind": "cached"}, 10),
        ("tamis_cost_usd_total", {"endpoint": "main", "stage": "generate"}, 0.006),
        ("tamis_cost_usd_total", {"endpoint": "strong", "stage": "generate"}, 0),
        ("tamis_unpriced_calls_total", {"endpoint": "strong", "stage": "generate"}, 2),
        ("tamis_candidates_total", {"stage": "generate", "outcome": "generated"}, 8),
        ("tamis_duplicate_ratio", {"stage": "generate"}, 0.1),
        ("tamis_compression_ratio", {"stage": "generate"}, 3.1),
        ("tamis_collapse_alarms_total", {"stage": "generate"}, 1),
        ("tamis_collapse_steps_total", {"stage": "generate", "step": "prompt", "outcome": "undone"}, 1),
        ("tamis_collapse_steps_total", {"stage": "generate", "step": "persona", "outcome": "taken"}, 0),
        ("tamis_candidates_total", {"stage": "verify", "outcome": "passed"}, 3),
        ("tamis_candidates_total", {"stage": "judge", "outcome": "failed"}, 1),
        ("tamis_rejections_total", {"stage": "verify", "reason": "wrong_answer"}, 4),
        ("tamis_rejections_total", {"stage": "generate", "reason": "truncated"}, 1),
        ("tamis_failures_total", {"stage": "judge", "reason": "unreadable"}, 1),
        ("tamis_accepted_total", {}, 1),
        ("tamis_seeds_total", {"outcome": "solved"}, 1),
        ("tamis_groups_in_flight", {}, 1),
    ],
)
def test_events_are_counted(observed: Metrics, name: str, labels: dict[str, str], expected: float) -> None:
    assert value(observed, name, **labels) == pytest.approx(expected)


def test_what_was_marked_or_failed_is_no_rejection(metrics: Metrics) -> None:
    metrics(VerdictGiven("verify", "marked", "wrong_answer"))
    metrics(VerdictGiven("verify", "failed", "wrong_answer"))
    assert value(metrics, "tamis_rejections_total", stage="verify", reason="wrong_answer") == 0


def test_a_replayed_call_is_no_call(metrics: Metrics) -> None:
    metrics(CallReplayed("main", "generate"))
    assert value(metrics, "tamis_calls_total", endpoint="main", stage="generate", outcome="ok") == 0


def test_hours_in_a_batch_are_no_wait_at_the_gate(metrics: Metrics) -> None:
    metrics(CallFinished("main", "generate", "ok", 7200.0, 0.0, 60, 40))
    labels = {"endpoint": "main", "stage": "generate"}
    for name in ("call_wait_seconds", "call_duration_seconds"):
        assert value(metrics, f"tamis_{name}_count", **labels) == 0
    assert value(metrics, "tamis_completion_tokens_count", **labels) == 1


def test_two_runs_in_one_process_do_not_mix(observed: Metrics) -> None:
    assert value(Metrics(watched_pipeline()), "tamis_seeds_total", outcome="solved") == 0


def test_queues_are_read_when_a_scrape_asks(metrics: Metrics) -> None:
    seconds = 0.0
    queue: BoundedQueue[int] = BoundedQueue(8, clock=lambda: seconds)
    metrics.sample(lambda: of_queues({"judge": queue.statistics()}))
    assert value(metrics, "tamis_queue_depth", stage="judge") == 0
    queue.put_again(1)
    seconds = 3.0
    assert value(metrics, "tamis_queue_depth", stage="judge") == 1
    assert value(metrics, "tamis_queue_capacity", stage="judge") == 8
    assert value(metrics, "tamis_queue_oldest_seconds", stage="judge") == 3


async def test_a_gate_shows_its_limits_and_who_waits_for_what(metrics: Metrics) -> None:
    gate = Gate(GateLimits(max_concurrency=1, requests_per_minute=600))
    metrics.sample(lambda: of_gates({"main": gate}))
    assert value(metrics, "tamis_concurrency_limit", endpoint="main") == 1
    assert value(metrics, "tamis_limit_per_minute", endpoint="main", kind="requests") == 600
    assert value(metrics, "tamis_limit_per_minute", endpoint="main", kind="tokens") is None
    async with asyncio.TaskGroup() as tasks:
        running = tasks.create_task(gate.run())
        lease = await gate.admit()
        waiter = tasks.create_task(gate.admit())
        await asyncio.sleep(0)
        assert value(metrics, "tamis_calls_waiting", endpoint="main", lacks="concurrency") == 1
        assert value(metrics, "tamis_calls_waiting", endpoint="main", lacks="pace") == 0
        lease.done()
        (await waiter).done()
        running.cancel()
    assert value(metrics, "tamis_calls_waiting", endpoint="main", lacks="concurrency") == 0


def test_commits_are_timed(metrics: Metrics) -> None:
    metrics.committed(500, 0.02)
    assert value(metrics, "tamis_ledger_commit_seconds_bucket", le="0.01") == 0
    assert value(metrics, "tamis_ledger_commit_seconds_bucket", le="0.025") == 1


def test_a_busy_loop_shows_as_lag(metrics: Metrics) -> None:
    """The clock tells of 0.75 s where the loop slept 0.5 s; loop and clock are driven by hand."""
    times = iter([100.0, 100.75, 100.75, 101.25, 101.25])
    measuring = metrics.measure_lag(clock=lambda: next(times))

    async def main() -> None:
        task = asyncio.create_task(measuring)
        await asyncio.sleep(1.2)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    run(main())
    assert value(metrics, "tamis_event_loop_lag_seconds_count") == 2
    assert value(metrics, "tamis_event_loop_lag_seconds_sum") == pytest.approx(0.25)


def test_the_longest_call_that_is_awaited_has_a_bucket(metrics: Metrics) -> None:
    metrics(CallStarted("main", "generate"))
    metrics(CallFinished("main", "generate", "ok", 0.0, 599.0))
    labels = {"endpoint": "main", "stage": "generate"}
    assert value(metrics, "tamis_call_duration_seconds_bucket", le="600.0", **labels) == 1
    assert value(metrics, "tamis_call_duration_seconds_bucket", le="300.0", **labels) == 0


def test_an_event_costs_less_than_looking_up_its_labels_would(metrics: Metrics) -> None:
    """Measured 3 us against 9, in turn, so that a loaded machine slows both."""
    event = CallFinished("main", "generate", "ok", 0.1, 0.5, 60, 60, 0, 0, 0.001)
    counter = Counter("calls", "", ("endpoint", "stage"), registry=None)

    def look_up() -> None:
        for _ in range(8):
            counter.labels("main", "generate").inc()

    pairs = [(_seconds(lambda: metrics(event)), _seconds(look_up)) for _ in range(5)]
    assert min(ours for ours, _ in pairs) < min(theirs for _, theirs in pairs)


def _seconds(work: Callable[[], None]) -> float:
    started = time.perf_counter()
    for _ in range(2_000):
        work()
    return time.perf_counter() - started


def test_the_names_are_as_prometheus_wants_them(observed: Metrics) -> None:
    gate = Gate(GateLimits(16, 600, 10_000))
    queue = BoundedQueue[int](8).statistics()
    observed.sample(
        lambda: [*of_queues({"judge": queue}), *of_gates({"main": gate}), (("budget_left_ratio", "usd"), 1.0)]
    )
    promtool = need_program("promtool")
    check = subprocess.run(
        [promtool, "check", "metrics"], input=generate_latest(observed.registry), capture_output=True, check=False
    )
    assert (check.returncode, check.stdout + check.stderr) == (0, b"")


async def test_metrics_are_served_on_loopback_and_nowhere_else(observed: Metrics) -> None:
    async with serve_metrics(observed.registry, 0) as url, aiohttp.ClientSession() as session:
        assert url.startswith("http://127.0.0.1:")
        async with session.get(url) as reply:
            assert reply.status == 200
            assert "tamis_groups_in_flight 1.0" in await reply.text()
        async with session.get(url, headers={"Accept": "application/openmetrics-text; version=1.0.0"}) as reply:
            assert reply.headers["Content-Type"].startswith("application/openmetrics-text")
            assert (await reply.text()).endswith("# EOF\n")
    with pytest.raises(aiohttp.ClientConnectionError):
        async with aiohttp.ClientSession() as session, session.get(url):
            pass


async def test_a_taken_port_is_the_person_s_to_know(metrics: Metrics) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(InputError, match=f"--metrics-port {port}: .*; name another port"):
            async with serve_metrics(metrics.registry, port):
                pass
