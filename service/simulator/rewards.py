"""The replies of reward models in the shapes of vLLM's `/classify`, `/score`, `/rerank` and `/pooling`.

A classifier has two classes, of which the last is the good one; a pooled reward is one number.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from service.simulator.asked import Asked

CREATED = 1_700_000_000
"""A constant: the same body is to get the same bytes on any day."""


def reply(asked: Asked, scores: Sequence[float]) -> dict[str, Any]:
    """Return the reply to a request for rewards; `scores` in [0, 1), one for each of its pairs."""
    head = {"id": f"{asked.kind}-{asked.digest}", "model": asked.body.model}
    usage = {"prompt_tokens": asked.prompt_tokens, "total_tokens": asked.prompt_tokens}
    if asked.kind == "rerank":
        return {**head, "results": _results(asked, scores), "usage": usage}
    data = [{"index": index, **_item(asked.kind, score)} for index, score in enumerate(scores)]
    usage |= {"completion_tokens": 0}
    return {**head, "object": "list", "created": CREATED, "data": data, "usage": usage}


def _item(kind: str, score: float) -> dict[str, Any]:
    if kind == "classify":
        return {"label": f"LABEL_{int(score >= 0.5)}", "probs": [1 - score, score], "num_classes": 2}
    return {"object": "score", "score": score} if kind == "score" else {"object": "pooling", "data": [score]}


def _results(asked: Asked, scores: Sequence[float]) -> list[dict[str, Any]]:
    results = [
        {"index": index, "document": {"text": asked.pairs[index][1]}, "relevance_score": scores[index]}
        for index in sorted(range(len(scores)), key=lambda index: -scores[index])
    ]
    return results[: asked.body.top_n]
