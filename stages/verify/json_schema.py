"""`check: json_schema`: the response is JSON, bare or in a fence, and the schema accepts it.

Schemas can be costly, so responses are looked at in a worker process, each with a hard time-out.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import orjson
from jsonschema.exceptions import SchemaError
from jsonschema.validators import validator_for

from stages.core.errors import InputError
from stages.core.record import Candidate, Verdict
from stages.verify.check import Check, shown
from stages.verify.workers import Workers

_LIMIT_S = 3.0
_MAX_CHARS = 1_000_000
_FENCE = re.compile(r"```(?:json)?[ \t]*\n(.*?)\n[ \t]*```", re.DOTALL | re.IGNORECASE)

Finding = tuple[str, str]
"""The reason (empty: all is well) and the words."""


class JsonSchema(Check):
    """The check for one schema, which is compiled once."""

    def __init__(self, schema: dict[str, Any], limit_s: float = _LIMIT_S) -> None:
        try:
            validator_for(schema).check_schema(schema)
        except SchemaError as error:
            raise InputError(f"`schema` is not a JSON schema: {error.json_path}: {error.message}") from None
        self._workers = Workers("stages.verify.json_schema:make", schema, size=1, limit_s=limit_s)
        self.tools = (self._workers,)

    async def judge(self, candidate: Candidate, reference: str) -> Verdict:
        reason, words = await self._workers.ask(candidate.text, "checking the response")
        return Verdict(None if reason == "bad_reference" else not reason, reason=reason, detail=shown(words))


def make(schema: dict[str, Any]) -> Callable[[str], Finding]:
    """Return the worker's side of it. References out of the schema are not followed: there is no network here."""
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
