"""Real questions and real solutions: what the whole pipeline makes of them is right by their gold."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

from needs import need_shared
from whole_runs import CONSTITUTION, Project, identities_hold, simulating

GOLD = "{{ answer | after('####') }}"
FAULTS = ("--refuse", "0.05", "--error", "0.02", "--malformed", "0.01", "--retry-after", "0.1")
NUMBER = re.compile(r"-?\d[\d,]*(?:\.\d+)?")


def rows(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text("utf-8").splitlines()]


def last_number(text: str) -> float:
    return float(NUMBER.findall(text)[-1].replace(",", ""))


def test_500_real_questions_over_an_endpoint_that_fails_now_and_then(project: Project) -> None:
    path = need_shared("data/gsm8k_train_500.jsonl")
    gold = {row["question"]: last_number(row["answer"]) for row in rows(path)}
    (project.folder / "constitution.yaml").write_text(CONSTITUTION)
    options = ("--truth", str(path), "--gold", GOLD, "--latency", "0.05", "--jitter", "0.3", *FAULTS)
    with simulating(*options) as simulator:
        project.write(
            {
                "constitution": "constitution.yaml",
                "endpoints": {"main": {"base_url": simulator.base_url, "model": "simulated"}},
                "source": {"type": "jsonl", "path": str(path)},
                "stages": [
                    {
                        "type": "generate",
                        "endpoint": "main",
                        "prompts": ["{{ question }}", "Solve this step by step:\n{{ question }}"],
                        "candidates": 4,
                        "temperature": [0.3, 1.0],
                    },
                    {"type": "verify", "check": "math", "against": GOLD},
                    {"type": "judge", "endpoint": "main", "mode": "eliminate"},
                    {"type": "select", "top": 2},
                    {"type": "dedupe", "near": {"threshold": 0.8}},
                    {"type": "score", "features": {"steps": 0.1, "explanation": 0.1}},
                ],
                "outputs": [
                    {"format": "sft", "prompt": "{{ question }}"},
                    {"format": "dpo", "prompt": "{{ question }}", "pairs": {"rejected": ["verify"]}},
                ],
            }
        )
        project.tamis("run", "pipeline.yaml", "--out", "run")
        stats = simulator.stats()
    assert stats["refused"]["injected"] > 100
    assert stats["faults"]["error"] > 30
    assert stats["faults"]["malformed"] > 15

    manifest = project.manifest("run")
    assert manifest["state"] == "complete"
    assert identities_hold(manifest)
    counts = manifest["counts"]
    assert (counts["seeds"]["read"], counts["candidates"]["generated"]) == (500, 2_000)
    assert counts["seeds"]["pending"] == counts["candidates"]["pending"] == 0

    accepted, unsolved = project.lines("run", "accepted.jsonl"), project.lines("run", "unsolved.jsonl")
    solved = {sample["messages"][0]["content"] for sample in accepted}
    assert solved | {seed["row"]["question"] for seed in unsolved} == set(gold), "no seed is missing"
    assert len(solved) + len(unsolved) == 500, "none is both"
    assert len(solved) == counts["seeds"]["solved"] > 300
    for sample in accepted:
        question, answer = (message["content"] for message in sample["messages"])
        assert last_number(answer) == gold[question]

    assert len(project.lines("run", "exports/sft.jsonl")) == len(accepted)
    pairs = project.lines("run", "exports/dpo.jsonl")
    assert len(pairs) > 100
    for pair in pairs:
        (prompt,), (chosen,), (rejected,) = pair["prompt"], pair["chosen"], pair["rejected"]
        right = gold[prompt["content"]]
        assert last_number(chosen["content"]) == right != last_number(rejected["content"])


MODELS = ("6b_finetuning", "6b_verification", "175b_finetuning", "175b_verification")


def test_1200_real_solutions_are_verified_without_a_call(project: Project) -> None:
    path = need_shared("data/gsm8k_model_solutions_300.jsonl")
    project.write(
        {
            "source": {
                "type": "jsonl",
                "path": str(path),
                "candidates": [f"{{{{ row['{model}'].solution }}}}" for model in MODELS],
            },
            "stages": [{"type": "verify", "check": "math", "against": "{{ ground_truth }}", "action": "mark"}],
            "outputs": [{"format": "sft", "prompt": "{{ question }}"}],
        }
    )
    project.tamis("run", "pipeline.yaml", "--out", "run")
    manifest = project.manifest("run")
    assert identities_hold(manifest)
    assert manifest["calls"]["calls"] == 0
    candidates = manifest["counts"]["candidates"]
    assert candidates["given"] == candidates["accepted"] == 1_200, "what is marked is not rejected"

    project.tamis("export", "run", "--format", "sft", "--where", "verdicts.verify.passed", "--out", "right.jsonl")
    right = {tuple(turn["content"] for turn in row["messages"]) for row in rows(project.folder / "right.jsonl")}
    differing = [
        (row["question"], model)
        for row in rows(path)
        for model in MODELS
        if ((row["question"], row[model]["solution"]) in right) is not row[model]["is_correct"]
    ]
    assert len(differing) <= 2, f"less than 99.8 % of 1,200 agree: {differing}"
