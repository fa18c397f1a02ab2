from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st
from virtual_time import now, run

from queues.pace import CoolDown, Pace, TokenBucket


class Clock:
    """A clock that stands still until told otherwise."""

    def __init__(self) -> None:
        self.time = 1000.0

    def __call__(self) -> float:
        return self.time


def test_a_bucket_starts_full_and_says_how_long_the_rest_takes() -> None:
    clock = Clock()
    bucket = TokenBucket(rate=10, capacity=5, clock=clock)
    assert bucket.wait(5) == 0
    bucket.take(5)
    assert bucket.wait(4) == pytest.approx(0.4)
    clock.time += 0.4
    assert bucket.wait(4) == 0


def test_a_bucket_never_holds_more_than_its_capacity() -> None:
    clock = Clock()
    bucket = TokenBucket(rate=10, capacity=5, clock=clock)
    clock.time += 3600
    bucket.give(100)
    assert bucket.level == 5


def test_an_amount_above_the_capacity_waits_for_a_full_bucket_and_leaves_a_debt() -> None:
    clock = Clock()
    bucket = TokenBucket(rate=10, capacity=5, clock=clock)
    assert bucket.wait(25) == 0
    bucket.take(25)
    assert bucket.level == -20
    assert bucket.wait(1) == pytest.approx(2.1)
    assert bucket.wait(25) == pytest.approx(2.5)


def test_what_was_used_beyond_the_reservation_is_taken_too() -> None:
    bucket = TokenBucket(rate=10, capacity=5, clock=Clock())
    bucket.take(3)
    bucket.give(-4)
    assert bucket.level == -2


@given(
    amounts=st.lists(st.floats(0.1, 50), min_size=1, max_size=30),
    rate=st.floats(0.1, 1000),
    capacity=st.floats(1, 20),
    idle=st.lists(st.floats(0, 10), min_size=30, max_size=30),
)
def test_who_waits_as_told_never_takes_more_than_flows_in(
    amounts: list[float], rate: float, capacity: float, idle: list[float]
) -> None:
    clock = Clock()
    bucket = TokenBucket(rate, capacity, clock)
    start, before = clock(), 0.0
    for amount, pause in zip(amounts, idle, strict=False):
        clock.time += pause
        clock.time += bucket.wait(amount)
        # What went before has flowed in, and so has this amount or a full bucket of it.
        assert before + min(amount, capacity) <= capacity + rate * (clock() - start) * (1 + 1e-6) + 1e-6
        bucket.take(amount)
        before += amount


def test_a_cool_down_lets_the_requests_back_one_after_another() -> None:
    clock = Clock()
    cool = CoolDown(seconds=2, places=4, clock=clock)
    assert cool.wait() == 2
    clock.time += 2
    for _ in range(3):
        assert cool.wait() == 0
        cool.take()
        assert cool.wait() == 0.25
        assert not cool.over
        clock.time += 0.25
    cool.take()
    assert cool.over


async def _times(per_minute: int, count: int, lag: Callable[[], float] = lambda: 0.0) -> list[float]:
    """Send `count` requests as a gate's dispatcher does; return when each went."""
    pace = Pace(per_minute, now)
    times = []
    for _ in range(count):
        while wait := pace.wait():  # noqa: ASYNC110  it sleeps as long as it is told, and does not poll
            await asyncio.sleep(wait + lag())
        await pace.slot()
        pace.use()
        times.append(now())
    return times


@pytest.mark.usefixtures("throttle_in_virtual_time")
@pytest.mark.parametrize("per_minute", [6, 60, 90, 600, 6_000, 60_000])
def test_no_window_holds_more_requests_than_the_limit_and_none_is_wasted(per_minute: int) -> None:
    """With a loop that wakes up to 8 ms late: at least 98 % of the limit, and never one too many in its window."""
    rate = per_minute / 60
    slots = max(1, round(rate))
    count = 30 * slots + 1
    lags = (0.001 * (n * 7 % 9) for n in range(10**9))
    times = run(_times(per_minute, count, lambda: next(lags)))
    assert all(later - first > slots / rate for first, later in zip(times, times[slots:], strict=False))
    assert (count - 1) / (times[-1] - times[0]) >= 0.98 * rate


@pytest.mark.usefixtures("throttle_in_virtual_time")
def test_requests_leave_evenly_and_not_a_window_at_a_time() -> None:
    """asyncio-throttle alone would send the first hundred at once."""
    times = run(_times(6_000, 500))
    for start in range(len(times)):
        together = sum(times[start] <= time < times[start] + 0.1 for time in times)
        assert together <= 10 + 6


@pytest.mark.usefixtures("throttle_in_virtual_time")
def test_a_slot_that_was_not_used_goes_to_the_next_request() -> None:
    async def main() -> None:
        pace = Pace(60, now)
        await pace.slot()
        pace.use()
        assert not pace.has_slot
        pace.unused()
        assert pace.has_slot
        assert pace.wait() == 0

    run(main())


@pytest.mark.usefixtures("throttle_in_virtual_time")
def test_a_cancelled_wait_for_a_slot_takes_none() -> None:
    async def main() -> None:
        pace = Pace(60, now)
        await pace.slot()
        pace.use()
        started = now()
        waiting = asyncio.create_task(pace.slot())
        await asyncio.sleep(0.5)
        waiting.cancel()
        await asyncio.gather(waiting, return_exceptions=True)
        assert not pace.has_slot
        await pace.slot()
        assert now() - started == pytest.approx(1, abs=0.02)

    run(main())
