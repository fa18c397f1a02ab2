"""The workers of one stage: get a group, process it, hand it on.

Workers are started when groups wait and none is idle, up to a limit; so a stage that nothing reaches costs nothing.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from queues.bounded import BoundedQueue, QueueClosed
from stages.core.base import Outcome, Postponed, Stage, Wait
from stages.core.record import Group

Leave = Callable[[int, Group, Outcome], Awaitable[None]]


class Workers:
    """A stage with its inbox. `leave(index, group, outcome)` is told of every group that the stage is done with."""

    def __init__(self, index: int, stage: Stage, inbox: BoundedQueue[Group], limit: int, leave: Leave) -> None:
        self.index, self.stage, self.inbox = index, stage, inbox
        self._limit, self._leave = limit, leave
        self.count = self.busy = 0

    async def take(self, group: Group, tasks: asyncio.TaskGroup) -> None:
        """Queue a group, waiting while the inbox is full."""
        self._hire(tasks)
        await self.inbox.put(group)

    def take_again(self, group: Group, tasks: asyncio.TaskGroup) -> None:
        """Queue a group that was here before; never waits, since it is one of those already in flight."""
        self._hire(tasks)
        self.inbox.put_again(group)

    def _hire(self, tasks: asyncio.TaskGroup) -> None:
        if self.busy + len(self.inbox) >= self.count < self._limit:
            tasks.create_task(self._work(), name=f"{self.stage.name}-{self.count}")
            self.count += 1

    async def _work(self) -> None:
        while True:
            try:
                group = await self.inbox.get()
            except QueueClosed:
                return
            self.busy += 1
            try:
                await self._leave(self.index, group, await self._processed(group))
            finally:
                self.busy -= 1

    async def _processed(self, group: Group) -> Outcome:
        try:
            return await self.stage.process(group)
        except Postponed as postponed:
            return Wait(postponed.then)
