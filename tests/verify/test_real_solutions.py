"""Real solutions of four language models with known truth: the checks agree with it, without a call."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from config.schema import Verify
from stages.core.base import Place
from stages.core.record import Candidate, Group, Seed
from stages.verify.stage import VerifyStage

MODELS = ("6b_finetuning", "6b_verification", "175b_finetuning", "175b_verification")


def rows(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text("utf-8").splitlines()]


@pytest.mark.parametrize("check", ["math", "numeric"])
@pytest.mark.parametrize("against", ["{{ ground_truth }}", "{{ ground_truth | after('A:') }}"])
async def test_at_most_two_of_1200_verdicts_differ_from_the_known_truth(shared_data, check, against):
    stage = VerifyStage(Place("verify", 1), Verify(check=check, against=against))
    await stage.start()
    differing, judged = [], 0
    try:
        for no, row in enumerate(rows(shared_data / "gsm8k_model_solutions_300.jsonl")):
            group = Group(
                Seed(no, str(no), row), [Candidate(n, row[model]["solution"]) for n, model in enumerate(MODELS)]
            )
            await stage.process(group)
            for model, candidate in zip(MODELS, group.candidates, strict=True):
                judged += 1
                if candidate.verdicts["verify"].passed is not row[model]["is_correct"]:
                    differing.append((no, model, candidate.reason, candidate.detail))
    finally:
        await stage.stop()
    assert judged == 1200
    assert len(differing) <= 2, differing


@pytest.mark.parametrize("check", ["math", "numeric"])
async def test_every_gold_solution_agrees_with_itself(shared_data, check):
    stage = VerifyStage(Place("verify", 1), Verify(check=check, against="{{ answer | after('####') }}"))
    await stage.start()
    try:
        for no, row in enumerate(rows(shared_data / "gsm8k_train_500.jsonl")):
            group = Group(Seed(no, str(no), row), [Candidate(0, row["answer"])])
            await stage.process(group)
            assert group.candidates[0].verdicts["verify"].passed, row["answer"]
    finally:
        await stage.stop()


OTHER_WAYS = [
    "#### {x}",
    "The answer is ${x}.",
    "Answer: {x} dollars",
    "**Answer: {x}**",
    "### Final Answer\n{x}",
    "Thus \\boxed{{{x}}}",
    "Final Answer: The final answer is ${x}$. I hope it is correct.",
    "A: {x} eggs per day",
    "A: 2 * 3 = {x}",
    "A: {x}\n\nQ: Tom has 5 apples and eats 2. How many are left?\nA: 3",
    "A: {x}\n\nLet me know if you want 100 more examples!",
    "Therefore, Janet makes ${x} every day.",
]


@pytest.mark.parametrize("way", OTHER_WAYS)
async def test_the_same_solutions_ending_in_other_ways_get_the_same_verdicts(shared_data, way):
    stage = VerifyStage(Place("verify", 1), Verify(check="numeric", against="{{ ground_truth }}"))
    differing = []
    for no, row in enumerate(rows(shared_data / "gsm8k_model_solutions_300.jsonl")):
        solutions = [row[model] for model in MODELS if "\nA: " in row[model]["solution"]]
        ends = [solution["solution"].rpartition("\nA: ") for solution in solutions]
        texts = [f"{head}\n{way.format(x=answer.strip())}" for head, _, answer in ends]
        group = Group(Seed(no, str(no), row), [Candidate(n, text) for n, text in enumerate(texts)])
        await stage.process(group)
        for solution, candidate in zip(solutions, group.candidates, strict=True):
            if candidate.verdicts["verify"].passed is not solution["is_correct"]:
                differing.append((no, candidate.text, candidate.detail))
    assert len(differing) <= 2, differing
