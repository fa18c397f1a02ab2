"""Whole runs whose judges are tried: by a slice, by canaries, by gold and by hand."""

from __future__ import annotations

import json
from typing import Any

from whole_runs import Project, arithmetic, simulating

JUDGED = ("--accuracy", "0.5", "--sensitivity", "0.85", "--specificity", "0.7")


def judged(project: Project, url: str, **judge: Any) -> dict[str, Any]:
    """Everything is checked by gold and judged, and nothing falls by either."""
    config = arithmetic(project, url, seeds=60)
    config["stages"][1]["action"] = "mark"
    config["stages"][2] |= {"action": "mark", "audit": {"share": 0.25, "max": 100}} | judge
    return config


def audit(project: Project, run: str) -> dict[str, Any]:
    (found,) = json.loads((project.folder / run / "audit.json").read_text())
    return dict(found)


def test_a_judged_run_is_audited_and_accepts_what_it_would_have_accepted_anyway(project: Project) -> None:
    with simulating(*JUDGED, "--canary-weakness", "1") as simulator:
        project.write(judged(project, simulator.base_url))
        told = project.tamis("run", "pipeline.yaml", "--out", "run")
        project.write(judged(project, simulator.base_url, audit=None), "plain.yaml")
        plain = project.tamis("run", "plain.yaml", "--out", "plain")
    found = audit(project, "run")
    assert f"judge      {found['trust']} · passed " in told
    assert "responses that hold nothing" in told
    assert "responses that hold nothing" not in plain
    assert found["trust"].startswith("agrees with gold beyond chance")
    assert found["flips"]["low"] < found["flips"]["value"] < found["flips"]["high"]
    assert {"master key ':'", "confident, wrong"} <= set(found["canaries"]["passed"])
    assert len(found["canaries"]["shown"]) == 10
    same = [(project.folder / run / "accepted.jsonl").read_bytes() for run in ("run", "plain")]
    assert same[0] == same[1]
    more = project.manifest("run")["calls"]["calls"] - project.manifest("plain")["calls"]["calls"]
    assert 10 + 0.25 * 240 * 0.5 < more < 10 + 0.25 * 240 * 1.5, "its calls are counted"


def test_a_resumed_run_pays_for_no_trial_twice(project: Project) -> None:
    with simulating(*JUDGED) as simulator:
        config = judged(project, simulator.base_url)
        project.write(config)
        project.write(config | {"budget": {"calls": 300}}, "short.yaml")
        project.tamis("run", "short.yaml", "--out", "run", code=3)
        project.tamis("run", "pipeline.yaml", "--out", "run", "--resume")
        sent = simulator.stats()["calls"]
        assert project.manifest("run")["calls"]["calls"] == sent
        project.tamis("run", "pipeline.yaml", "--out", "whole")
        assert simulator.stats()["calls"] == 2 * sent, "nor leaves one out"
    assert audit(project, "run") == audit(project, "whole")


def test_labels_by_hand_are_gold_for_the_audit(project: Project) -> None:
    """The person here knows as little as a coin, so the judge does not agree with her beyond chance."""
    with simulating(*JUDGED) as simulator:
        config = judged(project, simulator.base_url)
        config["stages"].pop(1)
        config["outputs"].pop()
        project.write(config)
        assert "judge      unaudited: no gold; `tamis label` makes some" in project.tamis(
            "run", "pipeline.yaml", "--out", "run"
        )
    told = project.tamis("label", "run", "-n", "40", typed="yn" * 10)
    assert told.endswith("20 of 40 are labelled: run/gold.jsonl\nnext: tamis audit run\n")
    assert project.tamis("label", "run", "-n", "40", typed="yn" * 10).endswith(
        "40 of 40 are labelled: run/gold.jsonl\nnext: tamis audit run\n"
    )
    told = project.tamis("audit", "run")
    assert told.startswith("judge: UN")
    assert "gold         20 good, 20 bad, by run/gold.jsonl" in told
    assert audit(project, "run")["kappa"]["low"] < 0


def test_a_threshold_moved_after_the_run_needs_no_call(project: Project) -> None:
    with simulating(*JUDGED) as simulator:
        config = judged(project, simulator.base_url, action="reject")
        config["outputs"] = config["outputs"][:1]
        project.write(config)
        project.tamis("run", "pipeline.yaml", "--out", "run")
    accepted = len(project.lines("run", "accepted.jsonl"))
    eliminated = project.manifest("run")["counts"]["candidates"]["rejected"]["eliminated"]
    told = project.tamis(
        "export", "run", "--format", "sft", "--threshold", "judge.score=0", "--threshold", "verify.passed=1"
    )
    gone = int(told.split(" accepted are below passed 1 and went")[0].split()[-1])
    assert f"{eliminated:,} that judge rejected came back; they lack the verdicts of: select, dedupe, score" in told
    rows = project.lines("run/exports", "sft.jsonl")
    assert told.startswith(f"run/exports/sft.jsonl: {len(rows)} rows")
    assert accepted - gone <= len(rows) <= accepted - gone + eliminated
    assert "no verdict of judge in this run has a number clarity" in project.tamis(
        "export", "run", "--format", "sft", "--threshold", "judge.clarity=1", code=2
    )
