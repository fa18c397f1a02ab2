"""Whether a job may be submitted: its pipeline is good, and its tenant within quotas."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any

import orjson
from pydantic import Field

from config.base import Config
from queues.registry import Record, new_record
from service.serve import state
from service.serve.errors import KEY, ApiError
from service.serve.jobs import Jobs
from service.serve.line import Line, Surroundings
from service.serve.shapes import Check, Mistake
from service.serve.uploads import FILE_ID, asked_of
from service.serve.who import Caller
from stages.core.errors import CandidateError

PRIORITIES = 100
KEYED = {KEY: {"type": "string", "pattern": "^[!-~]([ -~]{0,253}[!-~])?$", "description": "Asked twice, done once."}}
"""What stands in a header of those who may have to ask again, as routes describe it."""


class Submission(Config):
    """A job that somebody wants done."""

    pipeline: dict[str, Any]
    """As in pipeline.yaml, without `endpoints`: stages name those of the service."""
    priority: int = Field(default=0, ge=-PRIORITIES, le=PRIORITIES, strict=True)
    """Among your own jobs that wait, the highest is first."""
    limit: int | None = Field(default=None, ge=1, strict=True)
    """Only the first so many seeds."""


class Checked(Config):
    """A pipeline to be looked over."""

    pipeline: dict[str, Any]


class Desk:
    """Takes submissions."""

    def __init__(self, around: Surroundings, jobs: Jobs) -> None:
        self._around, self._jobs = around, jobs

    async def check(self, caller: Caller, pipeline: Mapping[str, Any]) -> Check:
        """Look a pipeline over, without a call to any endpoint."""
        found = await self._examined(caller, await asked_of(self._around.files, caller, pipeline))
        errors = [Mistake(**one) for one in found["errors"]]
        seeds = None if errors else found["scan"]["rows"]
        return Check(valid=not errors, seeds=seeds, warnings=found.get("warnings", []), errors=errors)

    async def submit(self, caller: Caller, submission: Submission, key: str | None) -> tuple[Record, bool]:
        """Put a job in line, and return it and whether it is new. Raises KeyTaken, ApiError 400, 429, 503."""
        digest = digest_of(submission)
        if (before := await self.before(caller, key, digest)) is not None:
            return before, False
        self.within_quotas(caller, 0)
        asked = await asked_of(self._around.files, caller, submission.pipeline)
        found = await self._examined(caller, asked)
        if found["errors"]:
            first = found["errors"][0]
            message = f"{first['loc']}: {first['message']}".removeprefix(": ")
            raise ApiError(400, message, param="pipeline", code="invalid_pipeline", errors=found["errors"])
        rows = found["scan"]["rows"]
        body = {
            **submission.model_dump(),
            "name": found["name"],
            "seeds": min(rows, submission.limit or rows),
            "warnings": found["warnings"],
            "files": [name for name in asked["uploads"] if FILE_ID.fullmatch(name)],
            "bytes": 0,
            **dict.fromkeys(
                ("stopping", "started_at", "ended_at", "error", "counts", "calls", "tokens", "cost_usd", "wall_s")
            ),
        }
        record = new_record(state.KIND, caller.tenant, "queued", body)
        added = await self.register(self._jobs, caller, record, key, digest)
        return added, added.id == record.id

    async def register(self, line: Line[Any], caller: Caller, record: Record, key: str | None, digest: str) -> Record:
        """Put a job or batch in line if it is within the quotas. Raises KeyTaken, ApiError 429, 503."""
        return await self._around.deciding(self._registered(line, caller, record, key, digest))

    async def _registered(
        self, line: Line[Any], caller: Caller, record: Record, key: str | None, digest: str
    ) -> Record:
        if (before := await self.before(caller, key, digest)) is not None:  # it came twice at once
            return before
        self.within_quotas(caller, record.body["seeds"])
        return await line.add(record, key, digest)

    def within_quotas(self, caller: Caller, seeds: int, *, one_more: bool = True) -> None:
        """See whether a caller may have another job of so many seeds, or go on with one. Raises ApiError 429, 503."""
        if self._jobs.closing:
            raise ApiError(503, "the service is about to stop; ask again soon", code="draining", headers=_after(30))
        unfinished, quotas = self._around.unfinished(caller.tenant), caller.quotas
        if one_more and quotas.jobs is not None and len(unfinished) >= quotas.jobs:
            raise _quota(
                "jobs", f"{len(unfinished):,} of your jobs and batches have not ended, and you may have {quotas.jobs:,}"
            )
        if one_more and (message := self._around.too_many_seeds(caller, seeds)):
            raise _quota("queued_seeds", message)
        if self._around.meter.left(caller) == 0:
            message = f"your {quotas.tokens_per_day or 0:,} tokens of today (UTC) are used up"
            raise _quota("tokens_per_day", message, self._around.meter.renews_in_s())

    async def before(self, caller: Caller, key: str | None, digest: str) -> Record | None:
        """Return what was submitted with an Idempotency-Key before. Raises ApiError 400, KeyTaken."""
        if key is None:
            return None
        if not (0 < len(key) <= 255 and key.isprintable()):
            raise ApiError(400, f"an {KEY} has 1 to 255 characters that print", param=KEY)
        return await self._around.registry.known(caller.tenant, key, digest)

    async def _examined(self, caller: Caller, asked: Mapping[str, Any]) -> dict[str, Any]:
        try:
            return await self._around.aside.examine(caller.tenant, asked)
        except CandidateError as error:
            raise ApiError(400, error.detail, param="pipeline", code="too_complex") from None


def digest_of(asked: Config) -> str:
    """Return what an Idempotency-Key stands for."""
    return hashlib.sha256(orjson.dumps(asked.model_dump(), option=orjson.OPT_SORT_KEYS)).hexdigest()


def _quota(code: str, message: str, after_s: int = 60) -> ApiError:
    return ApiError(429, message, code=code, headers=_after(after_s))


def _after(seconds: int) -> dict[str, str]:
    return {"Retry-After": str(seconds)}
