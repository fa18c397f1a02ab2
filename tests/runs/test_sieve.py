"""A whole sieve over simulated models: waves for a vote, a check, a panel that escalates, marks, a ranking."""

from __future__ import annotations

import os
import signal
from collections import Counter
from typing import Any

from whole_runs import Project, arithmetic, calls_reach, committed, identities_hold, simulating

SIMULATED = ("--latency", "0.1", "--jitter", "0.3", "--accuracy", "0.6", "--position-bias", "0.2")


def sieve(project: Project, base_url: str, seeds: int) -> dict[str, Any]:
    config = arithmetic(project, base_url, seeds)
    main = config["endpoints"]["main"]
    for alias in ("j1", "j2", "j3", "strong"):  # the simulated judge differs with whatever the request holds
        config["endpoints"][alias] = {**main, "body": {"user": alias}}
    prompts = ["{{ question }}"]
    config["stages"] = [
        {"type": "generate", "endpoint": "main", "prompts": prompts, "candidates": 4, "temperature": [0.7, 1.0]},
        {"type": "vote", "extract": "numeric", "action": "mark", "stop": {"max_candidates": 8, "wave": 2}},
        {"type": "verify", "check": "numeric", "against": "{{ answer }}"},
        {"type": "judge", "name": "panel", "endpoint": ["j1", "j2", "j3"], "escalate": {"to": "strong"}},
        {"type": "judge", "name": "marks", "endpoint": "j1", "mode": "rubric", "audit": None},
        {"type": "rank", "endpoint": "main"},
        {"type": "select", "top": 1, "by": "rank", "agree": {"with": ["score", "vote"], "within_top": 3}},
    ]
    config["outputs"] = []
    return config


KILLS = (120, 450)


def test_killed_in_the_middle_of_waves_votes_and_rankings_it_ends_as_if_nothing_had_been(project: Project) -> None:
    with simulating(*SIMULATED) as simulator:
        project.write(sieve(project, simulator.base_url, seeds=20))
        project.tamis("run", "pipeline.yaml", "--out", "whole")
    with simulating(*SIMULATED) as simulator:
        project.write(sieve(project, simulator.base_url, seeds=20))
        unacknowledged = 0
        for wanted in KILLS:
            process = project.start("run", "pipeline.yaml", "--out", "killed", "--resume")
            calls_reach(simulator, wanted)
            os.killpg(process.pid, signal.SIGKILL)
            process.communicate()
            unacknowledged = simulator.stats()["calls"] - committed(project, "killed")
        project.tamis("run", "pipeline.yaml", "--out", "killed", "--resume")
        sent = simulator.stats()["calls"]
    whole, killed = project.manifest("whole"), project.manifest("killed")
    for name in ("accepted.jsonl", "rejected.jsonl"):
        assert (project.folder / "killed" / name).read_bytes() == (project.folder / "whole" / name).read_bytes()
    assert identities_hold(killed)
    assert killed["counts"] == whole["counts"]
    assert killed["calls"]["calls"] == whole["calls"]["calls"], "each call is in the ledger once"
    assert sent - killed["calls"]["calls"] <= unacknowledged, "no call with a committed reply is sent again"
    assert KILLS[-1] < whole["calls"]["calls"], "the last one was killed in the middle too"


def test_every_sieve_of_it_takes_something_out_and_says_so(project: Project) -> None:
    with simulating("--accuracy", "0.6", "--specificity", "0.6", "--sensitivity", "0.8") as simulator:
        config = sieve(project, simulator.base_url, seeds=20)
        config["stages"][1]["action"] = "reject"
        del config["stages"][2]
        project.write(config)
        project.tamis("run", "pipeline.yaml", "--out", "run")
    manifest = project.manifest("run")
    rejected = manifest["counts"]["candidates"]["rejected"]
    assert {"outvoted", "eliminated", "not_selected"} <= {reason for reason, count in rejected.items() if count}
    for line in project.lines("run", "accepted.jsonl"):
        assert line["scores"].keys() == {"marks"}
    per_seed = Counter(line["seed_id"] for line in project.lines("run", "accepted.jsonl"))
    assert set(per_seed.values()) == {1}


def test_a_vote_after_a_check_by_gold_gets_a_warning_and_runs(project: Project) -> None:
    with simulating("--accuracy", "1") as simulator:
        config = sieve(project, simulator.base_url, seeds=2)
        vote, verify = config["stages"][1:3]
        config["stages"] = [config["stages"][0], verify, {**vote, "stop": None}]
        project.write(config)
        for said in (project.tamis("check", "pipeline.yaml"), project.tamis("run", "pipeline.yaml", "--out", "run")):
            assert "warning: pipeline.yaml:" in said
            assert 'stages[2].type: whoever comes past "verify" has the right answer' in said
