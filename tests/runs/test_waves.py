"""Adaptive rejection sampling, as a run makes it."""

from __future__ import annotations

import os
import signal
from collections import Counter
from typing import Any

import orjson
from whole_runs import Project, arithmetic, calls_reach, committed, identities_hold, simulating

from queues.ledger import Reader

WORLD = ("--beta", "0.5,0.8", "--latency", "0.1", "--jitter", "0.3")


def adaptive(project: Project, base_url: str, seeds: int, **until: Any) -> dict[str, Any]:
    config = arithmetic(project, base_url, seeds=seeds)
    generate, verify, *_ = config["stages"]
    generate |= {"candidates": 2, "temperature": [1.0], "until": until}
    return {**config, "stages": [generate, verify, {"type": "select", "top": 1}], "outputs": []}


def tried(project: Project, run: str) -> Counter[str]:
    """Return how many candidates each seed had."""
    fallen = project.lines(run, "rejected.jsonl") + project.lines(run, "accepted.jsonl")
    return Counter(row["seed_id"] for row in fallen)


def test_easy_seeds_stop_early_and_hard_ones_take_up_to_the_cap(project: Project) -> None:
    with simulating(*WORLD) as simulator:
        project.write(adaptive(project, simulator.base_url, 60, accepted=1, max_candidates=12, wave=2))
        project.tamis("run", "pipeline.yaml", "--out", "run")
    counts = tried(project, "run")
    solved = {row["seed_id"] for row in project.lines("run", "accepted.jsonl")}
    assert identities_hold(project.manifest("run"))
    assert len(counts) == 60
    assert all(counts[seed] == 12 for seed in counts if seed not in solved), "nobody is given up before the cap"
    assert set(counts.values()) <= {2, 4, 6, 8, 10, 12}
    assert min(counts[seed] for seed in solved) == 2
    assert any(counts[seed] > 4 for seed in solved), "later waves solve some"


def test_a_run_killed_between_waves_goes_on_by_its_own_decisions(project: Project) -> None:
    with simulating(*WORLD) as simulator:
        until = {"accepted": 1, "rejected": 1, "max_candidates": 16, "wave": 2, "give_up": 20, "mean_candidates": 6}
        project.write(adaptive(project, simulator.base_url, 120, **until))
        unacknowledged = 0
        for wanted in (150, 350):
            process = project.start("run", "pipeline.yaml", "--out", "run", "--resume")
            calls_reach(simulator, wanted)
            os.killpg(process.pid, signal.SIGKILL)
            process.communicate()
            unacknowledged = simulator.stats()["calls"] - committed(project, "run")
        project.tamis("run", "pipeline.yaml", "--out", "run", "--resume")
        calls = committed(project, "run")
        assert simulator.stats()["calls"] - calls <= unacknowledged, "no call with a committed reply is sent again"
    manifest = project.manifest("run")
    assert identities_hold(manifest)
    assert manifest["counts"]["candidates"]["generated"] == calls
    with Reader(project.folder / "run" / "ledger.sqlite") as reader:
        rows = [(row.scope, orjson.loads(row.body)) for row in reader.decisions("wave")]
    waves = Counter((scope, body["wave"]) for scope, body in rows)
    assert set(waves.values()) == {1}, "each decision is taken once"
    asked = Counter[str]()
    for scope, body in rows:
        asked[scope.partition(":")[2]] += body["more"]
    assert {seed: 2 + asked[seed] for seed in asked} == tried(project, "run"), "and what was decided is what was made"
