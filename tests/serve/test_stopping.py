"""SIGTERM to a service: it drains, ends with 75, and the next start goes on to the same end without a call twice."""

from __future__ import annotations

import signal
from pathlib import Path
from typing import Any

import pytest
from served import PAUSE, Caller, additions, serving
from whole_runs import Simulator, calls_reach, simulating

from queues.ledger import Reader

SEEDS, CALLS = 20, 40


def config(simulator: Simulator) -> dict[str, Any]:
    main = {"base_url": simulator.base_url, "model": "simulated", "limits": {"max_concurrency": 8}}
    return {"listen": "127.0.0.1:0", "endpoints": {"main": main}}


def submitted(caller: Caller) -> str:
    return str(caller.post("/v1/jobs", {"pipeline": additions(caller.seeds(SEEDS))}, 201)["id"])


def committed(tmp_path: Path, job_id: str) -> int:
    with Reader(tmp_path / "data/jobs" / job_id / "ledger.sqlite") as reader:
        return sum(spend.calls for spend in reader.spend())


def draining(caller: Caller) -> None:
    """Return when the service says that it takes no more."""
    for _ in range(400):
        ready = caller.ask("GET", "/readyz")
        if ready.status == 503:
            assert ready.json["error"]["code"] == "draining"
            return
        PAUSE.wait(0.02)
    pytest.fail("the service never began to drain")


def goes_on_to_the_end(tmp_path: Path, job_id: str) -> int:
    """Start the service again, let the job end, and return how many calls that took."""
    with simulating("--accuracy", "1") as fast, serving(tmp_path, config(fast)) as server:
        job = server.caller().job(job_id, "complete")
        assert job["counts"]["seeds"]["solved"] == SEEDS
        assert server.stop() == 75
        return int(fast.stats()["calls"])


def test_calls_in_flight_come_home_nothing_new_is_taken_and_the_next_start_asks_only_for_the_rest(
    tmp_path: Path,
) -> None:
    with simulating("--latency", "1.5", "--accuracy", "1") as slow:
        with serving(tmp_path, config(slow)) as server:
            caller = server.caller()
            job_id = submitted(caller)
            calls_reach(slow, 10)
            server.process.send_signal(signal.SIGTERM)
            draining(caller)
            assert caller.get("/healthz") == {"status": "ok"}
            refused = caller.ask("POST", "/v1/jobs", {"pipeline": additions("file-any")})
            assert refused.status == 503
            assert server.process.wait(30) == 75
        sent = slow.stats()["calls"]
    assert 10 <= sent < CALLS
    assert committed(tmp_path, job_id) == sent, "every call in flight came home"
    assert sent + goes_on_to_the_end(tmp_path, job_id) == CALLS == committed(tmp_path, job_id)


def test_a_second_signal_does_not_wait_for_calls_and_the_job_still_goes_on(tmp_path: Path) -> None:
    with simulating("--latency", "60") as stuck, serving(tmp_path, config(stuck)) as server:
        caller = server.caller()
        job_id = submitted(caller)
        calls_reach(stuck, 8)
        server.process.send_signal(signal.SIGTERM)
        draining(caller)
        assert server.stop() == 75
    assert goes_on_to_the_end(tmp_path, job_id) == CALLS


def test_a_drain_ends_after_drain_s_whatever_is_on_its_way(tmp_path: Path) -> None:
    with simulating("--latency", "60") as stuck, serving(tmp_path, {**config(stuck), "drain_s": 0.5}) as server:
        submitted(server.caller())
        calls_reach(stuck, 8)
        assert server.stop() == 75
