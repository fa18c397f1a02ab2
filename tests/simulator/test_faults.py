"""Faults strike as often as told, and by body and arrival: the same again, and retries succeed."""

from __future__ import annotations

import asyncio
import errno

import aiohttp
import orjson
import pytest

from service.simulator.options import Options
from service.simulator.server import FAULTS, fate

MIXED = Options(refuse=0.05, error=0.02, reset=0.03, hang=0.01, malformed=0.04)


def test_shares_are_as_told() -> None:
    fates = [fate(MIXED, f"{n}", 1) for n in range(20_000)]
    for kind in FAULTS:
        assert fates.count(kind) / 20_000 == pytest.approx(getattr(MIXED, kind), abs=0.005)


def test_only_first_arrivals_are_refused() -> None:
    assert [fate(Options(refuse=1.0), "x", arrival) for arrival in (1, 2, 3)] == ["refuse", None, None]


def test_a_later_arrival_is_struck_by_itself() -> None:
    fates = [[fate(Options(error=0.5), f"{n}", arrival) for arrival in range(1, 9)] for n in range(50)]
    assert all(None in one for one in fates)
    assert any("error" in one[1:] for one in fates)


async def test_a_refused_call_succeeds_when_it_comes_again(simulated) -> None:
    async with simulated(Options(refuse=1.0)) as endpoint:
        first = await endpoint.ask("Hello")
        assert (first.status, first.headers["retry-after-ms"]) == (429, "500")
        assert (await endpoint.ask("Hello")).status == 200
        stats = await endpoint.stats()
        assert (stats["calls"], stats["repeats"], stats["refused"]) == (2, 0, {"injected": 1})


async def test_errors_and_resets_are_what_a_client_calls_them(simulated) -> None:
    async with simulated(Options(error=1.0)) as endpoint:
        reply = await endpoint.ask("Hello")
        assert (reply.status, reply.body["error"]["type"]) == (500, "server_error")
    async with simulated(Options(reset=1.0)) as endpoint:
        with pytest.raises(aiohttp.ClientOSError) as caught:
            await endpoint.ask("Hello")
        assert caught.value.errno == errno.ECONNRESET
        assert (await endpoint.stats())["faults"] == {"reset": 1}


async def test_a_hanging_call_ends_with_its_client(simulated) -> None:
    async with simulated(Options(hang=1.0)) as endpoint:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.1):
                await endpoint.ask("Hello")
        await endpoint.in_flight(0)
        assert (await endpoint.stats())["faults"] == {"hang": 1}


async def test_malformed_replies_come_in_three_kinds_and_count_as_unanswered(simulated) -> None:
    kinds = set()
    async with simulated(Options(malformed=1.0)) as endpoint:
        for n in range(20):
            raw = (await endpoint.ask(f"Hello {n}")).raw
            try:
                kinds.add("empty" if "choices" in orjson.loads(raw) else "missing")
            except orjson.JSONDecodeError:
                kinds.add("cut")
        assert (await endpoint.stats())["answered"] == 0
    assert kinds == {"cut", "missing", "empty"}


async def test_every_call_gets_through_under_all_faults_at_once(simulated) -> None:
    async with simulated(MIXED) as endpoint:

        async def insist(n: int) -> bytes:
            while True:
                try:
                    async with asyncio.timeout(5.0):
                        reply = await endpoint.ask(f"What is {n} + 1?")
                    if reply.status == 200 and reply.body["choices"]:
                        return reply.raw
                except (aiohttp.ClientError, TimeoutError, orjson.JSONDecodeError, KeyError):
                    continue

        struck = await asyncio.gather(*(insist(n) for n in range(150)))
        stats = await endpoint.stats()
        assert stats["answered"] == 150
        assert stats["repeats"] == 0
        assert sum(stats["faults"].values()) > 5
    async with simulated(Options()) as calm:
        assert struck == [(await calm.ask(f"What is {n} + 1?")).raw for n in range(150)]
