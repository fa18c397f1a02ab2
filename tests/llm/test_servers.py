"""Several servers behind one alias: one dies, all die, and they come back. Most of it in virtual time."""

from __future__ import annotations

import asyncio
import random
import zlib
from collections import Counter
from collections.abc import Callable, Coroutine
from typing import Any

import aiohttp
import orjson
import pytest
from aiohttp.client_reqrep import ConnectionKey
from gates import dispatched
from multidict import CIMultiDict, CIMultiDictProxy
from scripted_server import Make, Run, ScriptedServer, Serve, a_call, closed_port, completion
from virtual_time import now, run
from yarl import URL

from config.schema import Endpoint as Config
from queues.gate import Gate, GateLimits
from stages.core.errors import CandidateError, RunStopped
from stages.core.events import CallFinished, CallRetried, ServerChanged
from stages.llm import servers
from stages.llm.endpoint import Endpoint
from stages.llm.keys import ApiKey
from stages.llm.retries import RetryPolicy
from stages.llm.transport import Answer

Trouble = Callable[[float], str]
"""What is wrong with a server so many seconds after the start: away, broken, silent, strict, or nothing."""

AT_ONCE = 12
LATENCY_S = 0.5
TIMEOUT_S = 10.0
ANSWER = orjson.dumps(completion())


class Network:
    """Stands in for the transport: servers that answer after LATENCY_S, each with its trouble. Notes what is sent."""

    def __init__(self, **troubles: Trouble) -> None:
        self.troubles = troubles
        self.sent: list[tuple[float, str]] = []
        self._arrived: set[bytes] = set()

    def __call__(self, *_: object) -> Network:
        return self

    async def open(self) -> None:
        self.began = now()

    async def close(self) -> None:
        pass

    async def send(self, url: URL, _headers: object, body: bytes) -> Answer:
        host = url.host or ""
        self.sent.append((now() - self.began, host))
        trouble = self._trouble(host)
        if trouble == "away":
            key = ConnectionKey(host, 80, False, True, None, None, None)
            raise aiohttp.ClientConnectorError(key, ConnectionRefusedError("refused"))
        if trouble == "silent":
            await asyncio.sleep(TIMEOUT_S)
            raise TimeoutError
        if trouble == "strict" and body not in self._arrived:
            self._arrived.add(body)
            if zlib.crc32(body) % 10 < 3:
                return Answer(429, CIMultiDictProxy(CIMultiDict({"retry-after-ms": "500"})), b"")
        await asyncio.sleep(0 if trouble == "broken" else LATENCY_S)
        if self._trouble(host) == "away":
            raise aiohttp.ServerDisconnectedError
        status, reply = (500, b"") if trouble == "broken" else (200, ANSWER)
        return Answer(status, CIMultiDictProxy(CIMultiDict()), reply)

    def _trouble(self, host: str) -> str:
        return self.troubles[host](now() - self.began)

    def share(self, host: str, start: float, end: float) -> float:
        """Return the share of the requests of this time that went to a host."""
        sent = Counter(one for at, one in self.sent if start <= at < end)
        return sent[host] / sent.total()


def well(_at: float) -> str:
    return ""


def during(what: str, start: float, end: float) -> Trouble:
    return lambda at: what if start <= at < end else ""


Story = Callable[[Endpoint, Run], Coroutine[Any, Any, None]]


@pytest.fixture
def tell(monkeypatch: pytest.MonkeyPatch) -> Callable[[Network, Story], Run]:
    """Return what lets a story happen at an endpoint over such a network, in virtual time."""

    def told(network: Network, story: Story) -> Run:
        around = Run()
        monkeypatch.setattr(servers, "Transport", network)

        async def main() -> None:
            config = Config.model_validate({"base_url": [f"http://{one}/v1" for one in network.troubles], "model": "m"})
            policy = RetryPolicy(clock=now, chance=random.Random(7).random)
            gate = Gate(GateLimits(max_concurrency=AT_ONCE), clock=now)
            async with dispatched(gate):
                async with Endpoint("main", config, gate, [ApiKey(None, "")], around.hooks, policy) as endpoint:
                    await story(endpoint, around)
                assert gate.statistics().in_flight == 0

        run(main())
        return around

    return told


async def ask_for(seconds: float, endpoint: Endpoint) -> int:
    """Keep as many askers asking as a run would have; return how many calls they had served. None may fail."""
    ends, served = now() + seconds, 0

    async def asker(number: int) -> None:
        nonlocal served
        while now() < ends:
            await endpoint.ask(a_call(f"{number}, {served}", seed=number))
            served += 1

    async with asyncio.TaskGroup() as tasks:
        for number in range(AT_ONCE + AT_ONCE // 2 + 8):
            tasks.create_task(asker(number))
    return served


def changes(around: Run) -> list[tuple[str, bool, int]]:
    return [(event.server, event.down, event.now_down) for event in around.events if isinstance(event, ServerChanged)]


@pytest.mark.parametrize("trouble", ["away", "broken", "silent"])
def test_one_of_three_dies_and_comes_back_and_nobody_notices(
    trouble: str, tell: Callable[[Network, Story], Run]
) -> None:
    network = Network(a=well, b=during(trouble, 60, 120), c=well)

    async def story(endpoint: Endpoint, _around: Run) -> None:
        assert await ask_for(180, endpoint) > 0.95 * 180 * AT_ONCE / LATENCY_S * (1 if trouble != "silent" else 0.85)

    around = tell(network, story)
    assert network.share("b", 0, 60) == pytest.approx(1 / 3, abs=0.02)
    assert network.share("b", 75, 120) < 0.01
    assert network.share("b", 150, 180) == pytest.approx(1 / 3, abs=0.02), "its share is back within 30 s"
    assert changes(around) == [("b:80", True, 1), ("b:80", False, 0)]


def test_three_in_ten_first_arrivals_refused_cost_less_than_a_tenth(tell: Callable[[Network, Story], Run]) -> None:
    async def story(endpoint: Endpoint, _around: Run) -> None:
        assert await ask_for(200, endpoint) > 0.9 * 200 * AT_ONCE / LATENCY_S

    around = tell(Network(a=during("strict", 0, 1e9)), story)
    refused = sum(isinstance(event, CallFinished) and event.outcome == "refused" for event in around.events)
    assert refused / len(around.committed) == pytest.approx(0.3, abs=0.02)


def test_while_all_are_away_calls_wait_for_the_first_probe_and_have_spent_nothing(
    tell: Callable[[Network, Story], Run],
) -> None:
    network = Network(a=during("away", 0, 200), b=during("away", 0, 400))

    async def story(endpoint: Endpoint, around: Run) -> None:
        async with asyncio.TaskGroup() as tasks:
            for seed in range(40):
                tasks.create_task(endpoint.ask(a_call(seed=seed)))
            await asyncio.sleep(100)
            assert "a:80 <Breaker open, a probe in" in repr(endpoint)
        assert 200 < now() - network.began < 200 + 15 + 4 * LATENCY_S, "all are served as soon as one is back"
        assert len(around.committed) == 40

    around = tell(network, story)
    probes = [at for at, _ in network.sent if 10 <= at < 200]
    assert 2 * 190 / 15 <= len(probes) <= 2 * 190 / 15 + 6, "one probe for each back-off of each server"
    attempts = sum(isinstance(event, CallFinished) for event in around.events)
    assert attempts <= len(network.sent), "what was not sent was no attempt"


def test_who_stands_at_the_gate_when_the_last_server_dies_is_not_sent(tell: Callable[[Network, Story], Run]) -> None:
    network = Network(a=during("away", 60, 100))

    async def story(endpoint: Endpoint, _around: Run) -> None:
        assert await ask_for(180, endpoint) > 0.9 * (180 - 40 - 15) * AT_ONCE / LATENCY_S

    tell(network, story)
    assert len([at for at, _ in network.sent if 60 <= at < 100]) <= 10 + 40 / 15 + 4


def test_one_caller_alone_notices_that_a_server_is_back(tell: Callable[[Network, Story], Run]) -> None:
    """Though the other one, with nobody outstanding, would do."""

    async def story(endpoint: Endpoint, _around: Run) -> None:
        await ask_for(30, endpoint)
        for seed in range(60):
            await endpoint.ask(a_call(seed=seed))

    assert changes(tell(Network(a=well, b=during("away", 0, 40)), story)) == [("b:80", True, 1), ("b:80", False, 0)]


def test_servers_that_stay_away_stop_the_run_with_their_last_words(tell: Callable[[Network, Story], Run]) -> None:
    network = Network(a=during("away", 0, 1e9), b=during("broken", 0, 1e9))

    async def story(endpoint: Endpoint, _around: Run) -> None:
        ended = await asyncio.gather(*(endpoint.ask(a_call(seed=seed)) for seed in range(40)), return_exceptions=True)
        assert 600 <= now() - network.began < 660
        assert all(isinstance(error, RunStopped) for error in ended)
        assert str(ended[0]).startswith("main has served nothing for 10 minutes; its last words: ")

    tell(network, story)


def test_a_call_that_waits_for_a_server_can_be_cancelled(tell: Callable[[Network, Story], Run]) -> None:
    async def story(endpoint: Endpoint, _around: Run) -> None:
        asking = [asyncio.create_task(endpoint.ask(a_call(seed=seed))) for seed in range(40)]
        await asyncio.sleep(50)
        for one in asking:
            one.cancel()
        assert all(
            isinstance(one, asyncio.CancelledError) for one in await asyncio.gather(*asking, return_exceptions=True)
        )

    tell(Network(a=during("away", 0, 1e9)), story)


async def test_what_reached_no_server_goes_to_the_next_at_once(server: ScriptedServer, make: Make, run: Run) -> None:
    async with make(closed_port(), server.base_url) as endpoint:
        for seed in range(3):
            await endpoint.ask(a_call(seed=seed))
    assert (len(server.seen), run.slept) == (3, [])


async def test_a_server_that_says_not_now_is_passed_over_at_once(serve: Serve, make: Make, run: Run) -> None:
    loading, ready = await serve(), await serve()
    loading.script = [loading.error(503, "Loading model")] * 9
    async with make(loading.base_url, ready.base_url) as endpoint:
        for seed in range(9):
            await endpoint.ask(a_call(seed=seed))
    assert (len(loading.seen), len(ready.seen), run.slept) == (5, 9, [])


async def test_what_may_have_been_worked_on_is_asked_again_as_a_new_attempt(serve: Serve, make: Make, run: Run) -> None:
    """A request that kills its server must not take the others down, one after another, without end."""
    one, two = await serve(), await serve()
    one.script, two.script = [one.reset] * 9, [two.reset] * 9
    async with make(one.base_url, two.base_url) as endpoint:
        with pytest.raises(CandidateError, match=r"lost the connection.*\(5 attempts\)"):
            await endpoint.ask(a_call())
    assert len(one.seen) + len(two.seen) == 5
    assert [event.cause for event in run.events if isinstance(event, CallRetried)] == ["connection"] * 4


OUT = {
    "not known": (401, "Incorrect API key provided", {}),
    "not allowed": (403, "Your account is not active, please check your billing details", {}),
    "out of money": (429, "You exceeded your current quota", {"code": "insufficient_quota"}),
    "at the end of its day": (429, "Rate limit reached on requests per day (RPD): Limit 200", {}),
}


@pytest.mark.parametrize("why", OUT)
async def test_a_key_that_is_out_is_not_used_again_and_the_last_stops_the_run_by_its_variable(
    why: str, server: ScriptedServer, make: Make
) -> None:
    status, words, labels = OUT[why]
    out = server.error(status, words, **labels)
    server.script = [out] + [server.json(completion())] * 6 + [out]
    async with make(server.base_url, keys=("first", "second")) as endpoint:
        for seed in range(6):
            await endpoint.ask(a_call(seed=seed))
        with pytest.raises(RunStopped) as stopped:
            await endpoint.ask(a_call(seed=6))
    used = [seen.headers["Authorization"] for seen in server.seen]
    last = "KEY_0" if used[-1] == "Bearer first" else "KEY_1"
    assert used[0] not in used[1:]
    assert words in stopped.value.cause
    assert last in stopped.value.remedy
