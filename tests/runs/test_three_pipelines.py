"""Three pipelines as a person writes them, whole, on the simulator: what each is for is what comes out of it."""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from pathlib import Path
from typing import Any

import pytest
from needs import ROOT
from whole_runs import Project, identities_hold, simulating

import tamis

PIPELINES = ROOT / "tests" / "pipelines"
DOCUMENTS = ROOT / "examples" / "documents"


def ran(project: Project, path: Path, base_url: str, *aliases: str, sets: tuple[str, ...] = ()) -> tamis.Run:
    """Run a pipeline with its aliases at the simulator, each as a model of its own name."""
    here = [f"endpoints.{alias}={{base_url: '{base_url}', model: {alias}}}" for alias in aliases]
    settings = [word for one in (*here, *sets) for word in ("--set", one)]
    project.tamis("run", str(path), "--out", "run", "--no-progress", *settings)
    run = tamis.load(project.folder / "run")
    assert identities_hold(run.manifest)
    return run


def final(text: str) -> str:
    return text.rstrip(".").split()[-1]


def exported(run: tamis.Run, name: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (run.path / "exports" / name).read_text().splitlines()]


def test_of_sixteen_answers_from_two_models_the_confirmed_ones_are_right_and_make_pairs(project: Project) -> None:
    seeds = ROOT / "examples" / "best_of_n" / "seeds.jsonl"
    golds = {row["id"]: row["answer"] for row in map(json.loads, seeds.read_text().splitlines())}
    with simulating("--truth", str(seeds), "--common-wrong", "0.3", "--model", "big", "--model", "small") as simulator:
        run = ran(project, PIPELINES / "best_of_16.yaml", simulator.base_url, "big", "small")
    candidates = list(run.candidates())
    made: defaultdict[str, Counter[str]] = defaultdict(Counter)
    for one in candidates:
        made[one["seed_id"]][one["lineage"]["endpoint"]] += 1
    assert all(counts == {"big": 8, "small": 8} for counts in made.values())
    raw = [final(one["text"]) == golds[one["seed_id"]] for one in candidates]
    kept = [final(one["messages"][-1]["content"]) == golds[one["seed_id"]] for one in run.accepted()]
    assert len(kept) >= 10
    assert sum(kept) / len(kept) > sum(raw) / len(raw) + 0.3
    pairs = exported(run, "dpo.jsonl")
    assert len(pairs) >= 10
    assert all(final(one["chosen"][-1]["content"]) != final(one["rejected"][-1]["content"]) for one in pairs)


def test_a_constitution_revises_judges_ranks_and_must_agree(project: Project) -> None:
    models = ("main", "j1", "j2", "j3")
    with simulating(*(word for name in models for word in ("--model", name))) as simulator:
        run = ran(project, PIPELINES / "constitution.yaml", simulator.base_url, *models)
    candidates = list(run.candidates())
    revised = [one for one in candidates if one["lineage"].get("transforms") == ["revise"]]
    assert len(revised) == len(candidates) == 80
    assert all(len(one["verdicts"]["revise"]["critiques"]) == 2 for one in revised)
    assert all({vote["judge"] for vote in one["verdicts"]["judge"]["votes"]} == {"j1", "j2", "j3"} for one in revised)
    accepted = [one for one in candidates if one["state"] == "accepted"]
    assert len(accepted) == len({one["seed_id"] for one in accepted}) >= 12
    scores: defaultdict[str, list[float]] = defaultdict(list)
    for one in candidates:
        if "score" in one["scores"]:
            scores[one["seed_id"]].append(one["scores"]["score"])
    for one in accepted:
        assert one["scores"]["score"] >= sorted(scores[one["seed_id"]], reverse=True)[:3][-1]
    assert {one["reason"] for one in candidates if one["stage"] == "judge"} <= {"eliminated"}


def test_documents_become_grounded_questions_answered_eight_times_with_difficulty_and_a_validation_split(
    project: Project,
) -> None:
    parquet = pytest.importorskip("pyarrow.parquet")
    with simulating("--rewrite-loses", "0.3", "--model", "local") as simulator:
        built_in = ("stages.0.prompt=null", "stages.0.per_input=3")  # the prompt that the simulator knows
        run = ran(project, DOCUMENTS / "pipeline.yaml", simulator.base_url, "local", sets=built_in)
    answers = Counter(one["seed_id"] for one in run.candidates() if one["origin"] == "generated")
    assert set(answers.values()) == {8}
    assert len(answers) >= 24
    difficulties = Counter(one["difficulty"] for one in run.accepted())
    assert len(difficulties) >= 2
    assert "unknown" not in difficulties
    reasons = run.manifest["counts"]["candidates"]["rejected"]
    assert reasons["ungrounded"] > 0
    assert reasons["contaminated"] > 0
    parts = {part: parquet.read_table(run.path / f"exports/sft.{part}.parquet").to_pylist() for part in PARTS}
    assert sum(map(len, parts.values())) == run.manifest["counts"]["candidates"]["accepted"]
    assert all(parts.values())
    for row in parts["train"] + parts["validation"]:
        assert row["evidence"] in (DOCUMENTS / "texts" / row["path"]).read_text()
    sources = {part: {row["path"] for row in rows} for part, rows in parts.items()}
    assert sources["train"]


PARTS = ("train", "validation")
