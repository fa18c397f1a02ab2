"""A job's states, and what may become of each: decided here, without any I/O.

queued -> running -> complete | budget | failed | cancelled
  |  ^       |
  v  |       v        a running job first drains (`stopping`), and takes the state it drains towards
paused <-----+        cancelled is for good; what is paused or has failed may be resumed, and is queued again
"""

from __future__ import annotations

import time
from typing import Any

from queues.registry import Record
from service.runs.lifecycle import Ending
from service.serve.errors import ApiError
from service.serve.shapes import ENDED, Job, JobError, Progress
from stages.core.errors import RunStopped

KIND = "job"
UNFINISHED = ("queued", "running", "paused")


class Asked(RunStopped):
    """Somebody asked for the job to be paused or cancelled."""


class QuotaSpent(RunStopped):
    """The tenant has nothing left of what this job or batch needs."""


def shown(record: Record, progress: Progress | None = None) -> Job:
    """Return a job as the API shows it."""
    url = f"/v1/jobs/{record.id}"
    return Job(
        id=record.id,
        state=record.state,
        created_at=record.created_at,
        tenant=record.tenant,
        progress=progress,
        urls={"self": url} | {name: f"{url}/{name}" for name in ("events", "funnel", "samples", "seeds", "files")},
        **record.body,
    )


def paused(record: Record) -> Record:
    """Return a job that somebody asked to pause. Raises ApiError 409."""
    if record.state == "running":
        return record.now(stopping=record.body["stopping"] or "paused")
    if record.state in ENDED:
        raise _cannot("paused", record)
    return record.now("paused")


def cancelled(record: Record) -> Record:
    """Return a job that somebody asked to cancel. Raises ApiError 409."""
    if record.state == "running":
        return record.now(stopping="cancelled")
    if record.state in ("complete", "budget"):
        raise _cannot("cancelled", record)
    return record if record.state == "cancelled" else ended(record, "cancelled")


def resumed(record: Record) -> Record:
    """Return a job that somebody asked to resume. Raises ApiError 409."""
    if record.state not in ("paused", "failed"):
        raise _cannot("resumed", record)
    return record.now("queued", stopping=None, error=None, ended_at=None)


def started(record: Record) -> Record:
    return record.now("running", started_at=record.body["started_at"] or int(time.time()))


def interrupted(record: Record) -> Record:
    """Return a job that the end of the service cut short: it waits for the next start, and then goes on."""
    return record.now("queued")


def failed(record: Record, code: str, message: str) -> Record:
    return ended(record, "failed", error=JobError(message=message, code=code).model_dump())


def after(record: Record, ending: Ending) -> Record:
    """Return a job whose run has ended so."""
    cause = ending.cause
    if isinstance(cause, RunStopped) and record.body["stopping"] == "cancelled":  # whatever else stopped it before
        return ended(record, "cancelled")
    if isinstance(cause, Asked):
        return record.now("paused", stopping=None)
    if isinstance(cause, QuotaSpent):
        error = JobError(message=f"{cause}; {cause.remedy}", code="quota").model_dump()
        return record.now("paused", stopping=None, error=error)
    if isinstance(cause, RunStopped):
        remedy = f". {cause.remedy}" if cause.remedy else ""
        return failed(record, "stopped", f"{cause}{remedy}, then resume the job")
    return ended(record, "complete" if cause is None else "budget")


def ended(record: Record, state: str, **body: Any) -> Record:
    return record.now(state, stopping=None, ended_at=int(time.time()), **body)


def _cannot(what: str, record: Record) -> ApiError:
    return ApiError(409, f"a job that is {record.state} cannot be {what}", param="id", code="state")
