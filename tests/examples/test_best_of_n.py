"""The best-of-N example: adaptive K finds more than one try, a vote is right more often, and no command is mistaken."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from needs import ROOT
from whole_runs import TAMIS, simulating

from service.runs.plan import checked

FOLDER = ROOT / "examples" / "best_of_n"
SEEDS = [json.loads(line) for line in (FOLDER / "seeds.jsonl").read_text().splitlines()]
ONCE = ("stages.0.candidates=1", "stages.0.until=null")


def test_there_are_forty_questions_in_five_topics_each_with_a_number_for_an_answer() -> None:
    assert len({seed["question"] for seed in SEEDS}) == len({seed["id"] for seed in SEEDS}) == len(SEEDS) == 40
    assert len({seed["topic"] for seed in SEEDS}) == 5
    assert all(seed["answer"].isdecimal() for seed in SEEDS)


@pytest.mark.parametrize(
    ("name", "sets"),
    [
        ("pipeline", ()),
        ("pipeline", ONCE),
        ("pipeline", ("stages.0.until.give_up=12",)),
        ("pipeline", ("stages.0.until.rejected=1",)),
        ("vote", ()),
        ("vote", ("stages.2.min_agreement=0.75",)),
    ],
)
def test_what_the_read_me_says_to_type_has_no_mistake(name: str, sets: tuple[str, ...]) -> None:
    """`checked` raises with every problem it finds."""
    assert checked(FOLDER / f"{name}.yaml", sets).stages
    assert all(one in (FOLDER / "README.md").read_text() for one in sets)


@pytest.fixture(scope="module")
def endpoint() -> Iterator[str]:
    with simulating("--truth", str(FOLDER / "seeds.jsonl"), "--accuracy", "0.35", "--common-wrong", "0.2") as simulator:
        yield f"endpoints.local={{base_url: '{simulator.base_url}', model: simulated}}"


def right_and_answered(name: str, out: Path, *sets: str) -> tuple[int, int]:
    """Run a pipeline of the example; return how many seeds got the right answer, and how many got any."""
    settings = [word for one in sets for word in ("--set", one)]
    command = [TAMIS, "run", FOLDER / f"{name}.yaml", "--out", out, "--no-progress", *settings]
    subprocess.run(list(map(str, command)), check=True, capture_output=True, timeout=120)
    golds = {seed["id"]: seed["answer"] for seed in SEEDS}
    accepted = [json.loads(line) for line in (out / "accepted.jsonl").read_text().splitlines()]
    said = [(one["messages"][-1]["content"].rstrip(".").split()[-1], golds[one["seed_id"]]) for one in accepted]
    return sum(answer == gold for answer, gold in said), len(said)


def test_adaptive_k_solves_what_one_try_does_not_and_a_vote_is_right_more_often(endpoint: str, tmp_path: Path) -> None:
    once, _ = right_and_answered("pipeline", tmp_path / "once", endpoint, *ONCE)
    verified, accepted = right_and_answered("pipeline", tmp_path / "verified", endpoint)
    voted, answered = right_and_answered("vote", tmp_path / "voted", endpoint)
    assert verified == accepted > 2 * once
    assert voted / answered > 2 * once / len(SEEDS)
