"""Replies: from a provider's bytes to a Reply."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scripted_server import completion

from stages.llm.parse import MalformedReply, parse, split_think
from stages.llm.protocol import Choice, Reply, Usage


def read(body: Any, reasoning: Any = "separate") -> Reply:
    return parse(orjson.dumps(body), reasoning)


def message(mode: Any = "separate", finish: Any = "stop", **fields: Any) -> Choice:
    return read({"choices": [{"message": {"role": "assistant", **fields}, "finish_reason": finish}]}, mode).first


def test_a_plain_completion() -> None:
    assert read(completion("42")) == Reply((Choice("42"),), Usage(10, 5), "m")


def test_several_choices_keep_their_order() -> None:
    body = completion()
    body["choices"] = [{"message": {"content": text}, "finish_reason": "stop"} for text in "abc"]
    assert [choice.text for choice in read(body).choices] == ["a", "b", "c"]


@pytest.mark.parametrize("finish", ["length", "max_tokens", "model_length"])
def test_truncation_is_kept_whatever_the_server_calls_it(finish: str) -> None:
    assert message(content="The answer is", finish=finish).truncated


def test_an_unknown_end_is_kept_and_a_missing_one_is_a_stop() -> None:
    assert message(content="x", finish="content_filter").finish_reason == "content_filter"
    assert message(content="x", finish=None).finish_reason == "stop"


TRACES = {
    "reasoning_content": {"content": "42", "reasoning_content": "6 * 7"},
    "reasoning": {"content": "42", "reasoning": "6 * 7"},
    "think": {"content": "<think>\n6 * 7\n</think>\n\n42"},
    "think after white space": {"content": "\n <think>6 * 7</think>42"},
    "start in the template": {"content": "6 * 7\n</think>\n\n42"},
    "parts": {
        "content": [
            {"type": "thinking", "thinking": [{"type": "text", "text": "6 * 7"}]},
            {"type": "text", "text": "42"},
        ]
    },
}


@pytest.mark.parametrize("fields", TRACES.values(), ids=TRACES.keys())
def test_a_reasoning_trace_is_set_apart_wherever_it_stands(fields: dict[str, Any]) -> None:
    choice = message(**fields)
    assert (choice.text, choice.reasoning) == ("42", "6 * 7")


@pytest.mark.parametrize("fields", TRACES.values(), ids=TRACES.keys())
def test_a_reasoning_trace_can_be_dropped(fields: dict[str, Any]) -> None:
    choice = message("drop", **fields)
    assert (choice.text, choice.reasoning) == ("42", None)


def test_a_reasoning_trace_can_stay_inline() -> None:
    assert message("inline", content="42", reasoning="6 * 7").text == "<think>\n6 * 7\n</think>\n\n42"
    assert message("inline", content="<think>6 * 7</think>42") == Choice("<think>6 * 7</think>42")


def test_reasoning_cut_off_by_truncation_is_no_answer() -> None:
    choice = message(content="<think>First, 6 * 7 is", finish="length")
    assert (choice.text, choice.reasoning, choice.truncated) == ("", "First, 6 * 7 is", True)


def test_an_answer_that_only_quotes_a_think_tag_is_left_alone() -> None:
    assert split_think("Models write <think> first.") == ("Models write <think> first.", None)


def test_where_the_server_set_the_trace_apart_the_text_is_not_searched() -> None:
    choice = message(content="The tag is </think>.", reasoning="r")
    assert (choice.text, choice.reasoning) == ("The tag is </think>.", "r")


def test_tool_calls_and_a_text_of_null() -> None:
    calls = [{"id": "1", "type": "function", "function": {"name": "f", "arguments": "{}"}}]
    assert message(content=None, tool_calls=calls) == Choice("", tool_calls=calls)


def test_a_models_refusal_is_its_text() -> None:
    assert message(content=None, refusal="I cannot help with that.").text == "I cannot help with that."


def test_logprobs_of_a_chat() -> None:
    tokens = [{"token": "4", "logprob": -0.1, "top_logprobs": [{"token": "5", "logprob": -2.5}]}]
    choice = {"message": {"content": "4"}, "finish_reason": "stop", "logprobs": {"content": tokens}}
    assert read({"choices": [choice]}).first.logprobs == tokens


def test_a_text_completion_reads_like_a_chat() -> None:
    logprobs = {"tokens": ["4", "2"], "token_logprobs": [-0.1, -0.2], "top_logprobs": [{"5": -2.5}, None]}
    choice = read({"choices": [{"text": "42", "finish_reason": "length", "logprobs": logprobs}]}).first
    assert choice.text == "42"
    assert choice.truncated
    assert choice.logprobs == [
        {"token": "4", "logprob": -0.1, "top_logprobs": [{"token": "5", "logprob": -2.5}]},
        {"token": "2", "logprob": -0.2, "top_logprobs": []},
    ]


@pytest.mark.parametrize(
    ("usage", "read_as"),
    [
        (None, Usage()),
        ({"prompt_tokens": 9, "completion_tokens": None}, Usage(9, 0)),
        (
            {
                "prompt_tokens": 9,
                "completion_tokens": 7,
                "completion_tokens_details": {"reasoning_tokens": 4},
                "prompt_tokens_details": {"cached_tokens": 8},
            },
            Usage(9, 7, 4, 8),
        ),
        ({"prompt_tokens": 9, "completion_tokens": 7, "prompt_cache_hit_tokens": 5}, Usage(9, 7, 0, 5)),
        (
            {
                "prompt_tokens": 9,
                "completion_tokens": 3,
                "total_tokens": 52,
                "completion_tokens_details": {"reasoning_tokens": 40},
            },
            Usage(9, 43, 40, 0),
        ),
    ],
    ids=["none", "null", "details", "cache hits", "reasoning left out of the completion"],
)
def test_usage(usage: Any, read_as: Usage) -> None:
    assert read({"choices": [{"text": "x"}], "usage": usage}).usage == read_as


MALFORMED = {
    "no JSON": b"<html>oops</html>",
    "cut off": b'{"choices": [{"mess',
    "a lone surrogate": b'{"choices": [{"message": {"content": "\\ud800"}}]}',
    "no object": b"[]",
    "no choices": b'{"id": "x"}',
    "empty choices": b'{"choices": []}',
    "a choice of null": b'{"choices": [null]}',
    "a choice without anything": b'{"choices": [{"finish_reason": "stop"}]}',
    "a message of null": b'{"choices": [{"message": null}]}',
    "a message without content": b'{"choices": [{"message": {"role": "assistant"}}]}',
    "a number as content": b'{"choices": [{"message": {"content": 3}}]}',
    "an error in mid-answer": b'{"choices": [{"message": {"content": "x"}, "finish_reason": "error"}]}',
}


@pytest.mark.parametrize("raw", MALFORMED.values(), ids=MALFORMED.keys())
def test_what_is_no_completion_is_malformed(raw: bytes) -> None:
    with pytest.raises(MalformedReply):
        parse(raw)


@pytest.mark.parametrize("told", [-5, 10**9 + 1, 2**63, 1e30])
def test_a_count_that_cannot_be_meant_is_none(told: float) -> None:
    """The ledger adds counts up in 64 bits, and one that it cannot hold would end the run."""
    usage = {"prompt_tokens": told, "completion_tokens": 3, "total_tokens": told}
    assert read({"choices": [{"text": "x"}], "usage": usage}).usage == Usage(0, 3)


ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers(-5, 5) | st.just(2**63) | st.floats(allow_nan=False) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=5,
)


def objects(*names: str, **shaped: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    """Objects with the field names of a completion, some of them missing, with anything at all in them."""
    return st.fixed_dictionaries({}, optional=dict.fromkeys(names, ANYTHING) | shaped) | ANYTHING


PARTS = st.lists(objects("type", "text", "thinking"), max_size=2)
MESSAGE = objects("role", "refusal", "tool_calls", "reasoning", "reasoning_content", content=PARTS | ANYTHING)
LOGPROBS = objects("content", "tokens", "token_logprobs", "top_logprobs")
CHOICE = objects("finish_reason", message=MESSAGE, text=st.text(max_size=5), logprobs=LOGPROBS)
USAGE = objects("prompt_tokens", "completion_tokens", "total_tokens", "completion_tokens_details")


@given(objects("model", choices=st.lists(CHOICE, min_size=1, max_size=2), usage=USAGE))
def test_no_json_whatever_breaks_the_parser(body: Any) -> None:
    """A provider's nonsense is a malformed reply, never a defect of ours."""
    try:
        reply = read(body)
    except MalformedReply:
        return
    for choice in reply.choices:
        assert isinstance(choice.text, str)
        assert isinstance(choice.finish_reason, str)
        assert choice.tool_calls is None or isinstance(choice.tool_calls, list)
        assert choice.logprobs is None or all(isinstance(token, dict) for token in choice.logprobs)
    assert all(0 <= count < 2**31 for count in reply.usage)


@given(st.lists(objects("index", "embedding", embedding=st.lists(st.floats(-1, 1), max_size=2)), max_size=2))
def test_no_embeddings_whatever_break_the_parser(data: Any) -> None:
    with suppress(MalformedReply):
        read({"data": data})


@given(st.text(alphabet="ab<>/think \n", max_size=60))
def test_splitting_off_reasoning_never_loses_the_answers_end(text: str) -> None:
    answer, trace = split_think(text)
    assert text.endswith(answer)
    assert trace is not None or answer == text


def test_a_reply_nested_deeper_than_the_ledger_reads_is_malformed() -> None:
    deep = b"[" * 600 + b"]" * 600
    with pytest.raises(MalformedReply, match="nested"):
        parse(b'{"choices":[{"message":{"content":"x"}}],"extra":' + deep + b"}")


def test_many_brackets_side_by_side_are_not_deep() -> None:
    assert parse(b'{"choices":[{"message":{"content":"x"}}],"extra":[' + b"[]," * 2_000 + b"[]]}").text == "x"
