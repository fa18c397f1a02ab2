"""Whole runs with `mode: batch`: the same data as live, killed or not, and nothing sent twice."""

from __future__ import annotations

import os
import signal
from typing import Any

import openai
import orjson
from whole_runs import Project, Simulator, arithmetic, committed, identities_hold, simulating, waits_for

from queues.ledger import Reader


def in_batches(config: dict[str, Any], **batch: Any) -> dict[str, Any]:
    """Return a pipeline whose endpoint `main` is asked in batches."""
    main = {**config["endpoints"]["main"], "mode": "batch", "batch": {"poll_s": 0.1, **batch}}
    return {**config, "endpoints": {**config["endpoints"], "main": main}}


def accepted(project: Project, run: str) -> bytes:
    return (project.folder / run / "accepted.jsonl").read_bytes()


def requests_sent_once(project: Project, run: str) -> bool:
    """Whether no request is in two batches, and every reply is one row."""
    with Reader(project.folder / run / "ledger.sqlite") as reader:
        bodies = [orjson.loads(row.body) for row in reader.decisions("batch")]
        asked = [key for body in bodies for key, _, _ in body.get("asked", ())]
        calls = sum(spend.calls for spend in reader.spend())
        keys = {key for no in reader.numbers() for key in reader.replies(no)}
    return len(asked) == len(set(asked)) == calls == len(keys)


def test_a_run_in_batches_killed_twice_sends_nothing_twice_and_writes_what_a_live_run_does(project: Project) -> None:
    with simulating("--accuracy", "0.6", "--batch-s", "1.5") as simulator:
        config = arithmetic(project, simulator.base_url, seeds=75)
        project.write(in_batches(config, max_requests=120))
        project.write(config, "live.yaml")
        process = project.start("run", "pipeline.yaml", "--out", "run")
        waits_for(lambda: simulator.stats()["batches"] >= 1)  # made, and perhaps not known to be
        os.killpg(process.pid, signal.SIGKILL)
        process.communicate()
        process = project.start("run", "pipeline.yaml", "--out", "run", "--resume")
        waits_for(lambda: committed(project, "run") > 0)  # in the midst of taking replies home
        os.killpg(process.pid, signal.SIGKILL)
        process.communicate()
        project.tamis("run", "pipeline.yaml", "--out", "run", "--resume")
        assert requests_sent_once(project, "run")
        assert simulator.stats()["answered"] + simulator.stats()["repeats"] == committed(project, "run")
        assert identities_hold(project.manifest("run"))
        project.tamis("run", "live.yaml", "--out", "live")
    assert accepted(project, "run") == accepted(project, "live")


def test_a_signal_leaves_batches_to_the_provider_and_resume_finds_them_there(project: Project) -> None:
    with simulating("--accuracy", "1", "--batch-s", "3600") as simulator:
        config = arithmetic(project, simulator.base_url, seeds=5)
        project.write(in_batches(config))
        project.write(config, "live.yaml")
        process = project.start("run", "pipeline.yaml", "--out", "run")
        waits_for(lambda: simulator.stats()["batches"] == 1)
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=60)
        assert process.returncode == 75, out + err
        assert "paid for twice" in project.tamis("run", "live.yaml", "--out", "run", "--resume", code=2)
        with openai.OpenAI(base_url=simulator.base_url, api_key="any") as provider:
            (batch,) = provider.batches.list()
            provider.batches.cancel(batch.id)
        said = project.tamis("run", "pipeline.yaml", "--out", "run", "--resume", code=75)
        assert f"the batch {batch.id} was cancelled at the provider" in said
        assert simulator.stats()["batches"] == 1
        project.tamis("run", "live.yaml", "--out", "run", "--resume")
    assert project.manifest("run")["state"] == "complete"


def test_live_and_batch_endpoints_work_in_one_pipeline_also_with_waves_families_and_twins(project: Project) -> None:
    with simulating("--accuracy", "0.5", "--seed", "3") as simulator:
        config = arithmetic(project, simulator.base_url, seeds=12)
        config["endpoints"]["fast"] = config["endpoints"]["main"]
        generate, verify, judge, select, dedupe, score = config["stages"]
        until = {"accepted": 2, "max_candidates": 8, "wave": 2}
        config["stages"] = [
            {**generate, "endpoint": {"main": 2, "fast": 2}, "candidates": 2, "until": until},
            verify,
            {**judge, "endpoint": "fast", "audit": {"share": 0.5, "max": 50}},
            {"type": "dedupe", "name": "twins", "mode": "online", "near": {"threshold": 0.8}},
            {"type": "rank", "endpoint": "main"},
            {**select, "by": "rank"},
            dedupe,
            {"type": "difficulty", "by": "model", "rater": "main"},
            {**score, "endpoint": ["main", "fast"], "axes": {"clarity": "How clear it is."}},
        ]
        said = project.tamis("check", str(project.write(in_batches(config))))
        assert "each wave" in said
        project.tamis("run", "pipeline.yaml", "--out", "run", timeout=300)
        assert simulator.stats()["batches"] > 3
    manifest = project.manifest("run")
    assert identities_hold(manifest)
    assert manifest["counts"]["seeds"]["pending"] == manifest["counts"]["candidates"]["failed"] == 0
    assert manifest["counts"]["candidates"]["accepted"] > 12


def test_a_budget_of_calls_is_kept_to_the_call_and_all_that_is_paid_is_used(project: Project) -> None:
    with simulating("--accuracy", "0.6") as simulator:
        _budget(project, simulator)


def _budget(project: Project, simulator: Simulator) -> None:
    config = arithmetic(project, simulator.base_url, seeds=20, budget={"calls": 50})
    config["stages"] = config["stages"][:2]
    project.write(in_batches(config, max_requests=20))
    project.tamis("run", "pipeline.yaml", "--out", "run", code=3)
    assert simulator.stats()["calls"] == 50
    manifest = project.manifest("run")
    assert manifest["calls"]["calls"] == 50
    assert manifest["counts"]["seeds"]["pending"] == 8, "twelve seeds have all four replies"
    project.write(in_batches({**config, "budget": {"calls": 1000}}))
    project.tamis("run", "pipeline.yaml", "--out", "run", "--resume")
    assert project.manifest("run")["calls"]["calls"] == 80
