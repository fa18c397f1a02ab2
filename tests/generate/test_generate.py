"""The generate stage: what it asks, and what it makes of what comes back."""

from __future__ import annotations

from typing import Any

import pytest
from scripted_model import ScriptedModel

from config.schema import Generate
from stages.core.base import Emit, Outcome, Place
from stages.core.errors import CandidateError
from stages.core.record import Group, Seed
from stages.generate.generate import GO_ON, GenerateStage
from stages.llm.protocol import Call, Choice, Reply


async def generated(model: ScriptedModel, row: dict[str, Any] | None = None, **config: Any) -> tuple[Group, Outcome]:
    group = Group(Seed(0, "s", row or {"question": "Why?"}))
    stage = GenerateStage(
        Place("generate", 0),
        Generate(endpoint={"main": 1}, **{"prompts": ["{{ question }}"], "system": "Be brief.", **config}),
        {"main": model},
        run_seed=7,
    )
    return group, await stage.process(group)


async def test_each_candidate_is_asked_for_with_a_seed_of_its_own() -> None:
    model = ScriptedModel(lambda call: f"answer {call.sample}")
    group, _ = await generated(model, candidates=3, temperature=[0.2, 0.9], max_tokens=50)
    assert [candidate.text for candidate in group.candidates] == ["answer 0", "answer 1", "answer 2"]
    bodies = [call.body for call in model.calls]
    assert len({body["seed"] for body in bodies}) == 3
    assert [body["temperature"] for body in bodies] == [0.2, 0.9, 0.2]
    assert bodies[0]["messages"] == [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": "Why?"},
    ]
    assert group.candidates[1].lineage["seed"] == bodies[1]["seed"]


async def test_a_failed_call_fails_its_own_candidate_with_the_providers_words() -> None:
    def answer(call: Call) -> str:
        if call.sample == 1:
            raise CandidateError("bad_request", "too long, says the provider")
        return "fine"

    group, _ = await generated(ScriptedModel(answer), candidates=3)
    assert [candidate.state for candidate in group.candidates] == ["live", "failed", "live"]
    assert group.candidates[1].detail == "too long, says the provider"


async def test_one_request_may_bring_several_candidates_and_a_missing_one_fails() -> None:
    model = ScriptedModel(lambda call: Reply((Choice("one"), Choice("two"))))
    group, _ = await generated(model, candidates=5, per_request=3)
    assert [call.body["n"] for call in model.calls] == [3, 2]
    assert [candidate.text for candidate in group.candidates] == ["one", "two", "", "one", "two"]
    assert [candidate.reason for candidate in group.candidates] == ["", "", "no_choice", "", ""]


async def test_a_continuation_that_fails_takes_none_of_its_request_along() -> None:
    def answer(call: Call) -> Reply:
        if call.part:
            raise CandidateError("bad_request", "too long, says the provider")
        return Reply((Choice("half a", "length"), Choice("two"), Choice("three")))

    group, _ = await generated(ScriptedModel(answer), candidates=3, per_request=3, on_truncated="continue")
    assert [candidate.state for candidate in group.candidates] == ["failed", "live", "live"]
    assert [candidate.text for candidate in group.candidates] == ["", "two", "three"]


@pytest.mark.parametrize(("on_truncated", "state"), [("reject", "rejected"), ("keep", "live")])
async def test_a_truncated_reply_is_rejected_or_kept(on_truncated: str, state: str) -> None:
    model = ScriptedModel(lambda call: Reply((Choice("half a", "length"),)))
    group, _ = await generated(model, on_truncated=on_truncated)
    assert group.candidates[0].state == state


async def test_a_truncated_reply_may_go_on_where_it_stopped() -> None:
    parts = {"": ("half a ", "length"), "continue1": ("sentence is ", "length"), "continue2": ("no sentence.", "stop")}
    model = ScriptedModel(lambda call: Reply((Choice(*parts[call.part]),)))
    group, _ = await generated(model, on_truncated="continue")
    assert group.candidates[0].text == "half a sentence is no sentence."
    assert group.candidates[0].finish_reason == "stop"
    assert [message["content"] for message in model.calls[2].body["messages"]][-2:] == ["half a sentence is ", GO_ON]


async def test_a_reply_that_never_ends_is_rejected_after_a_few_continuations() -> None:
    model = ScriptedModel(lambda call: Reply((Choice("more ", "length"),)))
    group, _ = await generated(model, on_truncated="continue")
    assert group.candidates[0].reason == "truncated"
    assert len(model.calls) == 4


async def test_outputs_may_become_seeds_and_what_failed_stays_with_its_parent() -> None:
    texts = ["What is tea?", "", "What is ink?"]
    group, outcome = await generated(
        ScriptedModel(lambda call: texts[call.sample]), candidates=3, emit="seeds", **{"as": "topic"}
    )
    assert isinstance(outcome, Emit)
    assert [(seed.id, seed.row) for seed in outcome.seeds] == [
        ("s.0", {"question": "Why?", "topic": "What is tea?"}),
        ("s.1", {"question": "Why?", "topic": "What is ink?"}),
    ]
    assert {(seed.parent_id, seed.root) for seed in outcome.seeds} == {("s", "s")}
    assert [candidate.reason for candidate in group.candidates] == ["empty"]


async def test_an_empty_reply_is_rejected() -> None:
    group, _ = await generated(ScriptedModel([" \n"]))
    assert (group.candidates[0].state, group.candidates[0].reason) == ("rejected", "empty")


@pytest.mark.parametrize("question", [None, "", " \n"])
async def test_an_empty_prompt_is_not_asked(question: str | None) -> None:
    """A row without its text: a model would answer something, and that would be trained on."""
    model = ScriptedModel(lambda _: "A fine answer to nothing.")
    group, _ = await generated(model, row={"question": question})
    assert not model.calls
    assert [(candidate.state, candidate.reason) for candidate in group.candidates] == [("failed", "template")]
    assert "the prompt is empty" in group.candidates[0].detail
