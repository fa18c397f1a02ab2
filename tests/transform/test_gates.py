"""What passes the gates of a thousand rewrites of which it is known whether they lose the answer."""

from __future__ import annotations

import asyncio
import random
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scripted_model import ScriptedModel

from config.schema import Transform
from config.transforming import Gate
from service.simulator import arithmetic, rewriting
from service.simulator.draws import Draws
from service.simulator.judge import is_right
from stages.core.base import Place
from stages.core.record import Candidate, Group, Seed, Verdict
from stages.llm.asking import Asker
from stages.llm.protocol import Call
from stages.registry import Tools, build
from stages.transform.gates import Gates

LOSES = 0.3


def responses(count: int) -> list[tuple[str, str]]:
    """Return responses with their answers: whole numbers, decimals, negative ones, of several lines."""
    chance = random.Random(7)
    made = []
    for _ in range(count):
        one, other = Fraction(chance.randint(-5000, 9000), chance.choice([1, 1, 10])), chance.randint(2, 400)
        gold = arithmetic.show(one + other)
        steps = (
            f"We begin with {arithmetic.show(one)}.\nThen {other} more come to it: {arithmetic.show(one)} + {other}."
        )
        made.append((f"{steps}\n{chance.choice(['The answer is', 'So the answer is'])} {gold}.", gold))
    return made


@pytest.mark.parametrize(("kind", "extract"), [("succinct", "math"), ("expand_steps", "numeric")])
async def test_of_a_thousand_rewrites_no_lost_answer_passes_and_nearly_all_the_others_do(
    kind: str, extract: str
) -> None:
    """The simulator's own reader says which of them lost it, and knows nothing of the gate."""

    def said(call: Call) -> str:
        prompt = str(call.body["messages"][0]["content"])
        return rewriting.said(prompt, LOSES, Draws(7, prompt)) or ""

    config = Transform.model_validate(
        {"kind": kind, "endpoint": "main", "gate": {"same_answer": True, "extract": extract}}
    )
    tools = Tools({"main": ScriptedModel(said)}, None, 7)  # type: ignore[arg-type]
    (stage,) = build([config], tools)
    given = responses(1000)
    group = Group(Seed(0, "s", {"question": "How many?"}), [Candidate(n, text) for n, (text, _) in enumerate(given)])
    await stage.start()
    try:
        await stage.process(group)
    finally:
        await stage.stop()
    passed, good = [], []
    for candidate, (_, gold) in zip(group.candidates, given, strict=True):
        taken = "rewrite" not in candidate.verdicts["transform"].data
        passed.append(taken)
        good.append(is_right(candidate.text if taken else candidate.verdicts["transform"].data["rewrite"], gold))
    assert 250 < good.count(False) < 350, "the share that was asked for"
    assert not any(taken and not right for taken, right in zip(passed, good, strict=True))
    assert sum(taken and right for taken, right in zip(passed, good, strict=True)) >= 0.98 * good.count(True)


TEXTS = st.text(alphabet="aA bB 12.\n", max_size=30)


def failed(before: str, after: str, **gate: Any) -> Verdict | None:
    gates = Gates(Gate.model_validate(gate), Asker(Place("transform", 0), 7))
    return asyncio.run(gates.failure(Group(Seed(0, "s", {})), before, Candidate(0, after)))


@given(TEXTS, TEXTS, st.floats(0.2, 3), st.floats(0.2, 3))
def test_what_passes_the_length_gates_has_such_a_length(before: str, after: str, least: float, most: float) -> None:
    if failed(before, after, max_length_ratio=most, min_length_ratio=least) is None:
        assert least <= len(after) / max(len(before), 1) <= most


@given(TEXTS)
def test_a_text_keeps_its_own_numbers_and_names(text: str) -> None:
    assert failed(text, text, keeps=["numbers", "names"]) is None
