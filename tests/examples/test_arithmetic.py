"""The arithmetic example: its gold is right and its pipeline has no mistake."""

from __future__ import annotations

from collections import Counter

import orjson
from needs import ROOT

from service.runs.plan import checked
from service.simulator.arithmetic import questions

FOLDER = ROOT / "examples" / "arithmetic"
SEEDS = [orjson.loads(line) for line in (FOLDER / "seeds.jsonl").read_bytes().splitlines()]


def test_every_gold_answer_is_what_the_question_comes_to() -> None:
    for seed in SEEDS:
        (question,) = questions(seed["question"])
        assert question.gold == seed["answer"], seed


def test_there_are_forty_different_seeds_or_more_at_several_difficulties() -> None:
    assert len({seed["question"] for seed in SEEDS}) == len({seed["id"] for seed in SEEDS}) == len(SEEDS) >= 40
    assert min(Counter(seed["topic"] for seed in SEEDS).values()) >= 3


def test_the_pipeline_has_no_mistake() -> None:
    """`checked` raises with every problem it finds."""
    assert [stage.type for stage in checked(FOLDER / "pipeline.yaml", ()).stages][:3] == ["generate", "judge", "verify"]
