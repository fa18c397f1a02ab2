"""The scripted model."""

from __future__ import annotations

import pytest
from scripted_model import ScriptedModel
from scripted_server import a_call

from stages.core.errors import CandidateError
from stages.llm.protocol import Choice, Model, Reply


async def test_a_list_is_answered_in_order_and_calls_are_kept() -> None:
    model: Model = ScriptedModel(["one", Choice("two", "length"), Reply((Choice("a"), Choice("b")))])
    replies = [await model.ask(a_call(text)) for text in "xyz"]
    assert [reply.text for reply in replies] == ["one", "two", "a"]
    assert replies[1].first.truncated


async def test_a_function_sees_the_call() -> None:
    model = ScriptedModel(lambda asked: asked.body["messages"][0]["content"].upper())
    assert (await model.ask(a_call("hello"))).text == "HELLO"
    assert [asked.stage for asked in model.calls] == ["generate"]


async def test_an_error_is_raised() -> None:
    with pytest.raises(CandidateError):
        await ScriptedModel([CandidateError("bad_request", "no")]).ask(a_call())


async def test_a_script_that_has_run_out_says_so() -> None:
    with pytest.raises(LookupError, match="no answer for call 1: generate"):
        await ScriptedModel([]).ask(a_call())
