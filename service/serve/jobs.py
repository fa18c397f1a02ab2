"""The jobs of all tenants: in line, running, paused. It decides which runs next, and keeps what each has come to.

Invariants: a job's state is committed before anybody is told; at most `concurrent` run; a job that runs when the
process is killed is in line at the next start, and takes its committed replies from its ledger.
"""

from __future__ import annotations

import asyncio
import itertools
import shutil
from collections import Counter
from collections.abc import AsyncGenerator, Iterator
from contextlib import aclosing
from dataclasses import dataclass

from queues.registry import Record
from service.serve import state
from service.serve.errors import ApiError, not_found
from service.serve.feed import Feed, frame
from service.serve.job import RunningJob, Surroundings
from service.serve.shapes import ENDED, Job
from service.serve.who import Caller

LISTENERS = 2000


@dataclass(slots=True)
class _Live:
    """A job that has not ended: what is registered of it, who listens, and its run where it has one."""

    record: Record
    feed: Feed
    running: RunningJob | None = None


class Jobs:
    """Every job there is. Those that have not ended are in memory, the others in the registry alone."""

    def __init__(self, around: Surroundings, concurrent: int, tasks: asyncio.TaskGroup) -> None:
        self._around, self._concurrent, self._tasks = around, concurrent, tasks
        self._live: dict[str, _Live] = {}
        self._states: Counter[str] = Counter()
        self._served: dict[str, int] = {}
        self._turn = itertools.count(1)
        self._idle = asyncio.Event()
        self._listeners = 0
        self.closing = False

    async def begin(self) -> None:
        """Take up what earlier processes left."""
        self._states = await self._around.registry.states(state.KIND)
        for record in await self._around.registry.all(state.KIND, state.UNFINISHED):
            self._live[record.id] = _Live(record, Feed())
            if record.state == "running":
                self._change(self._live[record.id], state.interrupted(record))
                await self._register(self._live[record.id])
        self._count()
        self._schedule()

    async def end(self, drain_s: float, abort: asyncio.Event) -> None:
        """Start no more, drain what runs for so long, then cut it short; all of it is in line at the next start."""
        self.closing = True
        for live in self._running():
            live.running.interrupt()  # type: ignore[union-attr]  # those that run have one
        waiting = [asyncio.ensure_future(self._idle.wait()), asyncio.ensure_future(abort.wait())]
        self._look_idle()
        await asyncio.wait(waiting, timeout=drain_s, return_when=asyncio.FIRST_COMPLETED)
        for live in self._running():
            live.running.abort()  # type: ignore[union-attr]  # those that run have one
        await self._idle.wait()
        for task in waiting:
            task.cancel()
        for live in self._live.values():
            live.feed.end()

    def reads(self, file_id: str) -> bool:
        """Tell whether a job that has not ended reads a file."""
        return any(file_id in live.record.body["files"] for live in self._live.values())

    def unfinished(self, tenant: str) -> list[Record]:
        """Return a tenant's jobs that have not ended."""
        return [live.record for live in self._live.values() if live.record.tenant == tenant]

    def running(self) -> Iterator[RunningJob]:
        """Yield what runs now."""
        return (live.running for live in self._live.values() if live.running is not None)

    async def add(self, record: Record, key: str | None, digest: str) -> Record:
        """Put a job in line, and return it, or the one that came with this key before."""
        added = await self._around.registry.add(record, key, digest)
        if added.id == record.id:
            self._live[record.id] = _Live(record, Feed())
            self._states[record.state] += 1
            self._count()
            self._schedule()
        return added

    async def get(self, caller: Caller, job_id: str) -> Record:
        """Return a caller's job. Raises ApiError 404."""
        live = self._live.get(job_id)
        found = live.record if live is not None else await self._around.registry.get(state.KIND, job_id)
        if found is None or found.tenant != caller.tenant:
            raise not_found("job", job_id)
        return found

    def show(self, record: Record) -> Job:
        """Return a job as the API shows it."""
        live = self._live.get(record.id)
        running = None if live is None else live.running
        return state.shown(record if live is None else live.record, None if running is None else running.progress())

    async def pause(self, caller: Caller, job_id: str) -> Record:
        return await self._ask(state.paused(await self.get(caller, job_id)))

    async def cancel(self, caller: Caller, job_id: str) -> Record:
        return await self._ask(state.cancelled(await self.get(caller, job_id)))

    async def resume(self, caller: Caller, job_id: str) -> Record:
        before = await self.get(caller, job_id)
        record = state.resumed(before)
        self._live.setdefault(record.id, _Live(before, Feed()))
        return await self._ask(record)

    async def delete(self, caller: Caller, job_id: str) -> None:
        """Forget an ended job, and all that it wrote. Raises ApiError 404, 409."""
        record = await self.get(caller, job_id)
        if record.state not in ENDED:
            raise ApiError(409, f"a job that is {record.state} cannot be deleted; cancel it first", code="state")
        await self._around.registry.delete(job_id)
        self._states[record.state] -= 1
        self._count()
        await asyncio.to_thread(shutil.rmtree, self._around.folder(job_id), ignore_errors=True)

    async def events(self, record: Record) -> AsyncGenerator[bytes, None]:
        """Yield the events of a job, as long as it has not ended. Raises ApiError 429 where too many listen."""
        if self._listeners >= LISTENERS:
            raise ApiError(429, "too many listen already; ask for the job itself now and then", code="listeners")
        self._listeners += 1
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
            self._listeners -= 1

    async def _ask(self, record: Record) -> Record:
        """Let a job become what somebody asked for."""
        live = self._live.get(record.id)
        if live is None:  # it has ended, and so it stays
            return record
        self._change(live, record)
        if live.running is not None and record.body["stopping"]:
            live.running.stop(record.body["stopping"])
        await self._register(live)
        self._schedule()
        return record

    def _change(self, live: _Live, record: Record) -> None:
        self._states[live.record.state] -= 1
        self._states[record.state] += 1
        live.record = record
        self._count()

    async def _register(self, live: _Live) -> None:
        """Commit what a job is now, and tell those who listen."""
        record = live.record
        await self._around.registry.put(record)
        live.feed.publish("state", self.show(live.record))
        if record.state in ENDED and live.running is None and live.record is record:
            self._live.pop(record.id, None)
            live.feed.publish("end", state.shown(record), last=True)

    def _schedule(self) -> None:
        """Start jobs while there is room. First come those whose tenants have the fewest running, the longest ago."""
        while not self.closing and len(list(self._running())) < self._concurrent:
            queued = [live for live in self._live.values() if live.record.state == "queued" and live.running is None]
            if not queued:
                break
            busy = Counter(live.record.tenant for live in self._running())
            live = min(queued, key=lambda one: self._rank(one.record, busy))
            self._served[live.record.tenant] = next(self._turn)
            live.running = RunningJob(self._around, live.feed)
            self._change(live, state.started(live.record))
            self._tasks.create_task(self._run(live, live.running), name=f"job {live.record.id}")
        self._look_idle()

    def _rank(self, record: Record, busy: Counter[str]) -> tuple[int, int, int, int]:
        tenant = record.tenant
        return busy[tenant], self._served.get(tenant, 0), -record.body["priority"], record.created_at

    async def _run(self, live: _Live, running: RunningJob) -> None:
        """Run one job, and register what becomes of it. Nothing that goes wrong with it is anybody else's affair."""
        after = None
        try:
            if live.record.body["stopping"]:
                running.stop(live.record.body["stopping"])
            await self._register(live)
            after = await running.run(lambda: live.record)
        finally:
            live.running = None
        self._change(live, state.interrupted(live.record) if after is None else after)
        await self._register(live)
        self._schedule()

    def _running(self) -> Iterator[_Live]:
        return (live for live in self._live.values() if live.running is not None)

    def _look_idle(self) -> None:
        if any(True for _ in self._running()):
            self._idle.clear()
        else:
            self._idle.set()

    def _count(self) -> None:
        self._around.count_jobs(self._states)
