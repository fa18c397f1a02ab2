"""An endpoint from ask to reply, over real connections: ledger, budget, gate, retries, keys."""

from __future__ import annotations

import asyncio
import time
from typing import Any

import orjson
import pytest
from scripted_server import Make, Run, ScriptedServer, Serve, a_call, closed_port, completion

from queues.gate import Gate, GateLimits, Lease
from queues.ledger import ReplyRow
from queues.line import Priority
from queues.pace import Clock
from stages.core.errors import BudgetReached, CandidateError, RunStopped, TamisError
from stages.core.events import CallFinished, CallReplayed, CallRetried, CallStarted, ReplyKept
from stages.llm.endpoint import HOPELESS
from stages.llm.protocol import Usage


class WatchedGate(Gate):
    """A gate that also notes how its leases ended and how it was cooled."""

    def __init__(self, clock: Clock = time.monotonic, **limits: Any) -> None:
        super().__init__(GateLimits(**limits), clock=clock)
        self.ended: list[tuple[int, int | None]] = []
        self.cooled: list[float] = []

    async def admit(self, tokens: int = 0, priority: Priority = (), job: str = "") -> Lease:
        lease = await super().admit(tokens, priority, job)
        return _WatchedLease(self, tokens, lease.number, lease.began)

    def cool(self, seconds: float) -> None:
        self.cooled.append(seconds)


class _WatchedLease(Lease):
    __slots__ = ("watched",)

    def __init__(self, gate: WatchedGate, tokens: int, number: int, began: float) -> None:
        super().__init__(gate, tokens, number, began)
        self.watched = gate

    def done(self, used_tokens: int | None = None, work: float = 0.0) -> None:
        if self._gate is not None:
            self.watched.ended.append((self.tokens, used_tokens))
        super().done(used_tokens, work)

    def refused(self, retry_after_s: float | None = None) -> None:
        if self._gate is not None:
            self.watched.ended.append((self.tokens, 0))
        super().refused(retry_after_s)


async def test_a_reply_is_committed_as_received_with_what_it_took(server: ScriptedServer, make: Make, run: Run) -> None:
    raw = orjson.dumps(completion("42"), option=orjson.OPT_INDENT_2)
    server.script = [server.raw(raw)]
    async with make(server.base_url, price={"input_per_mtok": 1.0, "output_per_mtok": 2.0}) as endpoint:
        reply = await endpoint.ask(a_call())
    assert (reply.text, reply.usage) == ("42", Usage(10, 5))
    [row] = run.committed
    assert row == ReplyRow(0, row.key, "generate", "main", raw, *Usage(10, 5), cost_usd=20e-6)


async def test_the_request_is_what_stage_and_endpoint_ask_for(server: ScriptedServer, make: Make) -> None:
    config: dict[str, Any] = {"headers": {"X-Team": "a"}, "query": {"v": "1"}, "body": {"max_tokens": None, "top_k": 5}}
    async with make(server.base_url, keys=("sk-1",), **config) as endpoint:
        await endpoint.ask(a_call("Hi", body={"max_tokens": 9}))
    [seen] = server.seen
    assert (seen.path, seen.query) == ("/v1/chat/completions", {"v": "1"})
    assert seen.body == {"model": "m", "messages": [{"role": "user", "content": "Hi"}], "top_k": 5}
    assert seen.headers["X-Team"] == "a"
    assert seen.headers["Authorization"] == "Bearer sk-1"
    assert "Cookie" not in seen.headers


async def test_a_keyless_server_gets_no_key_and_azure_its_own_header(serve: Serve, make: Make) -> None:
    keyless, azure = await serve(), await serve()
    async with make(keyless.base_url) as one, make(azure.base_url, keys=("k",), api_key_header="api-key") as other:
        await one.ask(a_call())
        await other.ask(a_call())
    assert "Authorization" not in keyless.seen[0].headers
    assert azure.seen[0].headers["api-key"] == "k"
    assert "Authorization" not in azure.seen[0].headers


async def test_a_base_model_is_asked_by_its_own_path(server: ScriptedServer, make: Make) -> None:
    server.script = [server.json({"choices": [{"text": " 42", "finish_reason": "stop"}]})]
    async with make(server.base_url, api="completions") as endpoint:
        assert (await endpoint.ask(a_call("6 * 7 ="))).text == " 42"
    assert (server.seen[0].path, server.seen[0].body["prompt"]) == ("/v1/completions", "6 * 7 =")


async def test_a_reply_that_cannot_be_committed_is_never_seen(server: ScriptedServer, make: Make, run: Run) -> None:
    async def full(*_: Any) -> None:
        raise RunStopped("the disk is full")

    run.commit = full  # type: ignore[method-assign]  # the hook is what is under test
    async with make(server.base_url) as endpoint:
        with pytest.raises(RunStopped, match="disk is full"):
            await endpoint.ask(a_call())


async def test_a_committed_reply_is_replayed_and_nothing_is_sent(server: ScriptedServer, make: Make, run: Run) -> None:
    async with make(server.base_url) as endpoint:
        first = await endpoint.ask(a_call())
        again = a_call()
        again.group.replies[run.committed[0].key] = run.committed[0].raw
        budget = run.budget_calls
        run.events.clear()
        assert await endpoint.ask(again) == first
    assert len(server.seen) == len(run.committed) == 1
    assert run.budget_calls == budget
    assert run.events == [CallReplayed("main", "generate")]


async def test_what_a_later_wave_asks_again_is_sent_once(server: ScriptedServer, make: Make, run: Run) -> None:
    call = a_call(keep=True)
    async with make(server.base_url) as endpoint:
        first = await endpoint.ask(call)
        assert await endpoint.ask(call) == first
        await endpoint.ask(other := a_call(seed=1))
    assert len(server.seen) == len(run.committed) == 2
    assert not other.group.replies, "what nobody asks again is not kept in memory"


async def test_a_reply_of_an_earlier_run_is_committed_for_nothing(server: ScriptedServer, make: Make, run: Run) -> None:
    async with make(server.base_url) as endpoint:
        await endpoint.ask(a_call())
        row = run.committed.pop()
        run.reusable[row.key] = row.raw
        await endpoint.ask(a_call())
    assert len(server.seen) == 1
    assert run.committed == [row._replace(cost_usd=0.0, reused=True)]


async def test_refusals_are_waited_out_without_spending_attempts(server: ScriptedServer, make: Make, run: Run) -> None:
    server.script = [server.error(429, "slow down", {"retry-after": "2"})] * 9 + [server.error(503)] * 9
    async with make(server.base_url) as endpoint:
        assert (await endpoint.ask(a_call())).text == "42"
    assert run.slept[:9] == [2.25] * 9  # 2 s and half of the stagger, by the dice of these tests
    assert len(server.seen) == 19


@pytest.mark.parametrize("fault", ["server error", "reset", "cut off", "malformed", "time-out"])
async def test_what_goes_wrong_in_passing_is_tried_again(
    fault: str, server: ScriptedServer, make: Make, run: Run
) -> None:
    faults = {
        "server error": (server.error(500), "server_error"),
        "reset": (server.reset, "connection"),
        "cut off": (server.cut, "invalid"),
        "malformed": (server.raw(b'{"choices": []}'), "invalid"),
        "time-out": (server.hang, "timeout"),
    }
    answer, cause = faults[fault]
    server.script = [answer]
    async with make(server.base_url, timeout_s=0.1 if fault == "time-out" else 30) as endpoint:
        assert (await endpoint.ask(a_call())).text == "42"
    assert [event.cause for event in run.events if isinstance(event, CallRetried)] == [cause]
    assert len(run.committed) == 1


async def test_what_stays_wrong_fails_its_candidate(server: ScriptedServer, make: Make, run: Run) -> None:
    server.script = [server.error(500, "oops")] * 5
    async with make(server.base_url) as endpoint:
        with pytest.raises(CandidateError) as error:
            await endpoint.ask(a_call())
    assert (error.value.reason, error.value.detail) == ("server_error", 'main answered 500 "oops" (5 attempts)')
    assert (len(server.seen), run.committed) == (5, [])


async def test_a_server_that_is_not_there_stops_the_run_when_it_stays_away(make: Make, run: Run) -> None:
    async with make(closed_port()) as endpoint:
        with pytest.raises(RunStopped, match=r"main has served nothing for 10 minutes; .* cannot be reached"):
            await endpoint.ask(a_call())
    assert 600 <= run.now - 1000 < 640


async def test_a_dead_key_is_put_aside_and_the_others_go_on(server: ScriptedServer, make: Make) -> None:
    server.script = [server.error(401, "bad key")]
    async with make(server.base_url, keys=("a", "b", "c")) as endpoint:
        for seed in range(5):
            await endpoint.ask(a_call(seed=seed))
        assert "keys: 2" in repr(endpoint)
    used = [seen.headers["Authorization"] for seen in server.seen]
    assert used[0] not in used[1:]
    assert len(set(used[1:])) == 2


async def test_the_last_dead_key_stops_the_run_in_the_providers_words(server: ScriptedServer, make: Make) -> None:
    server.script = [server.error(429, "You exceeded your quota, sk-secret", code="insufficient_quota")]
    async with make(server.base_url, keys=("sk-secret",)) as endpoint:
        with pytest.raises(RunStopped) as error:
            await endpoint.ask(a_call())
    assert error.value.cause == 'main answered 429 "You exceeded your quota, ***"'
    assert error.value.remedy == "Put a working key into KEY_0 (endpoint main)"


async def test_a_redirect_is_not_followed(serve: Serve, make: Make) -> None:
    """It would carry the key to wherever the answer says."""
    server, elsewhere = await serve(), await serve()
    server.script = [server.json({}, 307, {"Location": f"{elsewhere.base_url}/chat/completions"})]
    async with make(server.base_url, keys=("k",)) as endpoint:
        with pytest.raises(RunStopped, match="answered 307"):
            await endpoint.ask(a_call())
    assert elsewhere.seen == []


async def test_no_budget_no_request(server: ScriptedServer, make: Make, run: Run) -> None:
    run.budget_ends_at = 1
    async with make(server.base_url) as endpoint:
        with pytest.raises(BudgetReached):
            await endpoint.ask(a_call())
    assert server.seen == []


@pytest.mark.parametrize("ending", [BudgetReached("calls", "used up"), RunStopped("paused")])
async def test_a_run_that_ends_while_a_call_waits_gives_the_place_back(
    server: ScriptedServer, make: Make, run: Run, ending: TamisError
) -> None:
    """Other runs may go through the same gate."""
    run.budget_ends_at, run.ends_with = 2, ending
    gate = WatchedGate(max_concurrency=1, tokens_per_minute=10**9)
    async with make(server.base_url, gate=gate) as endpoint:
        with pytest.raises(type(ending)):
            await endpoint.ask(a_call(body={"max_tokens": 100}))
    assert [used for _, used in gate.ended] == [0]
    assert gate.statistics().in_flight == 0
    assert server.seen == []


async def test_a_request_that_no_limit_can_ever_admit_fails_at_once(server: ScriptedServer, make: Make) -> None:
    async with make(server.base_url, gate=Gate(GateLimits(tokens_per_minute=50))) as endpoint:
        with pytest.raises(CandidateError, match="in a whole minute") as error:
            await endpoint.ask(a_call(body={"max_tokens": 100}))
    assert error.value.reason == "too_large"


async def test_only_what_was_certainly_not_served_gets_its_tokens_back(server: ScriptedServer, make: Make) -> None:
    """A refusal is refunded; a lost connection may have been served; a reply is corrected to what it took."""
    server.script = [server.error(429), server.reset, server.error(500)]
    gate = WatchedGate(tokens_per_minute=10**9)
    async with make(server.base_url, gate=gate) as endpoint:
        await endpoint.ask(a_call(body={"max_tokens": 100}))
    assert [used for _, used in gate.ended] == [0, None, None, 15]
    assert all(100 < reserved < 200 for reserved, _ in gate.ended)


async def test_a_failed_connect_gets_its_tokens_back(make: Make, run: Run) -> None:
    gate = WatchedGate(tokens_per_minute=10**9)
    async with make(closed_port(), gate=gate) as endpoint:
        with pytest.raises(RunStopped):
            await endpoint.ask(a_call())
    assert {used for _, used in gate.ended} == {0}


async def test_an_endpoint_to_which_every_request_is_bad_stops_the_run(
    server: ScriptedServer, make: Make, run: Run
) -> None:
    server.script = [server.error(400, "no such parameter: top_j")] * HOPELESS
    async with make(server.base_url) as endpoint:
        for seed in range(HOPELESS - 1):
            with pytest.raises(CandidateError):
                await endpoint.ask(a_call(seed=seed))
        with pytest.raises(RunStopped) as error:
            await endpoint.ask(a_call(seed=HOPELESS))
    assert 'the last time main answered 400 "no such parameter: top_j"' in str(error.value)
    assert "model or body of the endpoint main" in error.value.remedy


async def test_requests_are_bad_by_themselves_where_another_was_served_or_they_are_too_long(
    server: ScriptedServer, make: Make, run: Run
) -> None:
    long = server.error(400, "too long", code="context_length_exceeded")
    server.script = [long] * HOPELESS + [server.json(completion())] + [server.error(400)] * HOPELESS
    async with make(server.base_url) as endpoint:
        for seed in range(2 * HOPELESS + 1):
            if seed == HOPELESS:
                await endpoint.ask(a_call(seed=seed))
            else:
                with pytest.raises(CandidateError):
                    await endpoint.ask(a_call(seed=seed))


async def test_refusals_here_and_there_delay_their_own_calls_only(server: ScriptedServer, make: Make, run: Run) -> None:
    gate = WatchedGate(run.policy.clock)
    async with make(server.base_url, gate=gate) as endpoint:
        for _ in range(5):
            server.script = [server.error(429)] * 3
            await endpoint.ask(a_call())
    assert gate.cooled == []


async def test_refusals_all_round_cool_the_group_as_long_as_the_server_asks(
    server: ScriptedServer, make: Make, run: Run
) -> None:
    run.time_passes = False
    server.script = [server.error(429, headers={"retry-after": "7"})] * 15
    gate = WatchedGate()
    async with make(server.base_url, gate=gate) as endpoint:
        await asyncio.gather(*(endpoint.ask(a_call(seed=seed)) for seed in range(15)))
    assert gate.cooled == [7.0]


async def test_never_more_in_flight_than_the_gate_admits_and_later_stages_go_first(
    server: ScriptedServer, make: Make
) -> None:
    async with make(server.base_url, gate=Gate(GateLimits(max_concurrency=1))) as endpoint:
        calls = [a_call(f"{depth}/{seed}", seed, depth=depth) for depth in (0, 1) for seed in (1, 0)]
        first = asyncio.create_task(endpoint.ask(a_call("first")))
        await server.arrived.wait()
        await asyncio.gather(first, *(endpoint.ask(call) for call in calls))
    asked = [seen.body["messages"][0]["content"] for seen in server.seen]
    assert asked == ["first", "1/0", "1/1", "0/0", "0/1"]
    assert server.peak == 1


async def test_a_cancelled_call_gives_its_place_back(server: ScriptedServer, make: Make, run: Run) -> None:
    server.script = [server.hang]
    gate = Gate(GateLimits(max_concurrency=1))
    async with make(server.base_url, gate=gate) as endpoint:
        asking = asyncio.create_task(endpoint.ask(a_call()))
        await server.arrived.wait()
        assert (repr(endpoint)[:27], gate.statistics().in_flight) == ("<Endpoint main: 1 in flight", 1)
        asking.cancel()
        with pytest.raises(asyncio.CancelledError):
            await asking
        assert (repr(endpoint)[:27], gate.statistics().in_flight) == ("<Endpoint main: 0 in flight", 0)
    assert [event.outcome for event in run.events if isinstance(event, CallFinished)] == ["cancelled"]


async def test_of_several_servers_the_one_with_the_fewest_outstanding_is_asked(serve: Serve, make: Make) -> None:
    slow, fast = await serve(), await serve()
    slow.script = [slow.hang]
    async with make(slow.base_url, fast.base_url) as endpoint:
        stuck = asyncio.create_task(endpoint.ask(a_call()))
        await slow.arrived.wait()
        for seed in range(5):
            await endpoint.ask(a_call(seed=seed))
        stuck.cancel()
        await asyncio.wait([stuck])
    assert (len(slow.seen), len(fast.seen)) == (1, 5)


async def test_every_attempt_starts_and_finishes_for_observers(server: ScriptedServer, make: Make, run: Run) -> None:
    server.script = [server.error(429, headers={"retry-after": "2"}), server.raw(b"?"), server.error(500)]
    async with make(server.base_url) as endpoint:
        await endpoint.ask(a_call())
    assert [event.outcome for event in run.events if isinstance(event, CallFinished)] == [
        "refused",
        "invalid",
        "error",
        "ok",
    ]
    assert sum(isinstance(event, CallStarted) for event in run.events) == 4
    assert [(event.cause, event.delay_s) for event in run.events if isinstance(event, CallRetried)] == [
        ("rate_limited", 2.25),
        ("invalid", 0.75),
        ("server_error", 1.5),
    ]
    last, kept = run.events[-2:]
    assert isinstance(last, CallFinished)
    assert isinstance(kept, ReplyKept)
    assert (last.prompt_tokens, last.completion_tokens, last.cost_usd) == (10, 5, None)


async def test_without_usage_the_cost_is_unknown(server: ScriptedServer, make: Make, run: Run) -> None:
    server.script = [server.json({"choices": [{"message": {"content": "x"}}]})]
    async with make(server.base_url, price={"input_per_mtok": 1.0, "output_per_mtok": 2.0}) as endpoint:
        await endpoint.ask(a_call())
    assert run.committed[0].cost_usd is None


async def test_the_endpoint_decides_what_becomes_of_reasoning(server: ScriptedServer, make: Make) -> None:
    server.script = [server.json(completion("<think>r</think>42"))]
    async with make(server.base_url, reasoning="drop") as endpoint:
        choice = (await endpoint.ask(a_call())).first
    assert (choice.text, choice.reasoning) == ("42", None)


async def test_what_a_request_cannot_say_is_not_sent(server: ScriptedServer, make: Make) -> None:
    async with make(server.base_url) as endpoint:
        with pytest.raises(CandidateError):
            await endpoint.ask(a_call("\ud800"))
    assert server.seen == []


async def test_stages_see_what_the_server_takes(server: ScriptedServer, make: Make) -> None:
    endpoint = make(server.base_url, send_seed=False, structured=False)
    assert (endpoint.alias, endpoint.name, endpoint.sends_seed, endpoint.structured) == ("main", "m", False, False)
