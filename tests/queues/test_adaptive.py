"""What a gate finds out about servers whose limits nobody told it."""

from __future__ import annotations

import asyncio
import math

import pytest
from gates import dispatched, line_up
from limited_server import Server, saturate
from virtual_time import idle, now, run

from queues.gate import Gate, GateLimits
from queues.refusals import RefusalLimit


def found(server: Server, seconds: float, given: int | None = None, **how: object) -> Gate:
    async def main() -> Gate:
        gate = Gate(GateLimits(given), "gpu", clock=now)
        await saturate(gate, server, seconds, **how)  # type: ignore[arg-type]  # the names are its parameters'
        return gate

    return run(main())


@pytest.mark.parametrize(
    ("call_s", "jitter", "given"),
    [(0.5, 0.0, None), (2.0, 0.0, None), (2.0, 0.3, None), (0.05, 0.2, None), (0.5, 0.2, 500), (0.002, 0, 100)],
)
def test_an_unknown_rate_is_used_and_seldom_passed(call_s: float, jitter: float, given: int | None) -> None:
    """100 calls a second, be they long or short; a call of 2 ms needs a fifth of a place."""
    server = Server(call_s, jitter, rate=100, trip_s=min(0.005, call_s / 2))
    found(server, 90, given)
    assert server.rate(30, 90) >= 93
    assert server.refused_share(30, 90) < 0.02


def test_a_rate_that_falls_and_rises_is_found_again() -> None:
    server = Server(0.5, rate=100)
    found(server, 190, at={50: lambda: server.change(50), 100: lambda: server.change(100)})
    assert server.rate(65, 100) >= 45 and server.refused_share(65, 100) < 0.03
    assert server.rate(160, 190) >= 85 and server.refused_share(160, 190) < 0.03


def test_a_number_that_is_refused_is_found_and_held() -> None:
    server = Server(1.0, most=100)
    gate = found(server, 90)
    assert server.rate(30, 90) >= 0.9 * 100 / 1.02
    assert server.refused_share(30, 90) < 0.02
    assert gate.statistics().found_by == "refusals"


@pytest.mark.parametrize("chance", [0.02, 0.23])
def test_a_server_that_refuses_by_chance_is_used_in_full(chance: float) -> None:
    """Fewer calls at once would be refused as often, so what was given is kept, as calls that are served."""
    server = Server(0.25, chance=chance)
    found(server, 30, given=100)
    assert server.rate(10, 30) >= 0.9 * 100 / 0.26


def test_after_an_outage_the_limit_is_what_it_was() -> None:
    server = Server(0.5, down=(20, 40))
    found(server, 60, given=200)
    assert sum(20.5 <= at < 40 for at in server.refused) < 250, "while it is down it is asked now and then"
    assert server.rate(50, 60) >= 0.95 * 200 / 0.51


@pytest.mark.parametrize("given", [24, 200])
@pytest.mark.parametrize("share", [0.5, 0.7, 0.85])
def test_half_a_minute_after_a_storm_the_limit_is_what_it_was(share: float, given: int) -> None:
    """Whatever was concluded from refusals that were nobody's fault, it does not slow a run down for long."""
    server = Server(0.5)
    storm = {20: lambda: setattr(server, "chance", share), 40: lambda: setattr(server, "chance", 0.0)}
    found(server, 90, given, at=storm, callers=2 * given)
    assert server.rate(75, 90) >= 0.95 * server.rate(10, 20)


def test_a_limit_that_is_found_again_and_again_is_looked_for_more_and_more_seldom() -> None:
    server = Server(1.0, rate=2)
    found(server, 1500)
    first, last = (sum(start <= at < start + 500 for at in server.refused) for start in (0, 1000))
    assert last < first / 2
    assert server.rate(1000, 1500) >= 0.9 * 2


@pytest.mark.parametrize(("slots", "call_s", "jitter"), [(64, 0.5, 0.0), (64, 0.5, 0.3), (90, 0.2, 0.3)])
def test_a_server_that_queues_gets_no_more_than_it_works_on(slots: int, call_s: float, jitter: float) -> None:
    server = Server(call_s, jitter, slots=slots)
    gate = found(server, 60)
    assert server.rate(30, 60) >= 0.94 * slots / (call_s * math.exp(jitter**2 / 2))
    assert 0.9 * slots <= gate.places <= 1.5 * slots
    assert gate.statistics().found_by == "throughput"


def test_a_server_that_batches_is_filled_though_it_gets_slower() -> None:
    """64 at once take twice as long as one alone, 256 five times, and more have to queue."""
    server = Server(0.2, 0.2, slots=256, batching=1 / 64)
    gate = found(server, 40)
    assert server.rate(20, 40) >= 0.93 * 256 / (0.2 * 1.02 * 5)
    assert gate.places <= 1.5 * 256


def test_where_few_ask_nothing_is_concluded_and_nothing_rises() -> None:
    server = Server(0.5)
    gate = found(server, 60, callers=5)
    assert repr(gate) == "<Gate gpu 5/16 (rising, at most 1,024) in flight, nobody waiting>"


def test_a_refused_call_keeps_its_place_for_the_time_of_a_call() -> None:
    """Else one place too many would come back every few milliseconds, refused each time."""

    async def main() -> None:
        async with dispatched(Gate(GateLimits(1), clock=now)) as gate:
            lease = await gate.admit()
            await asyncio.sleep(0.8)
            lease.done(0, work=1)
            (await gate.admit()).refused()
            waiting = line_up(gate)
            await idle()
            assert gate.statistics().in_flight == 0 and not waiting.done()
            assert gate.statistics().waiting_for == "concurrency"
            await waiting
            assert now() - 1000 == pytest.approx(1.6, abs=0.01)

    run(main())


def test_when_nobody_is_taken_all_rest_as_long_as_the_server_asks() -> None:
    async def main() -> None:
        async with dispatched(Gate(GateLimits(100), "gpu", clock=now)) as gate:
            for lease in [await gate.admit() for _ in range(50)]:
                lease.refused(7.0)
            waiting = line_up(gate)
            await idle()
            assert "waiting for cool-down, next in 7.0 s" in repr(gate)
            await waiting

    run(main())


def test_a_limit_may_be_found_again_however_often() -> None:
    """A run of days looks for its limit thousands of times: up by a step, a quarter refused, down to what was taken."""
    limit, last, now = RefusalLimit(16, 16), 0, 0.0
    for _ in range(1_000):
        limit.value = 16.0
        for call in range(200):
            last, now = last + 1, now + 0.01
            limit.run = 0
            if call % 4 == 0:
                limit.refused(last, last, 16, now, 0.1)
        last, now = last + 10_000, now + 1_000
        limit.served(last, now, 0.1)
    assert 0 < limit.value <= 16
