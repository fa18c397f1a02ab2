"""Requests: what goes on the wire."""

from __future__ import annotations

from typing import Any

import orjson
import pytest

from stages.core.errors import CandidateError
from stages.llm.wire import auth_headers, request_body, request_headers, request_url

HI = {"messages": [{"role": "user", "content": "Hi"}]}


def body(stage: dict[str, Any], extra: dict[str, Any] | None = None, api: Any = "chat") -> dict[str, Any]:
    return orjson.loads(request_body(stage, "m", api, extra or {}))


def test_the_endpoints_body_wins_and_null_removes_a_field() -> None:
    sent = body({**HI, "max_tokens": 9, "seed": 1}, {"max_completion_tokens": 512, "max_tokens": None, "seed": 2})
    assert sent == {"model": "m", **HI, "max_completion_tokens": 512, "seed": 2}


def test_the_order_of_settings_is_no_part_of_a_request_but_the_order_of_a_schema_is() -> None:
    one = request_body({**HI, "a": {"x": 1, "y": 2}, "b": 3}, "m", "chat", {})
    assert one == request_body({"b": 3, **HI, "a": {"x": 1, "y": 2}}, "m", "chat", {})
    assert one != request_body({"b": 3, **HI, "a": {"y": 2, "x": 1}}, "m", "chat", {})


def test_neither_the_stages_nor_the_endpoints_settings_are_changed() -> None:
    stage, extra = {**HI, "seed": 1}, {"seed": None}
    request_body(stage, "m", "chat", extra)
    assert (stage, extra) == ({**HI, "seed": 1}, {"seed": None})


def test_what_json_cannot_say_fails_the_candidate() -> None:
    with pytest.raises(CandidateError, match="surrogates"):
        request_body({"messages": [{"role": "user", "content": "\ud800"}]}, "m", "chat", {})


def test_a_base_model_gets_the_messages_as_one_prompt() -> None:
    messages = [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": [{"type": "text", "text": "What is "}, {"type": "text", "text": "1 + 1?"}]},
        {"role": "assistant", "content": None},
    ]
    sent = body({"messages": messages, "n": 2, "logprobs": True, "top_logprobs": 5}, api="completions")
    assert sent == {"model": "m", "prompt": "Be brief.\n\nWhat is 1 + 1?\n\n", "n": 2, "logprobs": 5}


def test_a_base_model_takes_no_tools() -> None:
    with pytest.raises(CandidateError, match="api: chat"):
        body({**HI, "tools": [{"type": "function"}]}, api="completions")


@pytest.mark.parametrize(
    ("base", "api", "query", "url"),
    [
        ("http://h:1/v1", "chat", {}, "http://h:1/v1/chat/completions"),
        ("http://h:1/v1/", "completions", {}, "http://h:1/v1/completions"),
        ("https://h/a?x=1", "chat", {"api-version": "2"}, "https://h/a/chat/completions?x=1&api-version=2"),
    ],
)
def test_urls(base: str, api: Any, query: dict[str, str], url: str) -> None:
    assert str(request_url(base, api, query)) == url


def test_a_key_goes_as_bearer_or_bare_or_not_at_all() -> None:
    assert auth_headers("Authorization", "k") == {"Authorization": "Bearer k"}
    assert auth_headers("api-key", "k") == {"api-key": "k"}
    assert auth_headers("Authorization", None) == {}


def test_the_endpoints_headers_replace_ours_whatever_their_case() -> None:
    sent = request_headers({"Authorization": "Bearer k"}, {"authorization": "Basic z", "X-Team": "a"})
    assert sent.getall("Authorization") == ["Basic z"]
    assert sent["X-Team"] == "a"
    assert sent["Content-Type"] == "application/json"
