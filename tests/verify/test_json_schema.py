from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from stages.core.errors import CandidateError, InputError
from stages.core.record import Candidate, Verdict
from stages.verify.json_schema import JsonSchema

SCHEMA = {
    "type": "object",
    "properties": {"answer": {"type": "integer"}, "steps": {"type": "array", "items": {"$ref": "#/$defs/step"}}},
    "required": ["answer"],
    "$defs": {"step": {"type": "string"}},
}


@asynccontextmanager
async def checking(schema: dict[str, Any], **limits: float) -> AsyncIterator[JsonSchema]:
    check = JsonSchema(schema, **limits)
    try:
        await check.start()
        yield check
    finally:
        await check.stop()


async def judged(schema: dict[str, Any], *texts: str, **limits: float) -> list[Verdict]:
    async with checking(schema, **limits) as check:
        return [await check.judge(Candidate(n, text), "") for n, text in enumerate(texts)]


async def test_json_is_read_bare_or_from_a_fence_and_checked():
    good = [
        '{"answer": 3}',
        '\n {"answer": 3, "steps": ["a"]} ',
        'Here:\n```json\n{"answer": 3}\n```\nDone.',
        '```\n{"answer": 3}\n```',
    ]
    assert [verdict.passed for verdict in await judged(SCHEMA, *good)] == [True] * 4


async def test_what_the_schema_refuses_is_rejected_with_the_path():
    wrong, missing = await judged(SCHEMA, '{"answer": 3, "steps": ["a", 5]}', "{}")
    assert (wrong.passed, wrong.reason, wrong.detail) == (False, "schema", "$.steps[1]: 5 is not of type 'string'")
    assert (missing.reason, missing.detail) == ("schema", "$: 'answer' is a required property")


@pytest.mark.parametrize(
    "text", ["", "three", '{"answer": 3', "{'answer': 3}", "NaN", "[" * 5000, '{"answer": 3} and more']
)
async def test_what_is_no_json_is_rejected_as_such(text):
    (verdict,) = await judged(SCHEMA, text)
    assert (verdict.passed, verdict.reason) == (False, "invalid_json")
    assert verdict.detail


async def test_a_text_too_long_to_check_is_rejected():
    (verdict,) = await judged({}, '"' + "x" * 2_000_000 + '"')
    assert verdict.reason == "invalid_json"
    assert "1,000,000" in verdict.detail


async def test_a_schema_whose_pattern_backtracks_for_ever_costs_one_verdict():
    async with checking({"type": "string", "pattern": "^(a|aa)+$"}, limit_s=0.3) as check:
        with pytest.raises(CandidateError, match=r"timeout: checking the response took longer than 0.3 s"):
            await check.judge(Candidate(0, f'"{"a" * 60}b"'), "")
        assert (await check.judge(Candidate(1, '"aa"'), "")).passed


async def test_a_reference_out_of_the_schema_is_not_fetched():
    schema = {"$ref": "http://127.0.0.1:9/schema.json"}
    (verdict,) = await judged(schema, "{}")
    assert (verdict.passed, verdict.reason) == (None, "bad_reference")
    assert "http://127.0.0.1:9/schema.json" in verdict.detail


def test_a_schema_that_is_none_is_the_persons_mistake():
    with pytest.raises(InputError, match=r"`schema` is not a JSON schema: \$.type"):
        JsonSchema({"type": "nonsense"})
