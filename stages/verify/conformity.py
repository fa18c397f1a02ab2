"""Decide whether a response is JSON that a schema accepts. Runs in a worker process: schemas can be costly."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import orjson

_MAX_CHARS = 1_000_000
_FENCE = re.compile(r"```(?:json)?[ \t]*\n(.*?)\n[ \t]*```", re.DOTALL | re.IGNORECASE)

Finding = tuple[str, str]
"""The reason (empty: all is well) and the words."""


def make(schema: dict[str, Any]) -> Callable[[str], Finding]:
    """Return the check for one schema. References outside it are not followed: there is no network here."""
    from jsonschema.validators import validator_for
    from referencing.exceptions import Unresolvable
    from referencing.jsonschema import EMPTY_REGISTRY

    validator = validator_for(schema)(schema, registry=EMPTY_REGISTRY)

    def check(text: str) -> Finding:
        try:
            error = next(validator.iter_errors(_parse(text)), None)
        except (ValueError, RecursionError) as wrong:
            return "invalid_json", str(wrong) or "it is nested too deeply"
        except Unresolvable as unknown:
            return "bad_reference", f"`schema` refers to what is not in it: {unknown}"
        return ("schema", f"{error.json_path}: {error.message}") if error else ("", "")

    return check


def _parse(text: str) -> Any:
    """Return the JSON value of a response, bare or in a fence. Raises ValueError with what is wrong."""
    if len(text) > _MAX_CHARS:
        raise ValueError(f"the text is longer than {_MAX_CHARS:,} characters")
    fenced = _FENCE.search(text)
    return orjson.loads(fenced[1] if fenced else text)
