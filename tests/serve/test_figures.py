"""What `/metrics` of a service says while jobs go on, and after them."""

from __future__ import annotations

from batch_client import chat, client_of
from prometheus_client.parser import text_string_to_metric_families
from served import PAUSE, Caller, Server, additions


def figures(caller: Caller) -> dict[tuple[str, ...], float]:
    """Return every figure by its name and the values of its labels, in the order of their names."""
    answer = caller.ask("GET", "/metrics")
    assert answer.status == 200, answer.raw
    return {
        (sample.name, *(sample.labels[label] for label in sorted(sample.labels))): sample.value
        for family in text_string_to_metric_families(answer.raw.decode())
        for sample in family.samples
    }


def test_what_a_stage_asks_for_goes_by_the_type_of_that_stage(operator: Caller) -> None:
    pipeline = additions(operator.seeds(200), "slow")
    pipeline["stages"][0] |= {"name": "an.author.s", "until": {"accepted": 1, "max_candidates": 4}}
    pipeline["stages"].append({"type": "dedupe", "name": "twins", "mode": "online"})
    job_id = operator.post("/v1/jobs", {"pipeline": pipeline}, 201)["id"]
    operator.under_way(job_id)
    queues = {stage for name, stage, *_ in (key for key in figures(operator) if len(key) == 2) if "queue_depth" in name}
    assert queues == {"generate", "generate.until", "verify", "select", "dedupe", "dedupe.revive"}
    operator.post(f"/v1/jobs/{job_id}/cancel")
    operator.job(job_id, "cancelled")
    assert not {key for key in figures(operator) if any("author" in label or "twins" in label for label in key)}


def test_a_job_s_figures_begin_at_zero_so_that_its_first_alarm_is_an_increase(operator: Caller) -> None:
    pipeline = additions(operator.seeds(200), "slow")
    pipeline["stages"].append({"type": "transform", "name": "mine", "kind": "succinct", "endpoint": "secret"})
    job_id = operator.post("/v1/jobs", {"pipeline": pipeline}, 201)["id"]
    operator.under_way(job_id)
    now = figures(operator)
    zeros = [
        ("tamis_collapse_alarms_total", "generate"),
        ("tamis_calls_total", "secret", "timeout", "transform"),
        ("tamis_rejections_total", "answer_lost", "transform"),
        ("tamis_call_duration_seconds_count", "secret", "transform"),
        ("tamis_breaker_open", "secret"),
    ]
    assert [now.get(key) for key in zeros] == [0.0] * len(zeros)
    operator.post(f"/v1/jobs/{job_id}/cancel")
    operator.job(job_id, "cancelled")


def test_a_server_that_fails_a_batch_is_seen(open_server: Server, operator: Caller) -> None:
    with client_of(open_server) as client:
        batch = client.send([chat(n, "dead") for n in range(8)])
        for _ in range(600):
            if figures(operator).get(("tamis_breaker_open", "dead")):
                break
            PAUSE.wait(0.05)
        assert figures(operator).get(("tamis_breaker_open", "dead")) == 1
        client.batches.cancel(batch.id)
        client.ended(batch.id)
    assert not figures(operator).get(("tamis_breaker_open", "dead"))
