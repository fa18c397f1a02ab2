"""Difficulty, quotas and scores in whole runs: the same bytes at any concurrency and after a kill."""

from __future__ import annotations

import os
import signal
from collections import Counter
from collections.abc import Iterator
from typing import Any

import pytest
from whole_runs import Project, Simulator, arithmetic, calls_reach, committed, identities_hold, simulating

from queues.ledger import Reader
from stages.core.record import Group
from stages.io.store import unpack

SEEDS = 40
WORLD = ("--beta", "0.6,0.8")


@pytest.fixture(scope="module")
def simulator() -> Iterator[Simulator]:
    with simulating(*WORLD, "--latency", "0.005", "--jitter", "1") as running:
        yield running


def measured(project: Project, base_url: str, *stages: dict[str, Any], concurrency: int = 50) -> dict[str, Any]:
    """Return a pipeline of generate (8), verify, a dedupe that is a phase of its own, and these stages."""
    config = arithmetic(project, base_url, seeds=SEEDS)
    config["endpoints"]["main"]["limits"]["max_concurrency"] = concurrency
    config["endpoints"]["policy"] = config["endpoints"]["main"]
    generate, verify, *_ = config["stages"]
    generate |= {"candidates": 8, "temperature": [1.0]}
    return {**config, "stages": [generate, verify, {"type": "dedupe"}, *stages], "outputs": []}


def groups(project: Project, run: str) -> list[Group]:
    with Reader(project.folder / run / "ledger.sqlite") as reader:
        return [unpack(*rows).group for rows in reader.groups()]


def buckets(project: Project, run: str) -> dict[str, str]:
    """Return the bucket of each seed, on which all its candidates agree."""
    found = {}
    for group in groups(project, run):
        (found[group.seed.id],) = {candidate.fields["difficulty"] for candidate in group.candidates}
    return found


def test_every_seed_is_measured_the_unsolved_too_and_ratings_are_set_beside(
    project: Project, simulator: Simulator
) -> None:
    """Behind a phase, where seeds without a live candidate would have been settled already."""
    both = {"type": "difficulty", "by": "both", "rater": "main"}
    project.write(measured(project, simulator.base_url, both))
    project.tamis("run", "pipeline.yaml", "--out", "run")
    assert identities_hold(project.manifest("run"))
    found = buckets(project, "run")
    assert Counter(found.values()).keys() == {"easy", "moderate", "hard", "unsolved"}
    unsolved = {row["id"] for row in project.lines("run", "unsolved.jsonl")}
    assert {seed for seed, bucket in found.items() if bucket == "unsolved"} == unsolved
    assert {row["difficulty"] for row in project.lines("run", "accepted.jsonl")} == {"easy", "moderate", "hard"}
    disagreeing = []
    for group in groups(project, "run"):
        right = sum(candidate.verdicts["verify"].passed is True for candidate in group.candidates)
        said = [one.verdicts["difficulty"].data for one in group.candidates if "difficulty" in one.verdicts]
        assert all((data["passed"], data["samples"]) == (right, 8) for data in said)
        disagreeing += [data["disagree"] for data in said[:1]]
    assert 0 < sum(disagreeing) < len(disagreeing) / 2, "the rater is near the truth, which eight samples need not be"


TARGET = {"easy": 0.3, "moderate": 0.5, "hard": 0.2}


def test_quotas_give_the_same_bytes_at_any_concurrency_and_after_a_kill(project: Project, simulator: Simulator) -> None:
    drawn = {"type": "difficulty", "endpoint": "policy", "samples": 8, "target": TARGET}
    score = {"type": "score", "endpoint": "main", "axes": "constitution", "features": {"steps": 0.1}}
    project.write(measured(project, simulator.base_url, drawn, score, concurrency=100))
    said = project.tamis("run", "pipeline.yaml", "--out", "run")
    quota = project.manifest("run")["quotas"]["difficulty"]
    accepted = project.lines("run", "accepted.jsonl")
    seeds = {row["seed_id"]: row["difficulty"] for row in accepted}
    taken = {bucket: number for bucket, number in quota["taken"].items() if number}
    assert Counter(seeds.values()) == taken
    assert f"quota      easy {taken['easy']} of {quota['there']['easy']}" in said
    for bucket, share in TARGET.items():
        assert taken[bucket] == pytest.approx(share * sum(taken.values()), abs=1)
    assert project.manifest("run")["counts"]["candidates"]["rejected"]["over_quota"] > 0
    assert all(0 <= row["scores"]["score"] <= 1 and row["features"]["words"] > 3 for row in accepted)

    calls = project.manifest("run")["calls"]["calls"]
    with simulating(*WORLD, "--latency", "0.1") as slow:
        project.write(measured(project, slow.base_url, drawn, score, concurrency=30))
        process = project.start("run", "pipeline.yaml", "--out", "killed")
        calls_reach(slow, calls - 20)
        os.killpg(process.pid, signal.SIGKILL)
        process.communicate()
        project.tamis("run", "pipeline.yaml", "--out", "killed", "--resume")
    accepted_of = [(project.folder / run / "accepted.jsonl").read_bytes() for run in ("run", "killed")]
    assert accepted_of[0] == accepted_of[1]
    assert project.manifest("killed")["counts"] == project.manifest("run")["counts"]
    assert project.manifest("killed")["quotas"]["difficulty"] == quota
    assert committed(project, "killed") == calls

    project.tamis("export", "run", "--format", "sft", "--threshold", "difficulty.quota=0", "--out", "all.jsonl")
    assert len(project.lines(".", "all.jsonl")) > len(accepted), "what was over is there again, without a call"
