"""Each prompt that tamis itself sends to judges is understood, with a reply's schema and without."""

from __future__ import annotations

from typing import Any

import orjson
import pytest

from service.simulator.options import Options
from stages.judge.constitution import Principle
from stages.prompts.builtin import builtin
from stages.prompts.template import Template

HONEST = Options(sensitivity=1, specificity=1)
RIGHT, WRONG = "12 + 30 = 42.", "12 + 30 = 41."
AXES = [{"id": "shows-steps", "question": "Does it show steps?"}, {"id": "tone", "question": "Is it kind?"}]
STEPS = Principle(id="steps", text="It shows steps.", examples=["To 'What is 2 + 2?' only '5.'"])
PRINCIPLES = [STEPS.model_dump() | {"eliminations": STEPS.eliminations, "comparisons": ["Which shows more?"]}]
YES_NO = [True, False]


async def said(simulated, name: str, **scope: Any) -> Any:
    async with simulated(HONEST) as endpoint:
        scope = {"task": "What is 12 + 30?", "principles": PRINCIPLES, "axes": AXES, "scale": [1, 5]} | scope
        return orjson.loads((await endpoint.ask(Template(builtin(name)).render(scope))).text)


@pytest.mark.parametrize(("response", "passes"), [(RIGHT, True), (WRONG, False)])
@pytest.mark.parametrize("options", [YES_NO, YES_NO[::-1]])
@pytest.mark.parametrize(
    ("name", "key", "others"),
    [
        ("eliminate", "pass", {"principle"}),
        ("checklist", "met", set()),
        ("equivalent", "pass", {"reason"}),
        ("cross_check_response", "pass", {"work", "reason"}),
    ],
)
async def test_a_yes_or_no_is_what_is_true(simulated, name, key, others, response, passes, options) -> None:
    reply = await said(simulated, name, response=response, options=options, keys=["met"], reference="42")
    assert reply.pop(key) is passes
    assert set(reply) == others


async def test_marks_stand_under_each_axis_and_on_the_scale(simulated) -> None:
    keys = [axis["id"] for axis in AXES]
    for response, marks in ((RIGHT, {4, 5}), (WRONG, {1, 2})):
        reply = await said(simulated, "rubric", response=response, keys=keys, options=range(1, 6))
        assert set(reply) == set(keys)
        assert set(reply.values()) <= marks


async def test_of_two_the_better_one_is_named(simulated) -> None:
    assert await said(simulated, "rank", response_a=RIGHT, response_b=WRONG) == {"better": "A"}
    assert await said(simulated, "rank", response_a=WRONG, response_b=RIGHT) == {"better": "B"}


async def test_two_answers_are_the_same_or_not(simulated) -> None:
    assert await said(simulated, "vote", response_a=RIGHT, response_b="The answer is 42.0") == {"same": True}
    assert await said(simulated, "vote", response_a=WRONG, response_b=WRONG) == {"same": True}
    assert await said(simulated, "vote", response_a=RIGHT, response_b=WRONG) == {"same": False}


async def test_a_blind_cross_check_is_a_solution(simulated) -> None:
    async with simulated(Options(accuracy=1)) as endpoint:
        prompt = Template(builtin("cross_check_question")).render({"task": "What is 12 + 30?"})
        assert (await endpoint.ask(prompt)).text.endswith("answer is 42.")


@pytest.mark.parametrize(("accuracy", "ratings"), [(1.0, {1, 2}), (0.0, {9, 10})])
async def test_a_rating_of_difficulty_is_near_the_chance_of_a_wrong_answer(
    simulated, accuracy: float, ratings: set[int]
) -> None:
    async with simulated(Options(accuracy=accuracy)) as endpoint:
        for question in ("What is 12 + 30?", "What is 7 * 6?"):
            reply = await endpoint.ask(Template(builtin("difficulty_rating")).render({"task": question}))
            assert orjson.loads(reply.text)["difficulty"] in ratings


async def test_the_token_of_a_mark_has_the_marks_beside_it_as_alternatives(simulated) -> None:
    """What G-Eval takes its expectation over."""
    schema = {"type": "object", "properties": {"score": {"type": "integer", "enum": [1, 2, 3, 4, 5]}}}
    form = {"type": "json_schema", "json_schema": {"schema": schema}}
    async with simulated(HONEST) as endpoint:
        prompt = f"What is 12 + 30?\n<response>{RIGHT}</response>"
        reply = await endpoint.ask(prompt, response_format=form, logprobs=True, top_logprobs=5)
        mark = orjson.loads(reply.text)["score"]
        tokens = reply.body["choices"][0]["logprobs"]["content"]
        (at,) = [token for token in tokens if token["token"] == str(mark)]
        assert {str(mark - 1), str(mark), str(mark + 1)} < {one["token"] for one in at["top_logprobs"]}
