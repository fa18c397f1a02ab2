"""Replies that are numbers: embeddings in OpenAI's shape, and rewards in those of vLLM.

An embedding is a text's words, hashed into a few dimensions: texts that share most words lie close together. Rewards
are asked for at `/classify`, `/score`, `/rerank` and `/pooling`; a classifier has two classes, of which the last is the
good one; a pooled reward is one number.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import sqrt
from typing import Any

from xxhash import xxh3_64_intdigest

from service.simulator.asked import Asked

CREATED = 1_700_000_000
"""A constant: the same body is to get the same bytes on any day."""
DIMENSIONS = 256


def embeddings(asked: Asked) -> dict[str, Any]:
    """Return the reply to a request for the embeddings of its texts."""
    data = [
        {"object": "embedding", "index": index, "embedding": _vector(text)}
        for index, (_, text) in enumerate(asked.pairs)
    ]
    return {"object": "list", "model": asked.body.model, "data": data, "usage": _usage(asked)}


def rewards(asked: Asked, scores: Sequence[float]) -> dict[str, Any]:
    """Return the reply to a request for rewards; `scores` in [0, 1), one for each of its pairs."""
    head = {"id": f"{asked.kind}-{asked.digest}", "model": asked.body.model}
    if asked.kind == "rerank":
        return {**head, "results": _ranked(asked, scores), "usage": _usage(asked)}
    data = [{"index": index, **_rated(asked.kind, score)} for index, score in enumerate(scores)]
    usage = _usage(asked) | {"completion_tokens": 0}
    return {**head, "object": "list", "created": CREATED, "data": data, "usage": usage}


def _usage(asked: Asked) -> dict[str, int]:
    return {"prompt_tokens": asked.prompt_tokens, "total_tokens": asked.prompt_tokens}


def _vector(text: str) -> list[float]:
    """Return a unit vector: each word adds 1 to one dimension, or takes it away. The first one is 1 for all."""
    vector = [1] + [0] * DIMENSIONS
    for word in text.lower().split():
        drawn = xxh3_64_intdigest(word.encode())
        vector[1 + drawn % DIMENSIONS] += 1 if drawn >> 32 & 1 else -1
    length = sqrt(sum(number * number for number in vector))
    return [round(number / length, 6) for number in vector]


def _rated(kind: str, score: float) -> dict[str, Any]:
    if kind == "classify":
        return {"label": f"LABEL_{int(score >= 0.5)}", "probs": [1 - score, score], "num_classes": 2}
    return {"object": "score", "score": score} if kind == "score" else {"object": "pooling", "data": [score]}


def _ranked(asked: Asked, scores: Sequence[float]) -> list[dict[str, Any]]:
    results = [
        {"index": index, "document": {"text": asked.pairs[index][1]}, "relevance_score": scores[index]}
        for index in sorted(range(len(scores)), key=lambda index: -scores[index])
    ]
    return results[: asked.body.top_n]
