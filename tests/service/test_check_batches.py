"""What is said before a run about endpoints with `mode: batch`."""

from __future__ import annotations

from typing import Any

import pytest

from config.load import read_pipeline
from service.check import check, warnings

MAIN = {"base_url": "http://127.0.0.1:1/v1", "model": "m", "mode": "batch"}
GENERATE = {"type": "generate", "endpoint": "main", "prompts": ["Solve this."]}
JUDGE = {"type": "judge", "endpoint": "fast", "prompt": "Is it right?"}


def said(stages: list[dict[str, Any]], **main: Any) -> list[str]:
    """Return the problems and warnings that endpoints are spoken of in."""
    fast = {key: value for key, value in MAIN.items() if key != "mode"}
    endpoints = {"main": {**MAIN, **main}, "fast": fast}
    source = {"type": "jsonl", "path": "nowhere.jsonl"}
    loaded = read_pipeline({"source": source, "endpoints": endpoints, "stages": stages}, env={})
    found = [str(problem) for problem in [*loaded.problems, *check(loaded, {}), *warnings(loaded)]]
    return [problem for problem in found if "nowhere.jsonl" not in problem]


@pytest.mark.parametrize(
    ("main", "words"),
    [
        ({"mode": "live", "batch": {"poll_s": 5}}, "write that, or remove it"),
        ({"base_url": ["http://127.0.0.1:1/v1", "http://127.0.0.1:2/v1"]}, "takes one `base_url`"),
        ({"api_key_env": ["ONE", "TWO"]}, "takes one key"),
        ({"embedded": "smollm2", "base_url": [], "model": None}, "has no Batch API"),
        ({"batch": {"max_requests": 60_000}}, "at most 50000"),
        ({"batch": {"window": "a day"}}, "endpoints.main.batch.window"),
    ],
)
def test_keys_that_batches_cannot_have_are_refused(main: dict[str, Any], words: str) -> None:
    (problem,) = said([GENERATE], **main)
    assert words in problem


def test_a_reward_model_is_not_asked_in_batches() -> None:
    reward = {"type": "judge", "mode": "reward", "reward": "classify", "endpoint": "main", "threshold": 0}
    (problem,) = said([{**GENERATE, "endpoint": "fast"}, reward])
    assert problem == 'stages[1].endpoint[0]: a Batch API takes no reward models; write `mode: live` for "main"'


def test_waves_that_wait_for_batches_are_warned_of() -> None:
    until = {"accepted": 1, "max_candidates": 8}
    assert said([GENERATE, JUDGE]) == []
    (warning,) = said([{**GENERATE, "until": until}, JUDGE])
    assert warning.startswith('stages[0].until: each wave waits for batches of "main", up to 24h each time;')
    (warning,) = said([{**GENERATE, "endpoint": "fast", "until": until}, {**JUDGE, "endpoint": "main"}])
    assert '"main"' in warning
    vote = {"type": "vote", "extract": "numeric", "stop": {"max_candidates": 8}}
    (warning,) = said([GENERATE, vote])
    assert warning.startswith("stages[1].stop: each wave waits")
