from __future__ import annotations

import asyncio

import pytest
from gates import dispatched, line_up
from virtual_time import idle, now, run

from queues.gate import Gate, GateLimits


def test_a_cool_down_stops_admission_and_the_line_comes_back_staggered() -> None:
    async def main() -> None:
        async with dispatched(Gate(GateLimits(max_concurrency=10), clock=now)) as gate:
            gate.cool(2)
            went: list[float] = []

            async def go() -> None:
                await gate.admit()
                went.append(now() - 1000)

            # The cool-down was for an empty gate; refused again with ten in line, it spreads ten.
            async with asyncio.TaskGroup() as tasks:
                for _ in range(10):
                    tasks.create_task(go())
                await idle()
                gate.cool(1)
            assert went == pytest.approx([2 + n / 10 for n in range(10)], abs=0.005)

    run(main())


def test_after_a_cool_down_the_gate_is_as_it_was() -> None:
    async def main() -> None:
        async with dispatched(Gate(GateLimits(200), clock=now)) as gate:
            gate.cool(1)
            await gate.admit()
            back = now()
            for _ in range(100):
                await gate.admit()
            assert now() == back

    run(main())


def test_a_cooling_gate_says_so() -> None:
    async def main() -> None:
        gate = Gate(GateLimits(9), "gpu", clock=now)
        gate.cool(3)
        waiting = line_up(gate)
        await idle()
        assert repr(gate) == "<Gate gpu 0/9 in flight, 1 waiting for cool-down, next in 3.0 s>"
        waiting.cancel()

    run(main())
