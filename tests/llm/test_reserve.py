"""Tokens to reserve."""

from __future__ import annotations

import pytest

from stages.llm.protocol import Usage
from stages.llm.reserve import TokenEstimate


def test_the_prompts_estimate_and_all_it_may_generate() -> None:
    assert TokenEstimate().of({"max_tokens": 100}, {}, size=400) == 100 + 100 + 1


def test_the_endpoints_body_wins_and_n_multiplies() -> None:
    extra = {"max_completion_tokens": 50, "max_tokens": None}
    assert TokenEstimate().of({"max_tokens": 100, "n": 3}, extra, size=400) == 100 + 150 + 1


def test_the_ratio_is_learned() -> None:
    estimate = TokenEstimate()
    for _ in range(200):
        estimate.learn(300, Usage(prompt_tokens=100))
    assert estimate.bytes_per_token == pytest.approx(3.0, rel=0.001)


def test_a_request_without_a_limit_is_taken_to_need_the_longest_so_far() -> None:
    estimate = TokenEstimate()
    estimate.learn(400, Usage(100, 2000))
    assert estimate.of({}, {}, size=400) == 100 + 2000 + 1


def test_a_reply_without_usage_teaches_nothing() -> None:
    estimate = TokenEstimate()
    estimate.learn(400, Usage())
    assert estimate.bytes_per_token == 4.0


def test_p95_reserves_what_95_of_100_replies_took_and_never_more_than_may_be() -> None:
    estimate = TokenEstimate("p95")
    body = {"max_tokens": 1000}
    for completion in range(1, 20):
        estimate.learn(400, Usage(100, completion))
    assert estimate.of(body, {}, size=400) == 100 + 1000 + 1, "too few to know"
    for completion in range(20, 101):
        estimate.learn(400, Usage(100, completion))
    assert estimate.of(body, {}, size=400) == 100 + 95 + 1
    assert estimate.of({"max_tokens": 50}, {}, size=400) == 100 + 50 + 1


def test_p95_follows_the_replies() -> None:
    estimate = TokenEstimate("p95")
    for completion in [900] * 400 + [100] * 400:
        estimate.learn(400, Usage(100, completion))
    assert estimate.of({"max_tokens": 1000}, {}, size=400) == 100 + 100 + 1
