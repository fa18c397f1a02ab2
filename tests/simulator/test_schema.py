"""Whatever schema a judge prompt brings, the filled reply is valid and says what the verdict was."""

from __future__ import annotations

from typing import Any

import jsonschema
import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.simulator.draws import Draws
from service.simulator.judge import Opinion
from service.simulator.schema import Filling, from_example


def fill(schema: dict[str, Any], verdict: bool = True, key: str = "x", first: bool = True) -> Any:
    draws = Draws(7, key)
    opinion = Opinion(verdict, first, verdict, draws.uniform("merit"), draws)
    return Filling(opinion, lambda draws: "42", draws, schema).fill(schema)


def an_object(**properties: Any) -> dict[str, Any]:
    return {"type": "object", "properties": properties, "required": list(properties), "additionalProperties": False}


@pytest.mark.parametrize("verdict", [True, False])
def test_names_and_enums_carry_the_verdict(verdict: bool) -> None:
    said = fill(
        an_object(
            reason={"type": "string"},
            **{"pass": {"type": "boolean"}},
            eliminate={"type": "boolean"},
            verdict={"enum": ["PASS", "FAIL"]},
            violated={"enum": ["yes", "no"]},
            score={"type": "integer", "minimum": 1, "maximum": 10},
            rating={"enum": [1, 2, 3, 4]},
            principle={"enum": ["none", "steps", "tone"]},
            confidence={"type": "number", "minimum": 0, "maximum": 1},
            violations={"type": "array", "items": {"type": "string"}},
        ),
        verdict,
    )
    assert said["pass"] is verdict
    assert said["eliminate"] is not verdict
    assert said["verdict"] == ("PASS" if verdict else "FAIL")
    assert said["violated"] == ("no" if verdict else "yes")
    assert (said["score"] > 5) is verdict
    assert (said["rating"] > 2) is verdict
    assert (said["principle"] == "none") is verdict
    assert (said["confidence"] > 0.5) is verdict
    assert (said["violations"] == []) is verdict
    assert said["reason"]


def test_axes_are_marked_apart_inside_their_range_and_by_what_is_true() -> None:
    """Means over many responses: good ones high, bad ones low, and no axis a copy of another."""
    axis = {"type": "integer", "minimum": 1, "maximum": 5}
    schema = an_object(scores=an_object(helpful=axis, honest=axis))
    for verdict, low, high in ((True, 4, 5), (False, 1, 2)):
        scores = [fill(schema, verdict, str(n))["scores"] for n in range(60)]
        assert {score for one in scores for score in one.values()} == {low, high}
        assert any(one["helpful"] != one["honest"] for one in scores)


@pytest.mark.parametrize("options", [["A", "B"], ["first", "second", "tie"], [1, 2]])
def test_a_winner_is_the_one_preferred_in_the_order_shown(options: list[Any]) -> None:
    for first, winner in ((True, options[0]), (False, options[1])):
        assert fill(an_object(winner={"enum": options}), first=first) == {"winner": winner}


def test_an_answer_property_holds_the_answer() -> None:
    assert (
        fill(an_object(steps={"type": "array", "items": {"type": "string"}}, answer={"type": "string"}))["answer"]
        == "42"
    )


def test_references_unions_and_nesting_are_followed() -> None:
    schema = an_object(
        checks={"type": "array", "items": {"$ref": "#/$defs/Check"}, "minItems": 3},
        note={"anyOf": [{"type": "null"}, {"type": "string", "maxLength": 5}]},
        kind={"const": "verdict"},
    )
    schema["$defs"] = {"Check": an_object(principle={"type": "string"}, passed={"type": ["boolean", "null"]})}
    said = fill(schema, verdict=False)
    jsonschema.validate(said, schema)
    assert [check["passed"] for check in said["checks"]] == [False] * 3
    assert said["kind"] == "verdict"


def test_a_schema_that_contains_itself_ends() -> None:
    node: dict[str, Any] = an_object(next={"$ref": "#"})
    assert "next" in fill(node)


LEAVES = st.one_of(
    st.just({"type": "boolean"}),
    st.just({"type": "string"}),
    st.builds(
        lambda low, width: {"type": "integer", "minimum": low, "maximum": low + width},
        st.integers(-5, 5),
        st.integers(0, 10),
    ),
    st.builds(
        lambda low: {"type": "integer", "exclusiveMinimum": low, "exclusiveMaximum": low + 3}, st.integers(-5, 5)
    ),
    st.just({"type": "number", "minimum": 0, "maximum": 1}),
    st.just({"type": "string", "minLength": 60, "maxLength": 80}),
    st.lists(st.text(max_size=5), min_size=1, unique=True).map(lambda options: {"enum": options}),
)
NAMES = st.sampled_from(["pass", "score", "violations", "reason", "answer", "flaws", "winner"])
SCHEMAS = st.recursive(
    LEAVES,
    lambda inner: st.one_of(
        st.dictionaries(NAMES, inner).map(lambda members: an_object(**members)),
        st.builds(lambda item, least: {"type": "array", "items": item, "minItems": least}, inner, st.integers(0, 3)),
        st.builds(lambda one: {"anyOf": [{"type": "null"}, one]}, inner),
    ),
    max_leaves=8,
)


@given(SCHEMAS, st.booleans(), st.text(max_size=3))
def test_every_reply_is_valid_for_its_schema(schema: dict[str, Any], verdict: bool, key: str) -> None:
    jsonschema.validate(fill(schema, verdict, key), schema)


def test_a_prompt_that_shows_the_verdict_it_wants_gets_that_shape() -> None:
    schema = from_example(
        'Be strict. Reply with {"pass": true or false, "score": 1 to 5, "reason": "one sentence", '
        '"tone": "fine" or "bad", "principle": "steps"}'
    )
    assert schema == {
        "type": "object",
        "properties": {
            "pass": {"type": "boolean"},
            "score": {"type": "integer", "minimum": 1, "maximum": 5},
            "reason": {"type": "string"},
            "tone": {"enum": ["fine", "bad"]},
            "principle": {"enum": ["steps"]},
        },
    }


@pytest.mark.parametrize("prompt", ["Did the students pass?", 'Explain the JSON {"name": "x"}.'])
def test_other_prompts_want_no_verdict(prompt: str) -> None:
    assert from_example(prompt) is None


def test_several_examples_of_a_lone_text_are_choices_however_many_words_they_have() -> None:
    schema = from_example('Topic? Reply with JSON only: {"topic":"rail travel"} or {"topic":"music"}')
    assert schema == {"type": "object", "properties": {"topic": {"enum": ["rail travel", "music"]}}}
