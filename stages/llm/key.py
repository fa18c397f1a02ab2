"""The call key: what makes two calls the same call.

A committed reply is found again by this key, so it holds everything that gives a call its meaning and nothing that does
not: no URL, no API key, no limit, no price.
"""

from __future__ import annotations

import orjson
from xxhash import xxh3_128_hexdigest

from stages.llm.protocol import Call


def call_key(call: Call, alias: str, body: bytes) -> str:
    """Return 32 hex digits for `call` at the endpoint `alias`; `body` is the merged request as it goes on the wire."""
    head = orjson.dumps([call.stage, call.purpose, alias, call.group.seed.id, call.sample, call.part])
    return xxh3_128_hexdigest(head + body)
