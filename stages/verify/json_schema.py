"""`check: json_schema`: the response is JSON, bare or in a fence, and the schema accepts it."""

from __future__ import annotations

from typing import Any

from jsonschema.exceptions import SchemaError
from jsonschema.validators import validator_for

from stages.core.errors import InputError
from stages.core.record import Candidate, Verdict
from stages.verify.check import Check, shown
from stages.verify.workers import Workers

_LIMIT_S = 3.0
_PROCESSES = 1


class JsonSchema(Check):
    """The check for one schema, compiled once in a worker process, with a hard time-out per response."""

    def __init__(self, schema: dict[str, Any], limit_s: float = _LIMIT_S) -> None:
        try:
            validator_for(schema).check_schema(schema)
        except SchemaError as error:
            raise InputError(f"`schema` is not a JSON schema: {error.json_path}: {error.message}") from None
        self.tool = self._workers = Workers("stages.verify.conformity:make", schema, size=_PROCESSES, limit_s=limit_s)

    async def judge(self, candidate: Candidate, reference: str) -> Verdict:
        reason, words = await self._workers.ask(candidate.text, "checking the response")
        return Verdict(None if reason == "bad_reference" else not reason, reason=reason, detail=shown(words))
