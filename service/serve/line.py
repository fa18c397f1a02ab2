"""What jobs and batches have in common: those that have not ended, which of them is next, and what all of them share.

Invariants: a state is committed before anybody is told; at most `concurrent` of a kind work at once; what works when
the process is killed goes on at the next start.
"""

from __future__ import annotations

import asyncio
import itertools
from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Callable, Collection, Coroutine, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Generic, TypeVar

from queues.registry import Record, Registry
from service.observe.logs import Log
from service.observe.metrics import Metrics
from service.runs.lifecycle import until_rest
from service.serve.aside import Aside
from service.serve.deciding import Deciding
from service.serve.errors import not_found
from service.serve.files import Files
from service.serve.shared import Meter, Shared
from service.serve.state import QuotaSpent
from service.serve.who import Caller
from stages.core.errors import TamisError

CANCEL_S = 5.0
"""How long the calls in flight of what is cancelled may take to come home; they are paid for either way."""
DISK_EVERY_S = 10.0
FOLDERS = {"job": "jobs", "batch": "batches"}


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What jobs and batches need of the service around them. `unfinished(tenant)`: those of a tenant, of both kinds."""

    registry: Registry
    shared: Shared
    meter: Meter
    aside: Aside
    metrics: Metrics
    files: Files
    callers: Mapping[str, Caller]
    log: Log
    data: Path
    unfinished: Callable[[str], list[Record]]
    deciding: Deciding

    def folder(self, record: Record) -> Path:
        """Return where a job or batch has its ledger; ids are made here and nowhere else."""
        return self.data / FOLDERS[record.kind] / record.id

    def too_many_seeds(self, caller: Caller, more: int) -> str:
        """Return how so many more seeds are beyond a caller's quota, an empty text where they are not."""
        quota = caller.quotas.queued_seeds
        held = sum(record.body["seeds"] for record in self.unfinished(caller.tenant))
        if quota is None or held + more <= quota:
            return ""
        return f"your jobs and batches would have {held + more:,} seeds and requests, and may have {quota:,}"

    async def disk_left(self, caller: Caller) -> int | None:
        """Return how many bytes a caller may still put on the disk (None: no quota).

        What has not ended counts as it is now, all else as it is registered.
        """
        if caller.quotas.disk_mb is None:
            return None
        held = await self.registry.total(caller.tenant, "bytes")
        unfinished = self.unfinished(caller.tenant)
        then = sum(int(record.body["bytes"]) for record in unfinished)
        now = await asyncio.to_thread(lambda: sum(size_of(self.folder(record)) for record in unfinished))
        return caller.quotas.disk_mb * 10**6 - held + then - now

    async def guard_disk(self, caller: Caller, stop: Callable[[TamisError], None]) -> None:
        """Stop what works for a caller who has no room left on the disk."""
        while (left := await self.disk_left(caller)) is not None:
            if left < 0:
                stop(QuotaSpent("your quota of disk is full", "delete files or jobs, then resume this one"))
            await asyncio.sleep(DISK_EVERY_S)


def size_of(folder: Path) -> int:
    """Return the bytes of all files below a folder; those that vanish meanwhile count nothing."""
    total = 0
    for path in folder.rglob("*"):
        try:
            total += path.stat().st_size
        except FileNotFoundError:
            continue
    return total


@dataclass(slots=True)
class Live:
    """A thing that has not ended: what is registered of it, and what works on it now."""

    record: Record
    task: asyncio.Task[None] | None = None


L = TypeVar("L", bound=Live)


class Line(ABC, Generic[L]):
    """All things of one kind. Those in one of `unfinished_states` are in memory, the others in the registry alone.

    One that `waits` (a state) needs a place, and has it while it `works`. `states` counts all of them by state.
    """

    kind: str
    unfinished_states: Collection[str]
    waits: str
    works: str

    def __init__(self, around: Surroundings, concurrent: int, tasks: asyncio.TaskGroup) -> None:
        self._around, self._concurrent, self._tasks = around, concurrent, tasks
        self._live: dict[str, L] = {}
        self._served: dict[str, int] = {}
        self._turn = itertools.count(1)
        self.states: Counter[str] = Counter()
        self.closing = False

    @abstractmethod
    def _taken(self, record: Record) -> L:
        """Return a thing that has not ended, with nothing that works on it yet."""

    @abstractmethod
    def _give_place(self, live: L) -> None:
        """Start to work on a thing that waited."""

    @abstractmethod
    def _heed(self, live: L) -> None:
        """Let what works on a thing know what somebody asked for."""

    @abstractmethod
    def _interrupt(self, live: L, drain_s: float) -> None:
        """Let what works on a thing come home: the service ends."""

    @abstractmethod
    def _abort(self, live: L) -> None:
        """Stop what works on a thing at once."""

    async def begin(self) -> None:
        """Take up what earlier processes left."""
        self.states = await self._around.registry.states(self.kind)
        for record in await self._around.registry.all(self.kind, self.unfinished_states):
            self._live[record.id] = self._taken(record)
        self._schedule()

    async def end(self, drain_s: float, abort: asyncio.Event) -> None:
        """Start no more, drain what works for so long, then cut it short; all of it goes on at the next start."""
        self.closing = True
        for live in self._live.values():
            self._interrupt(live, drain_s)
        if tasks := [live.task for live in self._live.values() if live.task is not None]:
            await until_rest(asyncio.wait(tasks), asyncio.sleep(drain_s), abort)
            for live in self._live.values():
                self._abort(live)
            await asyncio.wait(tasks)

    def unfinished(self, tenant: str) -> list[Record]:
        """Return those of a tenant that have not ended; how one ended may still be on its way into the registry."""
        mine = [live.record for live in self._live.values() if live.record.tenant == tenant]
        return [record for record in mine if record.state in self.unfinished_states]

    async def add(self, record: Record, key: str | None, digest: str) -> Record:
        """Take a new thing, and return it, or the one that came with this key before."""
        added = await self._around.registry.add(record, key, digest)
        if added.id == record.id:
            self._live[record.id] = self._taken(record)
            self.states[record.state] += 1
            self._schedule()
        return added

    async def get(self, caller: Caller, thing: str) -> Record:
        """Return a caller's thing. Raises ApiError 404."""
        live = self._live.get(thing)
        if live is not None and live.record.tenant == caller.tenant:
            return live.record
        found = await self._around.registry.get(self.kind, thing, caller.tenant)
        if found is None:
            raise not_found(self.kind, thing)
        return found

    async def change(self, caller: Caller, thing: str, asked: Callable[[Record], Record]) -> Record:
        """Let a thing become what somebody asked for, and return it. Raises ApiError 404, 409."""
        return await self._around.deciding(self._changed(caller, thing, asked))

    async def _changed(self, caller: Caller, thing: str, asked: Callable[[Record], Record]) -> Record:
        before = await self.get(caller, thing)
        live = self._live.get(thing) or self._taken(before)
        after = asked(live.record)
        if after is not live.record:
            self._live[thing] = live
            self._change(live, after)
            self._heed(live)
            await self._commit(live)
            self._schedule()
        return after

    def _schedule(self) -> None:
        """Give places: first to tenants that have the fewest, then to those that were served the longest ago."""
        while not self.closing:
            working = [
                live for live in self._live.values() if live.task is not None and live.record.state == self.works
            ]
            waiting = [live for live in self._live.values() if live.task is None and live.record.state == self.waits]
            if not waiting or len(working) >= self._concurrent:
                return
            busy = Counter(live.record.tenant for live in working)
            live = min(waiting, key=lambda one: self._rank(one.record, busy))
            self._served[live.record.tenant] = next(self._turn)
            self._give_place(live)

    def _rank(self, record: Record, busy: Counter[str]) -> tuple[int, int, int, int]:
        tenant = record.tenant
        return busy[tenant], self._served.get(tenant, 0), -record.body.get("priority", 0), record.created_at

    def _start(self, live: L, work: Coroutine[Any, Any, None]) -> None:
        live.task = self._tasks.create_task(self._through(live, work), name=live.record.id)

    async def _through(self, live: L, work: Coroutine[Any, Any, None]) -> None:
        try:
            await work
        finally:
            live.task = None
        self._schedule()

    def _change(self, live: L, record: Record) -> None:
        self.states[live.record.state] -= 1
        self.states[record.state] += 1
        live.record = record

    async def _commit(self, live: L) -> None:
        """Commit what a thing is now; one that has ended is in the registry alone from then on."""
        record = live.record
        await self._around.registry.put(record)
        if live.record is record and record.state not in self.unfinished_states:
            self._live.pop(record.id, None)
