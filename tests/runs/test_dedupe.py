"""Dedupe in whole runs: the same bytes whatever the concurrency, and nothing lost where arrival decides."""

from __future__ import annotations

import os
import signal
from collections import Counter
from collections.abc import Iterator
from typing import Any

import pytest
from whole_runs import Project, Simulator, arithmetic, calls_reach, identities_hold, simulating

from queues.ledger import Reader

SEEDS = 28
NEAR = {"threshold": 0.6}


@pytest.fixture(scope="module")
def simulator() -> Iterator[Simulator]:
    with simulating("--latency", "0.005", "--jitter", "1", "--accuracy", "0.6") as running:
        yield running


def repeating(project: Project, base_url: str, *dedupes: dict[str, Any], concurrency: int = 50) -> dict[str, Any]:
    """A pipeline over two questions that stand there again and again: generate, verify, these stages, judge."""
    config = arithmetic(project, base_url)
    rows = [{"id": f"q{n:03}", "question": f"What is {n % 2 + 3} + 7?", "answer": n % 2 + 10} for n in range(SEEDS)]
    project.rows("seeds.jsonl", rows)
    config["endpoints"]["main"]["limits"]["max_concurrency"] = concurrency
    generate, verify, judge, *_ = config["stages"]
    return {**config, "stages": [generate, verify, *dedupes, judge], "outputs": []}


def accepted(project: Project, run: str) -> bytes:
    return (project.folder / run / "accepted.jsonl").read_bytes()


def duplicates(project: Project, run: str) -> list[dict[str, Any]]:
    return [row for row in project.lines(run, "rejected.jsonl") if row["reason"] == "duplicate"]


@pytest.mark.parametrize("semantic", [None, {"threshold": 0.97, "endpoint": "main"}])
def test_canonical_gives_the_same_bytes_at_any_concurrency_and_after_a_kill(
    project: Project, simulator: Simulator, semantic: dict[str, Any] | None
) -> None:
    dedupe = {"type": "dedupe", "near": NEAR, "semantic": semantic, "keep": {"per_cluster": 2}}
    for concurrency in (1, 50, 1000):
        project.write(repeating(project, simulator.base_url, dedupe, concurrency=concurrency))
        project.tamis("run", "pipeline.yaml", "--out", f"at-{concurrency}")
    same = accepted(project, "at-1")
    assert same
    assert len(duplicates(project, "at-1")) > 5
    assert accepted(project, "at-50") == same
    assert accepted(project, "at-1000") == same
    assert project.manifest("at-1")["indexes"]["dedupe"]["documents"] > len(duplicates(project, "at-1"))

    calls = project.manifest("at-1")["calls"]["calls"]
    with simulating("--latency", "0.1", "--accuracy", "0.6") as slow:
        project.write(repeating(project, slow.base_url, dedupe))
        for wanted in (calls // 3, calls - 40):
            process = project.start("run", "pipeline.yaml", "--out", "killed", "--resume")
            calls_reach(slow, wanted)
            os.killpg(process.pid, signal.SIGKILL)
            process.communicate()
        project.tamis("run", "pipeline.yaml", "--out", "killed", "--resume")
    assert accepted(project, "killed") == same
    assert project.manifest("killed")["counts"] == project.manifest("at-1")["counts"]


def test_online_pays_no_judge_for_a_duplicate_and_loses_none_of_a_fallen_one(
    project: Project, simulator: Simulator
) -> None:
    """Once undisturbed; once killed in the middle, where what was judged before may become a duplicate after."""
    project.write(repeating(project, simulator.base_url, {"type": "dedupe", "mode": "online", "near": NEAR}))
    project.tamis("run", "pipeline.yaml", "--out", "whole")
    process = project.start("run", "pipeline.yaml", "--out", "killed")
    calls_reach(simulator, simulator.stats()["calls"] + SEEDS * 4)
    os.killpg(process.pid, signal.SIGKILL)
    process.communicate()
    project.tamis("run", "pipeline.yaml", "--out", "killed", "--resume")

    for run in ("whole", "killed"):
        manifest, kept = project.manifest(run), project.lines(run, "accepted.jsonl")
        assert identities_hold(manifest)
        assert manifest["counts"]["seeds"]["pending"] == 0
        texts = Counter(tuple(message["content"] for message in row["messages"]) for row in kept)
        assert set(texts.values()) == {1}
        gone = duplicates(project, run)
        twins = {row["detail"].removeprefix("of ").partition(",")[0] for row in gone}
        assert twins <= {row["id"] for row in kept}, "each names a twin that stays"
    gone, wrong = duplicates(project, "whole"), project.manifest("whole")["counts"]["candidates"]["rejected"]
    assert len(gone) > 5
    with Reader(project.folder / "whole/ledger.sqlite") as reader:
        judged = next(spend.calls for spend in reader.spend() if spend.stage == "judge")
    assert judged == SEEDS * 4 - len(gone) - wrong["wrong_answer"]


def test_what_cannot_work_online_is_refused_in_words(project: Project, simulator: Simulator) -> None:
    online = {"type": "dedupe", "name": "late", "mode": "online", "action": "mark", "keep": {"by": "score"}}
    project.write(repeating(project, simulator.base_url, {"type": "dedupe"}, online))
    said = project.tamis("check", "pipeline.yaml", code=2)
    assert "`mode: canonical` marks them as well" in said
    assert "`mode: online` keeps who comes first" in said
    assert '"dedupe" before it has seen every seed already' in said
