from __future__ import annotations

from typing import Any

import pytest

from config.load import read_pipeline

KEY = "sk-" + "a1B2" * 8


def problems(**endpoint: Any) -> list[str]:
    data = {
        "endpoints": {"my-api": {"base_url": "https://x/v1", "model": "m", **endpoint}},
        "source": {"type": "jsonl", "path": "x.jsonl"},
    }
    return [str(problem) for problem in read_pipeline(data, env={}).problems]


@pytest.mark.parametrize(
    ("endpoint", "place"),
    [
        ({"api_key": "anything"}, "api_key"),
        ({"api_key": KEY}, "api_key"),
        ({"token": 12345}, "token"),
        ({"api_key_env": KEY}, "api_key_env"),
        ({"api_key_env": ["GOOD", KEY]}, "api_key_env[1]"),
        ({"headers": {"Authorization": "Bearer x"}}, "headers.Authorization"),
        ({"headers": {"x-note": f"Bearer {KEY}"}}, "headers.x-note"),
        ({"query": {"key": "abc"}}, "query.key"),
        ({"body": {"user": KEY}}, "body.user"),
        ({"base_url": "https://me:secret@x/v1"}, "base_url"),
        ({"base_url": "https://x/v1?api-key=abc"}, "base_url"),
    ],
)
def test_a_key_in_the_file_is_refused_once_with_what_to_do_and_never_repeated(
    endpoint: dict[str, Any], place: str
) -> None:
    found = problems(**endpoint)
    assert len(found) == 1, found
    assert found[0].startswith(f"endpoints.my-api.{place}: a key does not belong in a file; ")
    assert "write `api_key_env: MY_API_API_KEY`" in found[0]
    assert KEY not in found[0]
    assert "secret" not in found[0]


def test_the_header_that_carries_the_key_is_named() -> None:
    assert problems(headers={"api-key": "abc"})[0].endswith(", with `api_key_header: api-key`")


@pytest.mark.parametrize(
    "endpoint",
    [
        {"api_key_env": "OPENAI_API_KEY"},
        {"api_key_file": "/run/secrets/key", "api_key_header": "x-api-key"},
        {"body": {"max_tokens": 5, "prompt_cache_key": "x", "stop_token": None}},
        {"model": "hf-internal-testing/tiny-random-LlamaForCausalLM"},
        {"headers": {"x-title": "tamis", "x-task": "risk-assessment-of-something-long"}},
    ],
)
def test_what_only_resembles_a_key_is_let_through(endpoint: dict[str, Any]) -> None:
    assert problems(**endpoint) == []
