from __future__ import annotations

import asyncio

import pytest
from gates import dispatched, line_up
from virtual_time import idle, now, run

from queues.gate import Gate, GateLimits, NeverAdmitted


def test_a_free_gate_admits_without_a_single_turn_of_the_loop() -> None:
    async def main() -> None:
        gate = Gate(GateLimits(max_concurrency=1, tokens_per_minute=600))
        with pytest.raises(StopIteration):
            gate.admit(5, (0,)).send(None)

    run(main())


def test_concurrency_is_held_and_handed_on_without_a_dispatcher() -> None:
    async def main() -> None:
        gate = Gate(GateLimits(max_concurrency=2))
        first, _ = await gate.admit(), await gate.admit()
        third = line_up(gate)
        await idle()
        assert not third.done()
        first.done()
        assert (await third) is not first
        assert gate.statistics().in_flight == 2

    run(main())


def test_where_no_limit_is_given_a_few_go_at_once() -> None:
    async def main() -> None:
        gate = Gate(GateLimits())
        for _ in range(16):
            await gate.admit(1_000_000)
        assert repr(gate) == "<Gate unnamed 16/16 (rising, at most 1,024) in flight, nobody waiting>"
        waiting = line_up(gate)
        await idle()
        assert not waiting.done()
        waiting.cancel()

    run(main())


def test_the_lowest_priority_goes_first_and_then_the_eldest() -> None:
    async def main() -> None:
        gate = Gate(GateLimits(max_concurrency=1))
        lease = await gate.admit()
        went: list[str] = []

        async def go(name: str, priority: tuple[int, ...]) -> None:
            lease = await gate.admit(0, priority)
            went.append(name)
            lease.done()

        asked = {"young": (0, 9), "old": (0, 1), "old too": (0, 1), "deep": (-3, 9), "deeper": (-4, 7)}
        async with asyncio.TaskGroup() as tasks:
            for name, priority in asked.items():
                tasks.create_task(go(name, priority))
            await idle()
            lease.done()
        assert went == ["deeper", "deep", "old", "old too", "young"]

    run(main())


def test_a_large_request_at_the_head_is_not_overtaken_by_small_ones() -> None:
    async def main() -> None:
        async with dispatched(Gate(GateLimits(tokens_per_minute=6_000), clock=now)) as gate:
            await gate.admit(40)
            large, small = line_up(gate, 50), line_up(gate, 1)
            await idle()
            assert not large.done() and not small.done()
            await large
            assert not small.done()
            await small

    run(main())


def test_a_lease_ends_once() -> None:
    async def main() -> None:
        gate = Gate(GateLimits(max_concurrency=3, tokens_per_minute=600), clock=now)
        lease, _ = await gate.admit(5), await gate.admit(0)
        lease.done(5)
        lease.done(0)
        lease.refund()
        assert gate.statistics().in_flight == 1
        waiting = line_up(gate, 1)
        await idle()
        assert not waiting.done(), "the tokens came back although they were used"
        waiting.cancel()

    run(main())


@pytest.mark.parametrize(
    ("ending", "seconds"), [("done 20", 0.4), ("done unknown", 0.8), ("done 50", 1.0), ("refund", 0.0)]
)
def test_the_reservation_is_corrected_to_what_was_used(ending: str, seconds: float) -> None:
    """3,000 tokens a minute are 50 a second, of which 25 may go at once; 40 reserved leave a debt of 15."""

    async def main() -> float:
        async with dispatched(Gate(GateLimits(tokens_per_minute=3_000), clock=now)) as gate:
            lease = await gate.admit(40)
            started = now()
            match ending.split():
                case ["refund"]:
                    lease.refund()
                case ["done", "unknown"]:
                    lease.done()
                case ["done", used]:
                    lease.done(int(used))
            await gate.admit(25)
            return now() - started

    assert run(main()) == pytest.approx(seconds, abs=0.003)


def test_a_returning_reservation_wakes_who_waits_for_tokens() -> None:
    async def main() -> None:
        async with dispatched(Gate(GateLimits(tokens_per_minute=60), clock=now)) as gate:
            lease = await gate.admit(60)
            waiting = line_up(gate, 1)
            await idle()
            assert gate.statistics().next_s == pytest.approx(60)
            lease.done(0)
            await waiting
            assert now() == 1000

    run(main())


def test_a_request_above_a_second_s_tokens_goes_alone_and_what_follows_pays_for_it() -> None:
    async def main() -> None:
        async with dispatched(Gate(GateLimits(tokens_per_minute=600), clock=now)) as gate:
            (await gate.admit(100)).done()
            (await gate.admit(100)).done()
            assert now() == pytest.approx(1010, abs=0.01)

    run(main())


def test_a_request_that_no_minute_can_admit_fails_at_once() -> None:
    async def main() -> None:
        gate = Gate(GateLimits(tokens_per_minute=600))
        with pytest.raises(NeverAdmitted, match=r"may take 1,601 tokens .* more than the 600"):
            await gate.admit(1_601)
        assert gate.statistics().in_flight == 0

    run(main())


@pytest.mark.usefixtures("throttle_in_virtual_time")
def test_at_thousands_of_requests_a_second_several_are_admitted_at_a_time() -> None:
    async def main() -> None:
        async with dispatched(Gate(GateLimits(requests_per_minute=300_000), clock=now)) as gate:
            times = set()
            for _ in range(5_000):
                (await gate.admit()).done()
                times.add(now())
            assert now() - 1000 == pytest.approx(1, rel=0.06)
            assert len(times) <= 500

    run(main())


@pytest.mark.usefixtures("throttle_in_virtual_time")
def test_a_pace_admits_no_more_than_its_requests_a_minute() -> None:
    async def main() -> None:
        async with dispatched(Gate(GateLimits(requests_per_minute=120), clock=now)) as gate:
            for _ in range(21):
                (await gate.admit()).done()
            assert now() - 1000 == pytest.approx(10, rel=0.02)

    run(main())


@pytest.mark.usefixtures("throttle_in_virtual_time")
def test_cancelling_a_paced_waiter_passes_its_slot_on() -> None:
    """The coroutine is driven by hand, to cancel it between its admission and its next turn."""

    async def main() -> None:
        async with dispatched(Gate(GateLimits(requests_per_minute=60), clock=now)) as gate:
            await gate.admit()
            second = gate.admit()
            admission = second.send(None)
            third = line_up(gate)
            await asyncio.sleep(1.5)
            assert admission.done() and not third.done()
            started = now()
            with pytest.raises(asyncio.CancelledError):
                second.throw(asyncio.CancelledError())
            await third
            assert now() == started
            assert gate.statistics().in_flight == 2

    run(main())


@pytest.mark.usefixtures("throttle_in_virtual_time")
@pytest.mark.parametrize(
    ("limits", "leased", "line", "words"),
    [
        (GateLimits(max_concurrency=2), 2, 3, "2/2 in flight, 3 waiting for concurrency, next when a call returns"),
        (GateLimits(20, tokens_per_minute=600), 1, 2, "1/20 in flight, 2 waiting for tokens, next in 10.0 s"),
        (GateLimits(20, requests_per_minute=7), 1, 1, "1/20 in flight, 1 waiting for pace, next in 8.5 s"),
        (GateLimits(max_concurrency=9), 1, 0, "1/9 in flight, nobody waiting"),
    ],
)
def test_a_gate_says_what_its_line_waits_for(limits: GateLimits, leased: int, line: int, words: str) -> None:
    async def main() -> None:
        async with dispatched(Gate(limits, "gpu", clock=now)) as gate:
            for _ in range(leased):
                await gate.admit(100)
            waiting = [line_up(gate, 5) for _ in range(line)]
            await idle()
            assert repr(gate) == f"<Gate gpu {words}>"
            for task in waiting:
                task.cancel()
            await idle()
            assert gate.statistics().waiting == 0

    run(main())


def test_the_dispatcher_sleeps_and_does_not_poll() -> None:
    """An hour of waiting for tokens takes a few wake-ups."""

    async def main() -> int:
        turns = 0

        def clock() -> float:
            nonlocal turns
            turns += 1
            return now()

        async with dispatched(Gate(GateLimits(max_concurrency=5, tokens_per_minute=1), clock=clock)) as gate:
            await gate.admit(1)
            for _ in range(60):
                await gate.admit(1)
                if gate.statistics().in_flight == 5:
                    break
        assert now() == pytest.approx(1240, abs=1)
        return turns

    assert run(main()) < 100
