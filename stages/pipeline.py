"""A pipeline: phases of stages, joined by bounded queues.

Inside a phase a group walks from stage to stage as fast as it can. Between two phases stands a stage that needs to see
every group (`PhaseStage`): groups before it are parked in the store, out of memory and out of admission, and are
streamed through it in canonical order when the phase before has ended.

Invariants: at most `in_flight` groups are in a phase, beside the seeds that came out of them; forward puts wait, the
again edge never does, so there is no circle of waiting; a group is settled or parked exactly once.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from typing import Any, Literal

from queues.bounded import BoundedQueue
from stages.core.base import Again, ClaimStage, Emit, Outcome, PhaseStage, Stage, Wait, first_error
from stages.core.events import GroupSettled, GroupStarted, Observe
from stages.core.record import Group, Seed
from stages.core.store import SeedState, Store
from stages.worker import Workers

GoesOn = Literal["all", "live", "none"]
"""Which groups a phase hands to the next: also those without a live candidate, where a later stage works on seeds."""

Supervise = Callable[[Coroutine[Any, Any, None]], Awaitable[bool]]
"""Runs one phase, perhaps cutting it short, and tells whether the next one may begin."""


Arrive = Callable[[], Awaitable[None]]
"""Returns when there is what groups were postponed for."""


async def at_once() -> None:
    """Return: nothing that a group waits for is under way."""


async def unsupervised(phase: Coroutine[Any, Any, None]) -> bool:
    """Run a phase to its end."""
    await phase
    return True


@dataclass(frozen=True, slots=True)
class Sizes:
    """How much may be under way: groups in a phase, workers of a stage, groups queued before a stage."""

    in_flight: int
    workers: int
    queue: int


class Pipeline:
    """Runs stages over groups. `run` returns when every group is settled."""

    def __init__(
        self,
        stages: Sequence[Stage],
        store: Store,
        sizes: Sizes,
        observe: Observe | None = None,
        arrive: Arrive = at_once,
    ) -> None:
        self.stages = tuple(stages)
        self._store, self._sizes, self._observe, self._arrive = store, sizes, observe, arrive
        self.flows = self._split()

    def _split(self) -> list[Flow]:
        """Cut the stages at each phase stage: the flow after it begins with what it lets through."""
        phases: list[tuple[PhaseStage | None, list[Stage]]] = [(None, [])]
        for stage in self.stages:
            if isinstance(stage, PhaseStage):
                phases.append((stage, []))
            else:
                phases[-1][1].append(stage)
        flows = []
        for phase, (gate, row) in enumerate(phases):
            later = [stage for _, others in phases[phase + 1 :] for stage in others]
            goes_on: GoesOn = "live" if phase + 1 < len(phases) else "none"
            if any(stage.on_seeds for stage in later) and not any(stage.makes_candidates for stage in later):
                goes_on = "all"
            flows.append(Flow(row, gate, self._store, self._sizes, phase, goes_on, self._observe, self._arrive))
        return flows

    async def run(self, groups: AsyncIterator[Group], supervise: Supervise = unsupervised) -> None:
        """Run every group through every phase. Raises the first error of a stage, unwrapped."""
        async with AsyncExitStack() as stack:
            for stage in self.stages:
                stack.push_async_callback(stage.stop)
                await stage.start()
            for flow in self.flows:
                if not await supervise(flow.run(groups if flow.gate is None else flow.decided(flow.gate))):
                    return


@dataclass(slots=True)
class _Family:
    """A seed that gave others, and how many of them are not out yet (one more while they are still being sent on)."""

    parent: Group
    left: int


class Flow:
    """One phase: admission, stages with their queues and workers, and the way out."""

    def __init__(
        self,
        stages: Sequence[Stage],
        gate: PhaseStage | None,
        store: Store,
        sizes: Sizes,
        phase: int,
        goes_on: GoesOn,
        observe: Observe | None,
        arrive: Arrive,
    ) -> None:
        self.gate, self._store, self._sizes, self.phase, self._goes_on = gate, store, sizes, phase, goes_on
        self._observe, self._arrive = observe, arrive
        self.workers = [
            Workers(index, stage, BoundedQueue[Group](sizes.queue), sizes.workers, self._leave)
            for index, stage in enumerate(stages)
        ]
        self.in_flight = 0
        self._families: dict[int, _Family] = {}
        self._freed = asyncio.Event()
        self._tasks = asyncio.TaskGroup()

    async def run(self, groups: AsyncIterator[Group]) -> None:
        """Take groups through, then those that waited for others or for replies, round by round, until none waits."""
        try:
            async with asyncio.TaskGroup() as self._tasks:
                await self._replay()
                await self._through(groups)
                await self._arrive()
                while await self._through(self._store.waiting(self.phase)):
                    await self._arrive()
                for workers in self.workers:
                    workers.inbox.close()
        except BaseExceptionGroup as errors:
            raise first_error(errors) from None

    async def _replay(self) -> None:
        """Tell the stages where groups claim what earlier processes let pass."""
        stages = ((workers.index, workers.stage) for workers in self.workers)
        if claiming := {index: stage for index, stage in stages if isinstance(stage, ClaimStage)}:
            async for group, waits in self._store.reached(self.phase):
                for index, stage in claiming.items():
                    if not waits or self._place(group) > index:
                        await stage.replay(group, on_its_way=waits)

    def _place(self, group: Group) -> int:
        """Return the stage that a group comes in at: the first, or the one it waited at."""
        return next((workers.index for workers in self.workers if workers.stage.name == group.at), 0)

    async def _through(self, groups: AsyncIterator[Group]) -> int:
        """Admit groups while fewer than `in_flight` are under way; return how many, when all have left."""
        count = 0
        async for group in groups:
            await self._room(self._sizes.in_flight)
            count += 1
            self._started(group)
            if group.at:
                index, group.at = self._place(group), ""
                await self._enter(index, group)
            elif self.workers:
                await self._enter(0 if group.live or not group.candidates else self._next_for_seeds(-1), group)
            else:  # nothing to do but to commit, and commits are made in groups
                self._tasks.create_task(self._out(group), name="settle")
        await self._room(1)
        return count

    async def decided(self, gate: PhaseStage) -> AsyncIterator[Group]:
        """Stream the parked groups through the phase stage, in canonical order, and yield those that go on.

        What an earlier process let pass is surveyed too: it stands, whatever comes now. Those that wait at a stage
        behind have passed as well, and come in again with the rounds.
        """
        for _ in range(gate.passes - 1):
            async for group, _waits in self._store.reached(self.phase):
                await gate.survey(group)
        async for group in self._store.waiting(self.phase):
            if not group.at:
                await gate.process(group)
                yield group

    async def _room(self, limit: int) -> None:
        while self.in_flight >= limit:
            self._freed.clear()
            await self._freed.wait()

    async def _enter(self, index: int, group: Group) -> None:
        if index < len(self.workers):
            await self.workers[index].take(group, self._tasks)
        else:
            await self._out(group)

    async def _leave(self, index: int, group: Group, outcome: Outcome) -> None:
        """Decide where a group goes that a stage is done with."""
        if isinstance(outcome, Again):
            group.wave, group.more = group.wave + 1, outcome.candidates
            maker = max(at for at in range(index + 1) if self.workers[at].stage.makes_candidates)
            self.workers[maker].take_again(group, self._tasks)
        elif isinstance(outcome, Wait):
            group.at = self.workers[index].stage.name
            await self._store.park(group, self.phase)
            for do in outcome.then:
                do()
            await self._gone("waiting", group)
        elif isinstance(outcome, Emit):  # without seeds there is nothing that later stages could work on
            await (self._expand(index, group, outcome.seeds) if outcome.seeds else self._out(group))
        elif group.live:
            await self._enter(index + 1, group)
        else:
            await self._enter(self._next_for_seeds(index), group)

    async def _expand(self, index: int, parent: Group, seeds: Sequence[Seed]) -> None:
        """Send seeds on as groups of their own; their parent is settled when the last of them is out."""
        family = _Family(parent, len(seeds) + 1)
        for seed in seeds:
            child = self._store.fresh(seed)
            if child is None:
                family.left -= 1
                continue
            self._families[seed.no] = family
            self._started(child)
            await self._enter(index + 1, child)
        await self._one_out(family)

    async def _one_out(self, family: _Family) -> None:
        family.left -= 1
        if not family.left:
            await self._store.settle(family.parent, "expanded", self.phase)
            await self._left("expanded", family.parent)

    def _started(self, group: Group) -> None:
        self.in_flight += 1
        if self._observe is not None:
            self._observe(GroupStarted(group.seed.id, self.phase))

    def _next_for_seeds(self, index: int) -> int:
        """Return the next stage that has work on a seed without live candidates."""
        later = range(index + 1, len(self.workers))
        working = (at for at in later if self.workers[at].stage.on_seeds or self.workers[at].stage.makes_candidates)
        return next(working, len(self.workers))

    async def _out(self, group: Group) -> None:
        """Commit a group that has walked through the phase: parked for the next one, or settled for good."""
        if self._goes_on == "all" or (self._goes_on == "live" and group.live):
            await self._store.park(group, self.phase + 1)
            await self._left("parked", group)
        else:
            for candidate in group.live:
                group.accept(candidate)
            state = settled_state(group)
            await self._store.settle(group, state, self.phase)
            await self._left(state, group)

    async def _left(self, outcome: SeedState | Literal["parked"], group: Group) -> None:
        """Tell the stages that a group has left the phase."""
        for workers in self.workers:
            workers.stage.left(group)
        await self._gone(outcome, group)

    async def _gone(self, outcome: SeedState | Literal["parked", "waiting"], group: Group) -> None:
        """Make room for another group: this one is committed, and out of memory."""
        self.in_flight -= 1
        self._freed.set()
        if self._observe is not None:
            accepted = sum(candidate.state == "accepted" for candidate in group.candidates)
            self._observe(GroupSettled(outcome, accepted, len(group.candidates)))
        if (family := self._families.pop(group.seed.no, None)) is not None:
            await self._one_out(family)


def settled_state(group: Group) -> SeedState:
    """Name how a seed ended: solved by one acceptance; failed where nothing was even judged; else unsolved."""
    states = {candidate.state for candidate in group.candidates}
    if "accepted" in states:
        return "solved"
    return "unsolved" if "rejected" in states else "failed"
