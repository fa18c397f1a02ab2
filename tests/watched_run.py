"""A small run as its observers see it: a checked pipeline, and what happens in the first seconds of it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from config.schema import Pipeline
from stages.core.events import (
    CallFinished,
    CallRetried,
    CallStarted,
    CandidatesMade,
    Collapsing,
    DiversityMeasured,
    Event,
    GroupSettled,
    GroupStarted,
    ReplyKept,
    VerdictGiven,
)

PIPELINE: dict[str, Any] = {
    "name": "arithmetic",
    "endpoints": {
        "main": {"base_url": "http://127.0.0.1:9/v1", "model": "small", "limits": {"max_concurrency": 16}},
        "strong": {"base_url": "http://127.0.0.1:9/v1", "model": "large"},
    },
    "source": {"type": "jsonl", "path": "seeds.jsonl"},
    "stages": [
        {"type": "generate", "endpoint": {"main": 3, "strong": 1}, "prompts": ["{{ question }}"], "candidates": 4},
        {"type": "verify", "check": "math", "against": "{{ answer }}"},
        {"type": "judge", "endpoint": ["strong"]},
        {"type": "select", "top": 1},
        {"type": "dedupe"},
    ],
}


def watched_pipeline() -> Pipeline:
    return Pipeline.model_validate(PIPELINE)


def events() -> Iterator[Event]:
    """Two seeds: of eight calls one is refused and made again; one seed is solved, one is not; one call is left."""
    for seed in ("a", "b"):
        yield GroupStarted(seed)
    for n in range(8):
        alias = "strong" if n % 4 == 3 else "main"
        yield CallStarted(alias, "generate")
        if n == 0:
            yield CallFinished(alias, "generate", "refused", 0.0, 0.02)
            yield CallRetried(alias, "generate", "rate_limited", 0.5)
            yield CallStarted(alias, "generate")
        cost = None if alias == "strong" else 0.001
        yield CallFinished(alias, "generate", "ok", 0.2, 0.5, 60, 40, 10, 5, cost, n == 1)
        yield ReplyKept(alias, "generate", 0.004)
    for _ in range(2):
        yield CandidatesMade("generate", "generated", 4)
    for _ in range(7):
        yield VerdictGiven("generate", "passed")
    yield VerdictGiven("generate", "rejected", "truncated")
    for n in range(7):
        yield VerdictGiven("verify", "passed") if n < 3 else VerdictGiven("verify", "rejected", "wrong_answer")
    yield VerdictGiven("judge", "passed")
    yield VerdictGiven("judge", "rejected", "eliminated")
    yield VerdictGiven("judge", "failed", "unreadable")
    yield DiversityMeasured("generate", 0.1, 0.8, 0.9, 0.05, 3.1, 0.2, 120.0)
    yield Collapsing("generate", "alarm", "prompt")
    yield Collapsing("generate", "undone", "prompt")
    yield GroupSettled("solved", 1, 4)
    yield GroupSettled("unsolved", 0, 4)
    yield GroupStarted("c")
    yield CallStarted("main", "generate")
