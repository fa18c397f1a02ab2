"""The batches of all tenants: looked over, in line, under way. It decides which runs next, and keeps what each came to.

Invariants: a batch's state is committed before anybody is told; at most `concurrent` are asked at once, and one that is
under way when the process is killed goes on at the next start; its files are registered once.
"""

from __future__ import annotations

import asyncio
import shutil
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from queues.ledger import LedgerFailed
from queues.registry import Record
from service.runs.lifecycle import Interrupted
from service.serve.batches import results, state
from service.serve.batches.course import Course
from service.serve.batches.requests import look_over
from service.serve.batches.shapes import Batch, BatchFault
from service.serve.errors import not_found
from service.serve.files import KIND as FILE
from service.serve.files import Files
from service.serve.job import Surroundings
from service.serve.who import Caller
from stages.core.errors import InputError, RunStopped, TamisError

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
class _Live:
    """A batch that has not ended: what is registered of it, its step, and its requests while they are asked."""

    record: Record
    task: asyncio.Task[None] | None = None
    course: Course | None = None


class Batches:
    """Every batch there is; `unfinished(tenant)` are all jobs and batches of a tenant that have not ended."""

    def __init__(
        self,
        around: Surroundings,
        files: Files,
        folder: Path,
        concurrent: int,
        tasks: asyncio.TaskGroup,
        unfinished: Callable[[str], list[Record]],
    ) -> None:
        self._around, self._files, self._folder, self._concurrent = around, files, folder, concurrent
        self._tasks, self._all_unfinished = tasks, unfinished
        self._live: dict[str, _Live] = {}
        self._reading = asyncio.Lock()
        self._closing = False

    async def begin(self) -> None:
        """Take up what earlier processes left."""
        for record in await self._around.registry.all(state.KIND, state.UNFINISHED):
            self._take(record)
        self._schedule()

    async def end(self, drain_s: float, abort: asyncio.Event) -> None:
        """Start no more, drain what runs for so long, then cut it short; all of it goes on at the next start."""
        self._closing = True
        for live in self._live.values():
            if live.course is not None:
                live.course.stop(Interrupted("the service was told to stop"), drain_s)
        if under_way := [live.task for live in self._live.values() if live.task is not None]:
            home, aborted = asyncio.ensure_future(asyncio.wait(under_way)), asyncio.ensure_future(abort.wait())
            await asyncio.wait({home, aborted}, timeout=drain_s, return_when=asyncio.FIRST_COMPLETED)
            for task in (home, aborted, *under_way):
                task.cancel()
            await asyncio.gather(home, aborted, *under_way, return_exceptions=True)

    def reads(self, file_id: str) -> bool:
        """Tell whether a batch that has not ended reads a file."""
        return any(file_id == live.record.body["input_file_id"] for live in self._live.values())

    def unfinished(self, tenant: str) -> list[Record]:
        """Return a tenant's batches that have not ended."""
        return [live.record for live in self._live.values() if live.record.tenant == tenant]

    async def add(self, record: Record, key: str | None, digest: str) -> Record:
        """Take a batch, and return it, or the one that came with this key before."""
        added = await self._around.registry.add(record, key, digest)
        if added.id == record.id:
            self._take(record)
            self._schedule()
        return added

    async def get(self, caller: Caller, batch_id: str) -> Record:
        """Return a caller's batch. Raises ApiError 404."""
        live = self._live.get(batch_id)
        found = live.record if live is not None else await self._around.registry.get(state.KIND, batch_id)
        if found is None or found.tenant != caller.tenant:
            raise not_found("batch", batch_id)
        return found

    def show(self, record: Record) -> Batch:
        """Return a batch as the API shows it."""
        live = self._live.get(record.id)
        if live is None:
            return state.shown(record, None)
        return state.shown(live.record, None if live.course is None else live.course.counts)

    async def cancel(self, caller: Caller, batch_id: str) -> Record:
        """Ask nothing more of a batch; what there is stays. Raises ApiError 404, 409."""
        before = await self.get(caller, batch_id)
        record = state.cancelled(before)
        live = self._live.get(record.id)
        if live is None or record is before:
            return record
        await self._register(live, record)
        if live.course is not None:
            live.course.stop(state.Cancelled("cancelled"))
        self._schedule()
        return record

    def _take(self, record: Record) -> None:
        self._live[record.id] = _Live(record)
        # one that waits in line for so long expires there
        asyncio.get_running_loop().call_later(record.body["expires_at"] - time.time(), self._schedule)

    def _schedule(self) -> None:
        """Start what can go on. Of those that ask there are so many at once: first come tenants with the fewest."""
        for live in list(self._live.values()):
            asks = live.record.state == "in_progress" and not state.is_over(live.record)
            if live.task is None and not asks and not self._closing:
                live.task = self._tasks.create_task(self._go_on(live), name=live.record.id)
        while not self._closing:
            asking = [live for live in self._live.values() if live.record.state == "in_progress"]
            busy = Counter(live.record.tenant for live in asking if live.task is not None)
            waiting = [live for live in asking if live.task is None]
            if not waiting or busy.total() >= self._concurrent:
                return
            live = min(waiting, key=lambda one: busy[one.record.tenant])  # the eldest of several
            live.task = self._tasks.create_task(self._go_on(live), name=live.record.id)

    async def _go_on(self, live: _Live) -> None:
        """Take a batch one step further. Nothing that goes wrong with it is anybody else's affair."""
        steps = {"validating": self._look_over, "in_progress": self._ask}
        try:
            await steps.get(live.record.state, self._finish)(live)
        except (LedgerFailed, OSError, RunStopped):  # the disk: what there is is safe, and there may be room again
            self._around.log.exception("storage", batch=live.record.id)
            if state.is_over(live.record):
                await self._fail(live, "storage", "the service's disk failed until the completion window had ended")
            await asyncio.sleep(AGAIN_S)
        except Exception as error:  # a defect of tamis, or a ledger that is damaged, ends this batch and no other
            self._around.log.exception("defect", batch=live.record.id)
            words = f"tamis has a defect: {type(error).__name__}; the operator's log has the details"
            await self._fail(live, "defect", words)
        finally:
            live.task = None
        self._schedule()

    async def _fail(self, live: _Live, code: str, message: str) -> None:
        if live.record.state in state.UNFINISHED:
            await self._register(live, state.failed(live.record, [BatchFault(code=code, message=message)]))

    async def _look_over(self, live: _Live) -> None:
        record = live.record
        caller, path = self._around.callers.get(record.tenant), await self._input(record)
        endpoints = {} if caller is None else caller.endpoints
        async with self._reading:
            found = await asyncio.to_thread(look_over, path, record.body["endpoint"], endpoints)
        if live.record.state != "validating":  # cancelled meanwhile
            return
        faults = found.faults or self._beyond_quota(caller, found.requests)
        if faults:
            await self._register(live, state.failed(record, faults))
        else:
            counts = {"total": found.requests, "completed": 0, "failed": 0}
            found_too = {"models": found.models, "seeds": found.requests, "counts": counts}
            await self._register(live, state.moved(record, "in_progress", **found_too))

    def _beyond_quota(self, caller: Caller | None, requests: int) -> list[BatchFault]:
        quota = None if caller is None else caller.quotas.queued_seeds
        held = sum(record.body["seeds"] for record in self._all_unfinished(caller.tenant)) if caller else 0
        if quota is None or held + requests <= quota:
            return []
        message = f"your jobs and batches would have {held + requests:,} seeds and requests, and may have {quota:,}"
        return [BatchFault(code="queued_seeds", message=message)]

    async def _ask(self, live: _Live) -> None:
        cause = await self._asked(live)
        interrupted = isinstance(cause, Interrupted)
        await self._register(live, live.record if interrupted else state.ending(live.record, cause))

    async def _asked(self, live: _Live) -> TamisError | None:
        """Ask what has no answer yet; return what stopped that."""
        record = live.record
        caller = self._around.callers.get(record.tenant)
        if caller is None or not set(record.body["models"]) <= set(caller.endpoints):
            return RunStopped("an endpoint that it names is not in service.yaml any more, or not yours")
        path = await self._input(record)
        if state.is_over(record):
            return state.Expired("the completion window has ended")
        if self._closing:
            return Interrupted("the service was told to stop")
        if live.record.state != "in_progress":  # cancelled meanwhile
            return None
        live.course = Course(self._around, record, caller, path, self._dir(record))
        try:
            cause = await live.course.go()
        except InputError as error:
            cause = InputError(self._around.shared.disguised(str(error)))
        finally:
            live.record = live.record.now(counts=live.course.counts)
            live.course = None
        return cause

    async def _finish(self, live: _Live) -> None:
        """Write the files of a batch whose requests are asked, register them, and then its end."""
        record, folder = live.record, self._dir(live.record)
        ending = record.body["ending"]
        path = await self._input(record)
        made = await asyncio.to_thread(results.write, record.id, path, folder, UNASKED[ending])
        written = {"output_file_id": results.OUTPUT, "error_file_id": results.ERRORS}
        there = {"output_file_id": made.completed, "error_file_id": made.failed + made.unasked}
        ids = dict(zip(written, record.body["results"], strict=True))
        for field, name in written.items():
            if there[field]:
                body = {"filename": f"{record.id}-{name}", "purpose": "batch_output"}
                file = Record(FILE, ids[field], record.tenant, "processed", int(time.time()), body)
                await self._files.take_in(file, folder / name)
        counts = {**record.body["counts"], "completed": made.completed, "failed": made.failed}
        registered = {field: file_id for field, file_id in ids.items() if there[field]}
        await self._register(live, state.moved(record, ending, counts=counts, usage=made.usage, **registered))
        await asyncio.to_thread(shutil.rmtree, folder, ignore_errors=True)

    async def _register(self, live: _Live, record: Record) -> None:
        """Commit what a batch is now."""
        live.record = record
        await self._around.registry.put(record)
        if live.record.state not in state.UNFINISHED:
            self._live.pop(record.id, None)

    async def _input(self, record: Record) -> Path:
        """Return where the requests of a batch are; while it has not ended they cannot be deleted."""
        return self._files.path(await self._files.get(record.tenant, record.body["input_file_id"]))

    def _dir(self, record: Record) -> Path:
        return self._folder / record.id
