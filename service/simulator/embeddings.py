"""Embeddings of texts: their words, hashed into a few dimensions. Texts that share most words lie close together."""

from __future__ import annotations

from math import sqrt
from typing import Any

from xxhash import xxh3_64_intdigest

from service.simulator.asked import Asked

DIMENSIONS = 256


def reply(asked: Asked) -> dict[str, Any]:
    """Return the reply to a request for the embeddings of its texts."""
    data = [
        {"object": "embedding", "index": index, "embedding": _vector(text)}
        for index, (_, text) in enumerate(asked.pairs)
    ]
    usage = {"prompt_tokens": asked.prompt_tokens, "total_tokens": asked.prompt_tokens}
    return {"object": "list", "model": asked.body.model, "data": data, "usage": usage}


def _vector(text: str) -> list[float]:
    """Return a unit vector: each word adds 1 to one dimension, or takes it away. The first one is 1 for all."""
    vector = [1] + [0] * DIMENSIONS
    for word in text.lower().split():
        drawn = xxh3_64_intdigest(word.encode())
        vector[1 + drawn % DIMENSIONS] += 1 if drawn >> 32 & 1 else -1
    length = sqrt(sum(number * number for number in vector))
    return [round(number / length, 6) for number in vector]
