"""The transform example: its solutions are right and say too much, and what it takes of rewrites has their answer."""

from __future__ import annotations

import json
from pathlib import Path

from needs import ROOT
from whole_runs import Project, simulating

import tamis
from service.runs.plan import checked

FOLDER = ROOT / "examples" / "transform"
SEEDS = [json.loads(line) for line in (FOLDER / "seeds.jsonl").read_text().splitlines()]


def test_there_are_thirty_solutions_or_more_that_say_too_much_and_end_with_their_answer() -> None:
    assert len({seed["question"] for seed in SEEDS}) == len({seed["id"] for seed in SEEDS}) == len(SEEDS) >= 30
    assert all(seed["solution"].endswith(f"The answer is {seed['answer']}.") for seed in SEEDS)
    assert all(len(seed["solution"].split()) >= 60 for seed in SEEDS)


def test_the_pipeline_has_no_mistake() -> None:
    """`checked` raises with every problem it finds."""
    assert [stage.type for stage in checked(FOLDER / "pipeline.yaml").stages] == ["verify", "transform"]


def test_a_rewrite_that_loses_the_answer_is_not_taken_and_the_original_stays(tmp_path: Path) -> None:
    project = Project(tmp_path)
    with simulating("--rewrite-loses", "0.4") as simulator:
        endpoint = f"endpoints.local={{base_url: '{simulator.base_url}', model: simulated}}"
        pipeline = str(FOLDER / "pipeline.yaml")
        plain = "stages.1.prompt=null"  # the simulator knows the built-in prompt
        project.tamis("run", pipeline, "--set", endpoint, "--set", plain, "--out", "run", "--no-progress")
    candidates = list(tamis.load(tmp_path / "run").candidates())
    assert {one["state"] for one in candidates} == {"accepted"}
    shorter = [one for one in candidates if "before" in one["verdicts"]["transform"]]
    assert 0 < len(shorter) < len(candidates)
    answers = {seed["id"]: seed["answer"] for seed in SEEDS}
    assert all(one["text"].endswith(f"{answers[one['seed_id']]}.") for one in candidates)
    assert all(len(one["text"]) <= 0.6 * len(one["verdicts"]["transform"]["before"]) for one in shorter)
