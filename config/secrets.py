"""Keys have no place in a file: whatever looks like one is refused, and never repeated in a message."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from config.problems import Finding, Loc

_NAME = re.compile(r"(?i)^(?:[\w-]*[-_])?(?:api)?(?:key|token|secret|password|authorization)$")
_VALUE = re.compile(r"\b(?:(?:sk-|gsk_|hf_|xai-|nvapi-)[\w-]{16,}|AIza[\w-]{20,}|(?i:bearer\s+\S{8,}))")
_IN_URL = re.compile(r"//[^/@\s]+:[^/@\s]+@|[?&](?:api[-_]?key|key|token)=")


def find(endpoints: Any) -> Iterator[Finding]:
    """Yield whatever under `endpoints` looks like a key, and what to write instead."""
    for loc, value in _leaves(endpoints, ("endpoints",)):
        if _is_key(loc, value):
            yield Finding(loc, _remedy(loc))


def _is_key(loc: Loc, value: object) -> bool:
    if isinstance(value, str) and (_VALUE.search(value) or _IN_URL.search(value)):
        return True
    # A body has keys of other kinds: prompt_cache_key, eos_token.
    return value is not None and len(loc) > 2 and loc[2] != "body" and any(_NAME.match(str(key)) for key in loc[2:])


def _remedy(loc: Loc) -> str:
    variable = re.sub(r"\W", "_", str(loc[1])).upper() + "_API_KEY"
    message = (
        f"a key does not belong in a file; put it into an environment variable, say {variable}, "
        f"and write `api_key_env: {variable}` in the endpoint"
    )
    if len(loc) == 4 and loc[2] == "headers" and str(loc[3]).lower() != "authorization":
        message += f", with `api_key_header: {loc[3]}`"
    return message


def _leaves(data: Any, loc: Loc) -> Iterator[tuple[Loc, object]]:
    if isinstance(data, dict):
        for key, value in data.items():
            yield from _leaves(value, (*loc, key))
    elif isinstance(data, (list, tuple)):
        for index, value in enumerate(data):
            yield from _leaves(value, (*loc, index))
    else:
        yield loc, data
