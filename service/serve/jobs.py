"""The jobs of all tenants: in line, running, paused; what becomes of each, and who listens to it."""

from __future__ import annotations

import asyncio
import shutil
from collections import Counter
from collections.abc import AsyncGenerator, Iterator
from contextlib import aclosing, suppress
from pathlib import Path

from queues.registry import Record
from service.runs.lifecycle import Interrupted
from service.serve import state
from service.serve.errors import ApiError
from service.serve.feed import frame
from service.serve.job import LiveJob, RunningJob
from service.serve.line import FOLDERS, Line, Surroundings
from service.serve.shapes import ENDED, Job
from service.serve.watching import JobWatch
from service.serve.who import Caller

DELETED = ".deleted"
"""What the name of a folder ends in that is on its way out."""
LISTENERS = 2000
"""Who may listen at once to the jobs of one tenant."""


class Jobs(Line[LiveJob]):
    """Every job there is."""

    kind, unfinished_states = state.KIND, state.UNFINISHED
    waits, works = "queued", "running"

    def __init__(self, around: Surroundings, concurrent: int, tasks: asyncio.TaskGroup) -> None:
        super().__init__(around, concurrent, tasks)
        self._listeners: Counter[str] = Counter()

    async def begin(self) -> None:
        registry = self._around.registry
        for record in await registry.all(state.KIND, ("running",)):
            await registry.put(state.interrupted(record))
        for left in (self._around.data / FOLDERS[state.KIND]).glob(f"*{DELETED}"):
            await asyncio.to_thread(shutil.rmtree, left, ignore_errors=True)  # a kill came in the middle
        await super().begin()

    async def end(self, drain_s: float, abort: asyncio.Event) -> None:
        await super().end(drain_s, abort)
        for live in self._live.values():
            live.feed.end()

    def watches(self) -> Iterator[JobWatch]:
        """Yield what watches the jobs that run now."""
        return (live.running.watch for live in self._live.values() if live.running and live.running.watch)

    def show(self, record: Record) -> Job:
        """Return a job as the API shows it."""
        live = self._live.get(record.id)
        if live is None:
            return state.shown(record)
        watch = None if live.running is None else live.running.watch
        return state.shown(live.record, None if watch is None else watch.progress())

    async def delete(self, caller: Caller, job_id: str) -> None:
        """Forget an ended job, and all that it wrote. Raises ApiError 404, 409."""
        await self._around.deciding(self._deleted(caller, job_id))

    async def _deleted(self, caller: Caller, job_id: str) -> None:
        record = await self.get(caller, job_id)
        if record.state not in ENDED:
            raise ApiError(409, f"a job that is {record.state} cannot be deleted; cancel it first", code="state")
        await self._around.registry.delete(job_id)
        self.states[record.state] -= 1
        await asyncio.to_thread(_discard, self._around.folder(record))

    async def events(self, record: Record) -> AsyncGenerator[bytes, None]:
        """Yield the events of a job, as long as it has not ended. Raises ApiError 429 where too many listen."""
        if self._listeners[record.tenant] >= LISTENERS:
            raise ApiError(429, "too many listen already; ask for the job itself now and then", code="listeners")
        self._listeners[record.tenant] += 1
        try:
            live = self._live.get(record.id)
            job = self.show(record)
            yield frame("state", job)
            if live is None:
                yield frame("end", job)
            else:
                async with aclosing(live.feed.frames()) as heard:
                    async for frames in heard:
                        yield frames
        finally:
            self._listeners[record.tenant] -= 1

    def _taken(self, record: Record) -> LiveJob:
        return LiveJob(record)

    async def _commit(self, live: LiveJob) -> None:
        """Commit what a job is now, and tell those who listen."""
        record = live.record
        await super()._commit(live)
        live.feed.publish("state", self.show(live.record))
        if live.record is record and record.state in ENDED:
            live.feed.publish("end", state.shown(record), last=True)

    def _give_place(self, live: LiveJob) -> None:
        self._change(live, state.started(live.record))
        live.running = RunningJob(self._around, live)
        self._start(live, self._run(live, live.running))

    async def _run(self, live: LiveJob, running: RunningJob) -> None:
        """Run one job, and register what becomes of it. Nothing that goes wrong with it is anybody else's affair."""
        after = None
        try:
            await self._commit(live)
            after = await running.run()
        finally:
            live.running = None
        self._change(live, after or state.interrupted(live.record))
        await self._commit(live)

    def _heed(self, live: LiveJob) -> None:
        if live.running is not None:
            live.running.heed()

    def _interrupt(self, live: LiveJob, drain_s: float) -> None:
        if live.running is not None:
            live.running.stop(Interrupted("the service was told to stop"))

    def _abort(self, live: LiveJob) -> None:
        if live.running is not None:
            live.running.abort()


def _discard(folder: Path) -> None:
    """Delete a folder, renamed first: SQLite makes files beside a ledger that is read, and cannot where it was."""
    gone = folder.with_name(folder.name + DELETED)
    with suppress(FileNotFoundError):  # the job never began
        folder.rename(gone)
    shutil.rmtree(gone, ignore_errors=True)
