"""What jobs and batches have in common: the line that they wait in, and the quotas that they share."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any, cast

import pytest

from config.service import Quotas
from queues.registry import Record, Registry, new_record
from service.serve.deciding import Deciding
from service.serve.errors import ApiError
from service.serve.jobs import Jobs
from service.serve.line import Line, Live, Surroundings
from service.serve.shared import Meter
from service.serve.submit import Desk
from service.serve.who import Caller


class Errands(Line[Live]):
    """Things that are done at once, when it is their turn."""

    kind, unfinished_states = "job", ("queued", "running")
    waits, works = "queued", "running"

    def __init__(self, around: Surroundings, tasks: asyncio.TaskGroup, places: int = 1) -> None:
        super().__init__(around, places, tasks)
        self.served: list[str] = []
        self.held: list[int] = []

    def _taken(self, record: Record) -> Live:
        return Live(record)

    def _give_place(self, live: Live) -> None:
        self.served.append(live.record.tenant)
        self._change(live, live.record.now("running"))
        self._start(live, self._run(live))

    async def _run(self, live: Live) -> None:
        self._change(live, live.record.now("complete"))
        self.held.append(len(self.unfinished(live.record.tenant)))
        await self._commit(live)

    def _heed(self, live: Live) -> None: ...

    def _interrupt(self, live: Live, drain_s: float) -> None: ...

    def _abort(self, live: Live) -> None: ...


@pytest.fixture
async def registry(tmp_path: Path) -> AsyncIterator[Registry]:
    opened = Registry.open(tmp_path / "registry.sqlite")
    yield opened
    opened.close()


def surroundings(registry: Registry, data: Path, unfinished: Callable[[str], list[Record]]) -> Surroundings:
    absent = cast("Any", None)
    return Surroundings(
        registry=registry,
        shared=absent,
        meter=Meter(registry),
        aside=absent,
        metrics=absent,
        files=absent,
        callers={},
        log=absent,
        data=data,
        unfinished=unfinished,
        deciding=Deciding(),
    )


def errand(tenant: str, **body: Any) -> Record:
    return new_record("job", tenant, "queued", {"seeds": 1, "bytes": 0, **body})


async def test_tenants_take_turns_and_what_has_ended_is_in_the_registry_alone(
    registry: Registry, tmp_path: Path
) -> None:
    async with asyncio.TaskGroup() as tasks:
        line = Errands(surroundings(registry, tmp_path, lambda _: []), tasks)
        await line.begin()
        for tenant in ("a", "a", "a", "b"):
            await registry.add(errand(tenant))
        await line.begin()  # as at the next start
    assert line.served == ["a", "b", "a", "a"]
    assert line.held == [2, 0, 1, 0], "what has ended counts for no quota, registered or not"
    assert (line.unfinished("a"), line.states) == ([], {"complete": 4, "queued": 0, "running": 0})


async def test_what_several_jobs_and_batches_have_on_the_disk_is_added_up(registry: Registry, tmp_path: Path) -> None:
    unfinished = [errand("a"), errand("a", bytes=200_000), new_record("batch", "a", "in_progress", {"bytes": 0})]
    around = surroundings(registry, tmp_path, lambda _: unfinished)
    for record in unfinished:
        await registry.add(record)
        around.folder(record).mkdir(parents=True)
        (around.folder(record) / "ledger.sqlite").write_bytes(b"x" * 400_000)
    caller = Caller("a", {}, Quotas(disk_mb=1))
    assert await around.disk_left(caller) == -200_000
    stopped: list[str] = []
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(1):
            await around.guard_disk(caller, lambda cause: stopped.append(str(cause)))
    assert stopped == ["your quota of disk is full"]
    assert await around.disk_left(Caller("a", {}, Quotas())) is None


async def test_a_job_and_a_batch_at_once_are_not_more_than_the_quota(registry: Registry, tmp_path: Path) -> None:
    async with asyncio.TaskGroup() as tasks:
        lines: list[Errands] = []
        around = surroundings(registry, tmp_path, lambda tenant: [r for line in lines for r in line.unfinished(tenant)])
        lines += [Errands(around, tasks, places=0), Errands(around, tasks, places=0)]
        desk = Desk(around, cast("Jobs", lines[0]))
        caller = Caller("a", {}, Quotas(jobs=1))
        asked = [desk.register(line, caller, errand("a"), None, "") for line in lines]
        added, refused = await asyncio.gather(*asked, return_exceptions=True)
    assert isinstance(added, Record)
    assert isinstance(refused, ApiError)
    assert (refused.status, refused.code) == (429, "jobs")


async def test_of_two_who_begin_an_ended_thing_again_the_second_is_told_that_it_goes_on(
    registry: Registry, tmp_path: Path
) -> None:
    def again(record: Record) -> Record:
        if record.state != "complete":
            raise ApiError(409, "it goes on")
        return record.now("queued")

    ended = await registry.add(errand("a").now("complete"))
    async with asyncio.TaskGroup() as tasks:
        line = Errands(surroundings(registry, tmp_path, lambda _: []), tasks)
        line.closing = True  # nothing is given a place
        caller = Caller("a", {}, Quotas())
        changed = await asyncio.gather(
            *(line.change(caller, ended.id, again) for _ in range(2)), return_exceptions=True
        )
    assert [type(one) for one in changed] == [Record, ApiError]
    assert [one.state for one in line.unfinished("a")] == ["queued"]


async def test_a_key_that_comes_twice_at_once_gives_one_thing_though_no_second_is_within_the_quota(
    registry: Registry, tmp_path: Path
) -> None:
    async with asyncio.TaskGroup() as tasks:
        around = surroundings(registry, tmp_path, lambda _: line.unfinished("a"))
        line = Errands(around, tasks, places=0)  # what waits counts for the quota
        desk = Desk(around, cast("Jobs", line))
        caller = Caller("a", {}, Quotas(jobs=1))
        asked = [desk.register(line, caller, errand("a"), "key", "digest") for _ in range(3)]
        added = await asyncio.gather(*asked)
    assert len({record.id for record in added}) == 1
    assert [record.id for record in line.unfinished("a")] == [added[0].id]


@pytest.mark.parametrize("steps", range(8))
async def test_what_is_registered_is_done_whenever_who_asked_for_it_hangs_up(
    registry: Registry, tmp_path: Path, steps: int
) -> None:
    async with asyncio.TaskGroup() as tasks:
        around = surroundings(registry, tmp_path, lambda _: [])
        line = Errands(around, tasks)
        desk = Desk(around, cast("Jobs", line))
        asked = asyncio.create_task(desk.register(line, Caller("a", {}, Quotas()), errand("a"), None, ""))
        for _ in range(steps):
            await asyncio.sleep(0)
        asked.cancel()
        await asyncio.wait({asked})
    assert (await registry.states("job")) == ({"complete": 1} if line.served else {})
