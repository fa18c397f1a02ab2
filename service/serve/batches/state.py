r"""A batch's states, and what may become of each: decided here, without any I/O.

validating -> in_progress -> finalizing -> completed | expired | failed
    |    \\          |
    v     v          v
  failed  cancelling -> cancelled
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any

from queues.registry import Record, new_record
from service.serve.batches.shapes import Batch, BatchFault, BatchFaults, BatchSubmission
from service.serve.errors import ApiError
from service.serve.files import KIND as FILE
from service.serve.state import QuotaSpent
from stages.core.errors import RunStopped, TamisError

KIND = "batch"
UNFINISHED = ("validating", "in_progress", "finalizing", "cancelling")
WINDOW_S = 24 * 3600
STATES = ("in_progress", "finalizing", "completed", "failed", "expired", "cancelling", "cancelled")


class Cancelled(RunStopped):
    """Somebody asked for the batch to be cancelled."""


class Expired(RunStopped):
    """The batch's completion window has ended."""


def created(tenant: str, asked: BatchSubmission) -> Record:
    """Return a new batch; the ids of the files that it will write are given from the beginning."""
    body: dict[str, Any] = {
        **asked.model_dump(),
        **dict.fromkeys([f"{state}_at" for state in STATES]),
        "expires_at": int(time.time()) + WINDOW_S,
        "errors": None,
        "output_file_id": None,
        "error_file_id": None,
        "counts": {"total": 0, "completed": 0, "failed": 0},
        "usage": None,
        "models": [],
        "seeds": 0,
        "bytes": 0,
        "ending": "",
        "results": [new_record(FILE, tenant, "processed", {}).id for _ in range(2)],
    }
    return new_record(KIND, tenant, "validating", body)


def moved(record: Record, state: str, **body: Any) -> Record:
    """Return a batch that has come to a state just now."""
    return record.now(state, **{f"{state}_at": int(time.time())}, **body)


def failed(record: Record, faults: Sequence[BatchFault]) -> Record:
    """Return a batch that comes to nothing more."""
    return moved(record, "failed", errors=BatchFaults(data=list(faults)).model_dump())


def cancelled(record: Record) -> Record:
    """Return a batch that somebody asked to cancel. Raises ApiError 409."""
    if record.state in ("cancelling", "cancelled"):
        return record
    if record.state not in ("validating", "in_progress"):
        raise ApiError(409, f"a batch that is {record.state} cannot be cancelled", param="batch_id", code="state")
    cancelling = moved(record, "cancelling", ending="cancelled")
    return moved(cancelling, "cancelled") if record.state == "validating" else cancelling  # nothing was asked


def is_over(record: Record) -> bool:
    """Tell whether a batch's completion window has ended."""
    return bool(record.body["expires_at"] <= time.time())


def ending(record: Record, cause: TamisError | None) -> Record:
    """Return a batch of which nothing more is asked, for this cause or (None) because all was: its files are due."""
    if record.state == "cancelling":  # whatever else stopped it
        return record
    if cause is None or isinstance(cause, Expired):
        return moved(record, "finalizing", ending="expired" if cause else "completed")
    code = "quota" if isinstance(cause, QuotaSpent) else "endpoint"
    errors = BatchFaults(data=[BatchFault(code=code, message=str(cause))]).model_dump()
    return moved(record, "finalizing", ending="failed", errors=errors)


def shown(record: Record, counts: dict[str, int] | None) -> Batch:
    """Return a batch as the API shows it; `counts`: those of this moment, where it runs."""
    body = record.body
    return Batch(
        id=record.id,
        status=record.state,
        created_at=record.created_at,
        model=body["models"][0] if len(body["models"]) == 1 else None,
        request_counts=body["counts"] if counts is None else counts,
        **body,
    )
