"""The batches of all tenants: looked over, in line, under way; what becomes of each.

Invariant: the files of a batch are registered once.
"""

from __future__ import annotations

import asyncio
import shutil
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from queues.ledger import LedgerFailed
from queues.registry import Record
from service.runs.lifecycle import Interrupted
from service.serve.batches import results, state
from service.serve.batches.course import Course
from service.serve.batches.requests import look_over
from service.serve.batches.shapes import Batch, BatchFault
from service.serve.files import KIND as FILE
from service.serve.line import Line, Live, Surroundings
from stages.core.errors import InputError, RunStopped, TamisError
from stages.llm.endpoint import Endpoint

AGAIN_S = 60.0
"""After the disk has failed a batch is taken up again when so much time has gone by."""
UNASKED = {
    "cancelled": ("batch_cancelled", "the batch was cancelled before this request was asked"),
    "expired": ("batch_expired", "the batch's completion window ended before this request was asked"),
    "failed": ("batch_failed", "the batch failed before this request was asked; its `errors` say why"),
    "completed": ("no_reply", "there is no reply to this request"),
}
"""What is said of requests that have no answer when a batch has ended so."""


@dataclass(slots=True)
class LiveBatch(Live):
    """A batch that has not ended, its step, and its requests while they are asked."""

    course: Course | None = None


class Batches(Line[LiveBatch]):
    """Every batch there is. Of its steps only that in which its requests are asked needs a place."""

    kind, unfinished_states = state.KIND, state.UNFINISHED
    waits = works = "in_progress"

    def __init__(self, around: Surroundings, concurrent: int, tasks: asyncio.TaskGroup) -> None:
        super().__init__(around, concurrent, tasks)
        self._reading = asyncio.Lock()

    def show(self, record: Record) -> Batch:
        """Return a batch as the API shows it."""
        live = self._live.get(record.id)
        if live is None:
            return state.shown(record, None)
        return state.shown(live.record, None if live.course is None else live.course.counts)

    def endpoints(self) -> Iterator[Endpoint]:
        """Yield the endpoints of all batches whose requests are asked now."""
        courses = (live.course for live in self._live.values() if live.course is not None)
        return (endpoint for course in courses for endpoint in course.endpoints.values())

    def _taken(self, record: Record) -> LiveBatch:
        # one that waits in line for so long expires there
        asyncio.get_running_loop().call_later(record.body["expires_at"] - time.time(), self._schedule)
        return LiveBatch(record)

    def _schedule(self) -> None:
        for live in self._live.values():
            asks = live.record.state == "in_progress" and not state.is_over(live.record)
            if live.task is None and not asks and not self.closing:
                self._give_place(live)
        super()._schedule()

    def _give_place(self, live: LiveBatch) -> None:
        self._start(live, self._go_on(live))

    def _heed(self, live: LiveBatch) -> None:
        if live.course is not None:
            live.course.stop(state.Cancelled("cancelled"))

    def _interrupt(self, live: LiveBatch, drain_s: float) -> None:
        if live.course is not None:
            live.course.stop(Interrupted("the service was told to stop"), drain_s)

    def _abort(self, live: LiveBatch) -> None:
        if live.task is not None:
            live.task.cancel()

    async def _go_on(self, live: LiveBatch) -> None:
        """Take a batch one step further. Nothing that goes wrong with it is anybody else's affair."""
        steps = {"validating": self._look_over, "in_progress": self._ask}
        try:
            await steps.get(live.record.state, self._finish)(live)
        except (LedgerFailed, OSError, RunStopped):  # the disk: what there is is safe, and there may be room again
            self._around.log.exception("storage", batch=live.record.id)
            if state.is_over(live.record):
                await self._fail(live, "storage", "the service's disk failed until the completion window had ended")
            else:
                await asyncio.sleep(AGAIN_S)
        except Exception as error:  # a defect of tamis, or a ledger that is damaged, ends this batch and no other
            self._around.log.exception("defect", batch=live.record.id)
            words = f"tamis has a defect: {type(error).__name__}; the operator's log has the details"
            await self._fail(live, "defect", words)

    async def _fail(self, live: LiveBatch, code: str, message: str) -> None:
        if live.record.state in state.UNFINISHED:
            await self._register(live, state.failed(live.record, [BatchFault(code=code, message=message)]))

    async def _look_over(self, live: LiveBatch) -> None:
        record = live.record
        caller, path = self._around.callers.get(record.tenant), await self._input(record)
        endpoints = {} if caller is None else caller.endpoints
        async with self._reading:
            found = await asyncio.to_thread(look_over, path, record.body["endpoint"], endpoints)
        if live.record.state != "validating":  # cancelled meanwhile
            return
        faults = found.faults
        if not faults and caller and (message := self._around.too_many_seeds(caller, found.requests)):
            faults = [BatchFault(code="queued_seeds", message=message)]
        if faults:
            await self._register(live, state.failed(record, faults))
        else:
            counts = {"total": found.requests, "completed": 0, "failed": 0}
            found_too = {"models": found.models, "seeds": found.requests, "counts": counts}
            await self._register(live, state.moved(record, "in_progress", **found_too))

    async def _ask(self, live: LiveBatch) -> None:
        cause = await self._asked(live)
        interrupted = isinstance(cause, Interrupted)
        await self._register(live, live.record if interrupted else state.ending(live.record, cause))

    async def _asked(self, live: LiveBatch) -> TamisError | None:
        """Ask what has no answer yet; return what stopped that."""
        record = live.record
        caller = self._around.callers.get(record.tenant)
        if caller is None or not set(record.body["models"]) <= set(caller.endpoints):
            return RunStopped("an endpoint that it names is not in service.yaml any more, or not yours")
        path = await self._input(record)
        if state.is_over(record):
            return state.Expired("the completion window has ended")
        if self.closing:
            return Interrupted("the service was told to stop")
        if live.record.state != "in_progress":  # cancelled meanwhile
            return None
        live.course = Course(self._around, record, caller, path)
        try:
            cause = await live.course.go()
        except InputError as error:
            cause = InputError(self._around.shared.disguised(str(error)))
        finally:
            live.record = live.record.now(counts=live.course.counts)
            live.course = None
        return cause

    async def _finish(self, live: LiveBatch) -> None:
        """Write the files of a batch whose requests are asked, register them, and then its end."""
        record, folder = live.record, self._around.folder(live.record)
        ending = record.body["ending"]
        path = await self._input(record)
        made = await asyncio.to_thread(results.write, record.id, path, folder, UNASKED[ending])
        output_id, errors_id = record.body["results"]
        found: dict[str, Any] = {"usage": made.usage}
        for field, file_id, name, lines in (
            ("output_file_id", output_id, results.OUTPUT, made.completed),
            ("error_file_id", errors_id, results.ERRORS, made.failed + made.unasked),
        ):
            if lines:
                body = {"filename": f"{record.id}-{name}", "purpose": "batch_output"}
                file = Record(FILE, file_id, record.tenant, "processed", int(time.time()), body)
                await self._around.files.take_in(file, folder / name)
                found[field] = file_id
        counts = {**record.body["counts"], "completed": made.completed, "failed": made.failed}
        await self._register(live, state.moved(record, ending, counts=counts, **found))
        await asyncio.to_thread(shutil.rmtree, folder, ignore_errors=True)

    async def _register(self, live: LiveBatch, record: Record) -> None:
        self._change(live, record)
        await self._commit(live)

    async def _input(self, record: Record) -> Path:
        """Return where the requests of a batch are; while it has not ended they cannot be deleted."""
        files = self._around.files
        return files.path(await files.get(record.tenant, record.body["input_file_id"]))
