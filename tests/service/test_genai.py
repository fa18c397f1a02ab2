from __future__ import annotations

import subprocess

import pytest
from needs import need_program
from prometheus_client import generate_latest
from watched_run import events, watched_pipeline

from service.observe.genai import VARIABLE
from service.observe.metrics import Metrics
from stages.core.events import CallFinished


@pytest.fixture
def metrics(monkeypatch: pytest.MonkeyPatch) -> Metrics:
    monkeypatch.setenv(VARIABLE, "http, gen_ai_latest_experimental")
    metrics = Metrics(watched_pipeline())
    for event in events():
        metrics(event)
    return metrics


def value(metrics: Metrics, name: str, **labels: str) -> float | None:
    call = {"operation_name": "chat", "provider_name": "openai", "request_model": "small"} | labels
    named = {name if name == "error_type" else f"gen_ai_{name}": label for name, label in call.items()}
    return metrics.registry.get_sample_value(f"gen_ai_client_{name}", named)


def test_nobody_who_has_not_asked_for_them_gets_them(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(VARIABLE, "http")
    assert b"gen_ai" not in generate_latest(Metrics(watched_pipeline()).registry)


def test_calls_are_told_by_model_and_outcome(metrics: Metrics) -> None:
    assert value(metrics, "operation_duration_seconds_count", error_type="") == 6
    assert value(metrics, "operation_duration_seconds_sum", error_type="") == 6 * 0.5
    assert value(metrics, "operation_duration_seconds_count", error_type="refused") == 1
    assert value(metrics, "operation_duration_seconds_count", error_type="", request_model="large") == 2
    assert value(metrics, "token_usage_sum", token_type="input") == 6 * 60
    assert value(metrics, "token_usage_sum", token_type="output") == 6 * 40


def test_embeddings_are_another_operation_and_batches_have_no_duration(metrics: Metrics) -> None:
    metrics(CallFinished("main", "dedupe", "ok", 0.0, 0.2, 7, route="embeddings"))
    metrics(CallFinished("main", "generate", "ok", 3600.0, 0.0, 60, 40))
    embeddings = {"operation_name": "embeddings"}
    assert value(metrics, "operation_duration_seconds_count", error_type="", **embeddings) == 1
    assert value(metrics, "token_usage_sum", token_type="input", **embeddings) == 7
    assert value(metrics, "operation_duration_seconds_count", error_type="") == 6
    assert value(metrics, "token_usage_count", token_type="output") == 7


def test_prometheus_finds_nothing_wrong_with_them(metrics: Metrics) -> None:
    command = [need_program("promtool"), "check", "metrics"]
    check = subprocess.run(command, input=generate_latest(metrics.registry), capture_output=True, check=False)
    assert (check.returncode, check.stdout + check.stderr) == (0, b"")
