"""What a steering does to requests, and one response taken of several."""

from __future__ import annotations

from typing import Any

import orjson
import pytest
from scripted_model import ScriptedModel

from config.schema import Generate
from stages.core.base import Place
from stages.core.record import Candidate, Group, Message, Seed
from stages.core.steering import Monitor, Steering
from stages.generate.generate import GenerateStage
from stages.generate.plan import Slot
from stages.generate.steered import RESPONSES, messages, taken, temperature
from stages.llm.protocol import Call


class Steered(Monitor):
    def __init__(self, *steerings: Steering) -> None:
        super().__init__()
        self.steerings = [Steering(), *steerings]
        self.heard: list[tuple[str, int]] = []

    async def saw(self, group: Group, candidate: Candidate, steering: Steering) -> None:
        self.heard.append((candidate.state, steering.number))


class Remembering(ScriptedModel):
    """Has the replies to the calls whose temperature is among these."""

    def __init__(self, *temperatures: float) -> None:
        super().__init__(lambda call: "said")
        self._temperatures = temperatures

    def committed(self, call: Call) -> bool:
        return call.body["temperature"] in self._temperatures


async def generated(model: ScriptedModel, monitor: Monitor, resumed: bool = False, **config: Any) -> Group:
    group = Group(Seed(0, "s", {"question": "Why?"}), replies={"some": b"{}"} if resumed else {})
    prompts = ["A {{ question }}", "B {{ question }}"]
    given = Generate(endpoint={"main": 1}, **{"prompts": prompts, "system": "Be brief.", **config})
    stage = GenerateStage(Place("generate", 0), given, {"main": model}, 7, monitor)
    await stage.process(group)
    return group


async def test_a_steering_changes_the_body_and_stands_in_the_lineage() -> None:
    model = ScriptedModel(lambda call: "said")
    monitor = Steered(Steering(1, warmer=0.4, prompt=1, personas=("a cook", "a judge")))
    group = await generated(model, monitor, candidates=8, temperature=0.7)
    bodies = [call.body for call in model.calls]
    assert {body["temperature"] for body in bodies} == {1.1}
    assert [body["messages"][-1]["content"] for body in bodies[:2]] == ["B Why?", "A Why?"]
    systems = {body["messages"][0]["content"] for body in bodies}
    assert systems == {"Be brief.\nYou are a cook.", "Be brief.\nYou are a judge."}
    assert group.candidates[0].lineage["steering"] == 1
    assert monitor.heard == [("live", 1)] * 8


@pytest.mark.parametrize(("known", "expected"), [((0.9,), 1), ((0.7,), 0), ((0.7, 1.1), 2), ((), 2)])
async def test_a_committed_call_is_made_again_under_its_own_steering(known: tuple[float, ...], expected: int) -> None:
    monitor = Steered(Steering(1, warmer=0.2), Steering(2, warmer=0.4))
    group = await generated(Remembering(*known), monitor, resumed=True, temperature=0.7)
    assert group.candidates[0].lineage.get("steering", 0) == expected


async def test_prompts_are_used_one_after_another_where_the_next_one_is_an_answer() -> None:
    monitor, model = Steered(), ScriptedModel(lambda call: "said")
    monitor.one_prompt = True
    await generated(model, monitor, candidates=4)
    assert {call.body["messages"][-1]["content"] for call in model.calls} == {"A Why?"}


SAID = orjson.dumps(
    {"responses": [{"text": f"r{n}", "probability": p} for n, p in enumerate((0.5, 0.3, 0.2))]}
).decode()


async def test_of_several_responses_one_is_taken_and_what_cannot_be_read_fails() -> None:
    monitor = Steered(Steering(1, verbalized=True))
    model = ScriptedModel([SAID, "Sure, here you are", SAID, SAID])
    group = await generated(model, monitor, candidates=4, max_tokens=100)
    body = model.calls[0].body
    assert body["max_tokens"] == 100 * RESPONSES
    assert body["response_format"]["json_schema"]["schema"]["required"] == ["responses"]
    assert body["messages"][-1]["content"].startswith(f"A Why?\n\nDo this not once but {RESPONSES} times")
    assert [c.text in ("r0", "r1", "r2") for c in group.candidates] == [True, False, True, True]
    assert group.candidates[1].reason == "unreadable"
    assert [state for state, _ in monitor.heard] == ["live", "failed", "live", "live"]


@pytest.mark.parametrize(
    ("text", "place", "expected"),
    [
        (SAID, 0.49, "r0"),
        (SAID, 0.51, "r1"),
        (SAID, 0.99, "r2"),
        (f"```json\n{SAID}\n```", 0.0, "r0"),
        (SAID.removesuffix("}]}"), 0.99, "r1"),
        (SAID.replace("0.5", '"likely"'), 0.4, "r1"),
        ("nothing of the kind", 0.5, None),
        ('{"responses": []}', 0.5, None),
    ],
)
def test_a_response_is_taken_by_its_probability(text: str, place: float, expected: str | None) -> None:
    """Where a probability is missing all are as likely; what was cut off at the end is left out."""
    assert taken(text, place) == expected


def test_a_temperature_left_to_the_server_is_taken_for_one_and_none_rises_above_two() -> None:
    slot, warmer = Slot("main", 0, None), Steering(1, warmer=0.4)
    assert temperature(slot, Steering()) is None
    assert temperature(slot, warmer) == 1.4
    assert temperature(Slot("main", 0, 1.9), warmer) == 2.0


def test_a_persona_gets_a_system_turn_where_there_is_none() -> None:
    asked: list[Message] = [{"role": "user", "content": "Why?"}]
    steering = Steering(1, personas=("a cook",))
    assert messages(asked, steering, lambda purpose: 0.9) == [{"role": "system", "content": "You are a cook."}, *asked]
