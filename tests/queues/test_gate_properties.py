"""What must hold for a gate whatever happens, in whatever order."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st
from virtual_time import idle, now, run

from queues.gate import Gate, GateLimits, Lease
from queues.pace import TokenBucket

_actions = st.lists(
    st.one_of(
        st.tuples(st.just("admit"), st.integers(-3, 0)),
        st.tuples(st.sampled_from(["done", "refund", "cancel"]), st.integers(0, 20)),
        st.tuples(st.sampled_from(["step", "idle", "cool"]), st.just(0)),
    ),
    max_size=60,
)


class Crowd:
    """Callers of one gate, and all that they were given."""

    def __init__(self, gate: Gate) -> None:
        self.gate = gate
        self.held: list[Lease] = []
        self.tasks: list[asyncio.Task[None]] = []
        self.went: list[tuple[int, int]] = []
        self._asked = 0

    def ask(self, priority: int) -> None:
        self._asked += 1
        self.tasks.append(asyncio.create_task(self._one((priority, self._asked))))

    async def _one(self, order: tuple[int, int]) -> None:
        lease = await self.gate.admit(10, order)
        self.held.append(lease)
        self.went.append(order)

    async def do(self, action: str, value: int) -> None:
        match action:
            case "admit":
                self.ask(value)
            case "done" | "refund" if self.held:
                lease = self.held.pop(value % len(self.held))
                lease.done(value) if action == "done" else lease.refund()
            case "cancel" if self.tasks:
                self.tasks[value % len(self.tasks)].cancel()
            case "cool":
                self.gate.cool(1)
            case "step":
                await asyncio.sleep(0)
            case "idle":
                await idle()

    async def leave(self) -> None:
        """Everyone goes home: waiters are cancelled, leases end."""
        for task in self.tasks:
            task.cancel()
        await asyncio.gather(*self.tasks, return_exceptions=True)
        for lease in self.held:
            lease.done(0)


@given(
    limit=st.integers(1, 3),
    per_minute=st.sampled_from([None, 600.0]),
    tokens=st.sampled_from([None, 1200.0]),
    actions=_actions,
)
@pytest.mark.usefixtures("throttle_in_virtual_time")
def test_the_limit_holds_and_no_place_is_lost_under_cancellation_at_any_moment(
    limit: int, per_minute: float | None, tokens: float | None, actions: list[tuple[str, int]]
) -> None:
    """A `cancel` without a `step` before it falls on a waiter that was just admitted and does not know it yet."""

    async def main() -> None:
        gate = Gate(GateLimits(limit, per_minute, tokens), clock=now)
        dispatcher = asyncio.create_task(gate.run())
        crowd = Crowd(gate)
        for action, value in actions:
            await crowd.do(action, value)
            assert gate.statistics().in_flight <= limit
            assert len(crowd.held) <= limit
        await crowd.leave()
        assert gate.statistics().in_flight == 0
        assert gate.statistics().waiting == 0
        async with asyncio.timeout(60):
            for _ in range(limit):
                await gate.admit(10)
        dispatcher.cancel()

    run(main())


@given(limit=st.integers(1, 3), actions=_actions.map(lambda actions: [a for a in actions if a[0] != "cool"]))
def test_nobody_waits_beside_a_free_place(limit: int, actions: list[tuple[str, int]]) -> None:
    async def main() -> None:
        gate = Gate(GateLimits(limit))
        crowd = Crowd(gate)
        for action, value in actions:
            await crowd.do(action, value)
            now = gate.statistics()
            assert not now.waiting or now.in_flight == limit
        await crowd.leave()

    run(main())


@given(limit=st.integers(1, 3), priorities=st.lists(st.integers(-5, 0), min_size=1, max_size=30))
def test_a_line_goes_by_priority_and_then_by_arrival(limit: int, priorities: list[int]) -> None:
    async def main() -> None:
        gate = Gate(GateLimits(limit))
        first = [await gate.admit() for _ in range(limit)]
        crowd = Crowd(gate)
        for priority in priorities:
            crowd.ask(priority)
        await idle()
        for lease in first:
            lease.done()
        while len(crowd.went) < len(priorities):
            await idle()
            if crowd.held:
                crowd.held.pop(0).done()
        assert crowd.went == sorted(crowd.went)

    run(main())


class Server:
    """A provider with a bucket of one second's worth, as the simulator has: it refuses what it has no tokens for.

    Replies take `seconds`; a request takes between 1 and 200 ms to reach it.
    """

    def __init__(self, per_minute: float, reserve: int, use: int, seconds: float) -> None:
        self.bucket = TokenBucket(per_minute / 60, per_minute / 60, now)
        self.reserve, self.use, self.seconds = reserve, use, seconds
        self.refused = 0
        self.served: list[float] = []
        self._random = random.Random(7)

    async def answer(self) -> None:
        await asyncio.sleep(self._random.uniform(0.001, 0.2))
        if self.bucket.wait(self.reserve):
            self.refused += 1
            return
        self.bucket.take(self.reserve)
        self.served.append(now())
        await asyncio.sleep(self.seconds)
        self.bucket.give(self.reserve - self.use)


async def saturate(gate: Gate, server: Server, seconds: float, reserve: Callable[[], int]) -> None:
    """Keep a line before the gate for `seconds`."""

    async def caller() -> None:
        while now() < 1000 + seconds:
            lease = await gate.admit(reserve())
            await server.answer()
            lease.done(server.use, work=1)

    dispatcher = asyncio.create_task(gate.run())
    callers = [asyncio.create_task(caller()) for _ in range(400)]
    await asyncio.sleep(seconds)
    for task in [dispatcher, *callers]:
        task.cancel()
    await asyncio.gather(dispatcher, *callers, return_exceptions=True)


@pytest.mark.usefixtures("throttle_in_virtual_time")
def test_a_known_request_limit_is_used_in_full_and_never_refused() -> None:
    async def main() -> None:
        server = Server(per_minute=6_000, reserve=1, use=1, seconds=0.5)
        await saturate(Gate(GateLimits(None, 6_000), clock=now), server, 100, lambda: 1)
        assert server.refused == 0
        for start in range(1010, 1040, 5):
            used = sum(start <= time < start + 60 for time in server.served)
            assert 0.97 * 6_000 <= used <= 6_000 + 20, "at most what 0.2 s of jitter can move into the minute"

    run(main())


def test_a_known_token_limit_is_used_in_full_and_never_refused() -> None:
    """What the bucket can give is its flow, since each call's unused 68 tokens come back; estimates err by 5 %."""

    async def main() -> None:
        server = Server(per_minute=300_000, reserve=188, use=120, seconds=2)
        estimates = random.Random(7)
        await saturate(
            Gate(GateLimits(None, None, 300_000), clock=now), server, 70, lambda: 128 + estimates.randint(57, 63)
        )
        assert server.refused == 0
        used = sum(120 for time in server.served if 1010 <= time < 1070)
        assert 0.95 * 300_000 <= used <= 1.01 * 300_000

    run(main())
