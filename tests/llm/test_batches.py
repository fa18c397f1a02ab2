"""Calls that go out in batches, against the simulator's Batch API over real connections."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp
import openai
import pytest
from aiohttp import web
from decisions import MadeDecisions
from scripted_server import Run, a_call

from config.schema import Endpoint as Config
from queues.gate import Gate, GateLimits
from queues.ledger import ReplyRow
from service.simulator.batches import BatchFront, _Batch
from service.simulator.options import Options
from service.simulator.server import running
from stages.core.base import Postponed
from stages.core.errors import BudgetReached, CandidateError, InputError, RunStopped
from stages.core.events import CallFinished, InBatches
from stages.core.record import Group, Seed
from stages.llm.batch_endpoint import BatchEndpoint
from stages.llm.batches import SETTLE_S, BatchHooks
from stages.llm.endpoint import Hooks
from stages.llm.keys import ApiKey
from stages.llm.preflight import preflight
from stages.llm.protocol import Call, Reply
from stages.llm.retries import RetryPolicy
from stages.llm.spool import Promised, Request, Spool


class Rows(MadeDecisions):
    """Decisions whose commit takes some turns of the loop: a kill falls before it or behind it."""

    async def make(self, kind: str, scope: str, body: Any) -> None:
        await turns_pass()
        await super().make(kind, scope, body)
        await turns_pass()


async def turns_pass() -> None:
    for _ in range(4):
        await asyncio.sleep(0)


@dataclass
class World:
    """A provider, and the disk of a run: what outlives its processes."""

    base_url: str
    folder: Path
    rows: Rows = field(default_factory=Rows)
    replies: Counter[str] = field(default_factory=Counter)
    groups: dict[int, Group] = field(default_factory=dict)
    parked: set[int] = field(default_factory=set)
    said: dict[int, Reply | CandidateError] = field(default_factory=dict)
    run: Run = field(default_factory=Run)
    slept: list[float] = field(default_factory=list)

    def commit(self, row: ReplyRow) -> asyncio.Future[None]:
        self.replies[row.key] += 1
        self.groups[row.seed].replies[row.key] = row.raw
        return asyncio.create_task(turns_pass())

    def committed(self, seeds: Sequence[int]) -> set[str]:
        return {key for seed in seeds for key in self.groups[seed].replies}

    async def sleep(self, seconds: float) -> None:
        """Let others go on instead, and longer where the provider is given time to settle."""
        self.slept.append(seconds)
        for _ in range(300 if seconds > SETTLE_S / 2 else 3):
            await asyncio.sleep(0)

    def endpoint(self, key: str | None = None, **config: Any) -> BatchEndpoint:
        settings = Config.model_validate({"base_url": self.base_url, "model": "simulated", "mode": "batch", **config})
        home = BatchHooks(self.commit, self.rows, self.committed, self.folder, "run-1")
        hooks = Hooks(self.run.commit, self.run.admit_budget, None, self.run.events.append)
        policy = RetryPolicy(sleep=self.sleep, chance=lambda: 0.5)
        gate = Gate(GateLimits(max_concurrency=8))
        return BatchEndpoint("main", settings, gate, [ApiKey(key, "KEY" if key else "")], hooks, home, policy)

    def call(self, no: int) -> Call:
        group = self.groups.setdefault(no, Group(Seed(no, f"s{no}", {})))
        return a_call(f"What is {no} + {no}?", group=group)

    async def walk(self, endpoint: BatchEndpoint, seeds: int) -> None:
        """Do what the pipeline does: groups that wait in the store come in again when no batch is under way."""
        for no in range(seeds):
            if no not in self.parked:
                await self.ask(endpoint, self.call(no))
        while len(self.said) < seeds:
            endpoint.flush()
            await endpoint.home()
            for no in sorted(self.parked - self.said.keys()):
                await self.ask(endpoint, self.call(no))

    async def ask(self, endpoint: BatchEndpoint, call: Call) -> None:
        no = call.group.seed.no
        try:
            self.said[no] = await endpoint.ask(call)
        except CandidateError as error:
            self.said[no] = error
        except Postponed as postponed:
            await asyncio.sleep(0)
            self.parked.add(no)
            for do in postponed.then:
                do()

    @asynccontextmanager
    async def living(self, endpoint: BatchEndpoint, seeds: int) -> AsyncIterator[asyncio.Task[None]]:
        """Run a process: yield its walk; an end of the watch is one of the walk too, and the block's end kills both."""
        async with endpoint:
            walk = asyncio.create_task(self.walk(endpoint, seeds))
            watch = asyncio.create_task(endpoint.watch())
            watch.add_done_callback(lambda _: walk.cancel())
            try:
                yield walk
            finally:
                walk.cancel()
                watch.cancel()
                ended = await asyncio.gather(walk, watch, return_exceptions=True)
            if isinstance(ended[1], RunStopped):
                raise ended[1]

    async def live(self, seeds: int, key: str | None = None, **config: Any) -> None:
        async with self.living(self.endpoint(key, **config), seeds) as walk:
            await asyncio.wait({walk}, timeout=30)
            assert walk.done(), f"{len(self.said)} of {seeds}"

    def ends(self) -> list[dict[str, Any]]:
        return [body for _, _, body in self.rows.rows if "ended" in body]

    def intents(self) -> list[dict[str, Any]]:
        return [body for _, _, body in self.rows.rows if "ended" not in body]

    async def stats(self) -> dict[str, Any]:
        root = self.base_url.removesuffix("/v1")
        async with aiohttp.ClientSession() as session, session.get(f"{root}/stats") as reply:
            told: dict[str, Any] = await reply.json()
            return told

    async def has_batches(self, count: int) -> None:
        while (await self.stats())["batches"] < count:
            pass


async def becomes(true: Callable[[], object]) -> None:
    """Return when it is; everything that it waits for is on this loop."""
    turn = asyncio.get_running_loop().create_future
    while not true():
        asyncio.get_running_loop().call_soon((one := turn()).set_result, None)
        await one


Worlds = Callable[..., Any]


@pytest.fixture
def world(tmp_path: Path) -> Worlds:
    @asynccontextmanager
    async def simulated(**options: Any) -> AsyncIterator[World]:
        async with running(Options(port=0, **options)) as base_url:
            yield World(base_url, tmp_path)

    return simulated


async def test_all_requests_of_a_round_are_one_batch_and_replies_come_home_as_they_would_live(world: Worlds) -> None:
    async with world() as there:
        await there.live(20, price={"input_per_mtok": 1, "output_per_mtok": 2})
        assert (await there.stats())["batches"] == 1
        assert sorted(there.said) == list(range(20))
        assert set(there.replies.values()) == {1}
        finished = [event for event in there.run.events if isinstance(event, CallFinished)]
        assert len(finished) == 20
        assert all(event.outcome == "ok" and event.cost_usd for event in finished)
        async with openai.AsyncOpenAI(base_url=there.base_url, api_key="any") as client:
            (batch,) = [one async for one in client.batches.list()]
        (intent,) = there.intents()
        assert batch.metadata == {"tamis_run": "run-1", "tamis_endpoint": "main", "tamis_batch": intent["batch"]}
        assert [key for key, _, _ in intent["asked"]] == list(there.replies)
        assert list(there.folder.iterdir()) == [], "what was gathered leaves nothing behind"


async def test_embeddings_by_batch_are_told_as_what_they_are(world: Worlds) -> None:
    async with world() as there:
        there.call = lambda no: a_call(  # type: ignore[method-assign]  # this world asks something else
            body={"input": [f"text {no}"], "messages": None},
            route="embeddings",
            group=there.groups.setdefault(no, Group(Seed(no, f"s{no}", {}))),
        )
        await there.live(2)
        assert all(isinstance(said, Reply) and said.vectors for said in there.said.values())
        finished = [event for event in there.run.events if isinstance(event, CallFinished)]
        assert {event.route for event in finished} == {"embeddings"}


async def test_a_batch_holds_no_more_than_it_may_and_the_next_ones_go_out_without_waiting(world: Worlds) -> None:
    async with world() as there:
        await there.live(10, batch={"max_requests": 4})
        assert [len(intent["asked"]) for intent in there.intents()] == [4, 4, 2]


@pytest.mark.parametrize("stride", [5, 13, 29])
async def test_killed_anywhere_again_and_again_nothing_is_sent_twice_and_no_reply_committed_twice(
    world: Worlds, stride: int
) -> None:
    """Each process lives a little longer than the one before; what a kill may cut off, some of them cut off."""
    async with world() as there:
        turns = lives = 0
        while len(there.said) < 12:
            turns, lives = turns + stride, lives + 1
            async with there.living(there.endpoint(batch={"max_requests": 5}), 12) as walk:
                for _ in range(turns):
                    await asyncio.sleep(0)
                    if walk.done():
                        break
        stats = await there.stats()
        assert lives > 2
        assert stats["repeats"] == 0, "no request was answered twice"
        assert stats["batches"] == len([end for end in there.ends() if end["ended"] == "completed"])
        assert set(there.replies.values()) == {1}


async def test_what_is_in_batches_is_told_while_it_is_and_by_nobody_when_the_process_has_ended(world: Worlds) -> None:
    async with world(batch_s=3600) as there:

        def told() -> int:
            return sum(event.change for event in there.run.events if isinstance(event, InBatches))

        for _ in range(2):  # the second process finds the batch of the first
            async with there.living(there.endpoint(), 7), asyncio.timeout(30):
                await becomes(told)
                assert told() == 7
            assert told() == 0
        assert (await there.stats())["batches"] == 1


async def test_a_batch_whose_creation_was_not_told_is_found_by_its_metadata_and_not_made_again(
    world: Worlds, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with world() as there:
        endpoint = there.endpoint()
        create = endpoint._api.create

        async def unheard(*given: Any) -> Any:
            monkeypatch.setattr(endpoint._api, "create", create)
            await create(*given)
            async with openai.AsyncOpenAI(base_url="http://127.0.0.1:9/v1", api_key="x", max_retries=0) as nobody:
                return await endpoint._api._tried(lambda: nobody.batches.retrieve("x"))

        monkeypatch.setattr(endpoint._api, "create", unheard)
        async with there.living(endpoint, 3) as walk:
            await asyncio.wait({walk}, timeout=30)
        assert len(there.said) == 3
        assert (await there.stats())["batches"] == 1
        assert max(there.slept) >= SETTLE_S, "it was given time to appear"


async def test_what_fails_or_expires_is_sent_again_and_given_up_after_three_batches(world: Worlds) -> None:
    async with world(error=0.3, hang=0.2, malformed=0.1) as there:
        await there.live(40)
        failed = [said for said in there.said.values() if isinstance(said, CandidateError)]
        assert 0 < len(failed) < 20
        assert {"expired" in end["ended"] for end in there.ends()} == {True, False} or len(there.ends()) == 3
        assert len(there.ends()) == 3
        assert all("(3 batches)" in error.detail and "main" in error.detail for error in failed)
        assert (await there.stats())["repeats"] == 0
    async with world(error=1.0) as broken:
        await broken.live(2)
        assert all(isinstance(said, CandidateError) for said in broken.said.values())
        assert all("The server had an error" in str(said) for said in broken.said.values())


async def test_a_request_that_is_wrong_fails_with_the_providers_words_and_alone(world: Worlds) -> None:
    async with world(context=60) as there:
        there.groups[1] = Group(Seed(1, "s1", {}))
        there.call = lambda no: a_call(  # type: ignore[method-assign]  # this world asks something else
            "word " * (200 if no == 1 else 2), group=there.groups.setdefault(no, Group(Seed(no, f"s{no}", {})))
        )
        await there.live(3)
        assert isinstance(there.said[0], Reply)
        error = there.said[1]
        assert isinstance(error, CandidateError)
        assert error.reason == "context_length"
        assert "maximum context length is 60" in error.detail
        assert len(there.ends()) == 1, "it is not sent again"


async def test_a_batch_that_is_cancelled_by_a_person_stops_the_run_and_the_next_one_asks_again(world: Worlds) -> None:
    async with world(batch_s=3600) as there:
        endpoint = there.endpoint()
        with pytest.raises(RunStopped, match="was cancelled at the provider"):
            async with there.living(endpoint, 2) as walk, asyncio.timeout(30):
                await there.has_batches(1)
                async with openai.AsyncOpenAI(base_url=there.base_url, api_key="any") as client:
                    await client.batches.cancel("batch_000001")
                await asyncio.wait({walk})
        assert there.ends()[0]["ended"] == "cancelled"
        assert there.ends()[0]["again"] == []
        async with there.living(there.endpoint(), 2), asyncio.timeout(30):
            await there.has_batches(2)


async def test_a_file_that_the_provider_refuses_costs_the_lines_it_names_and_no_others(
    world: Worlds, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with world() as there:
        monkeypatch.setattr("stages.llm.wire._GENERATING", {"chat": "embeddings"})
        with monkeypatch.context() as patched:
            patched.setattr("service.simulator.batches._read", lambda *_: [{"code": "bad", "line": 2, "message": "no"}])
            async with there.living(there.endpoint(), 3), asyncio.timeout(30):
                await becomes(there.ends)
        assert [why for _, *why in there.ends()[0]["failed"]] == [["bad_request", "main refused it: no"]]


async def test_a_refused_batch_stops_the_run_in_the_providers_words(
    world: Worlds, monkeypatch: pytest.MonkeyPatch
) -> None:
    refusal = [{"code": "token_limit_exceeded", "line": None, "message": "Enqueued token limit reached"}]
    async with world() as there:
        monkeypatch.setattr("service.simulator.batches._read", lambda *_: refusal)
        with pytest.raises(RunStopped, match="Enqueued token limit reached") as stopped:
            await there.live(2)
        assert "batch.max_requests" in stopped.value.remedy


async def test_a_wrong_key_stops_the_run_and_is_never_shown(world: Worlds) -> None:
    async with world(api_key="right-key-1234") as there:
        with pytest.raises(RunStopped, match="401") as stopped:
            await there.live(2, key="wrong-key-5678")
        assert "KEY" in stopped.value.remedy
        assert "wrong-key-5678" not in str(stopped.value)
        await there.live(2, key="right-key-1234")
        assert len(there.replies) == 2


async def test_a_budget_holds_before_anything_is_sent_and_what_it_lets_out_comes_home(world: Worlds) -> None:
    async with world() as there:
        there.run.budget_ends_at = 6
        endpoint = there.endpoint()
        async with there.living(endpoint, 9), asyncio.timeout(30):
            await becomes(lambda: len(there.replies) == 5)
        assert [len(intent["asked"]) for intent in there.intents()] == [5]
        assert isinstance(endpoint.refused, BudgetReached) or there.run.budget_calls > 9


async def test_promises_are_the_most_that_requests_may_take_until_they_end(world: Worlds) -> None:
    async with world(batch_s=3600) as there:
        priced = {"price": {"input_per_mtok": 1, "output_per_mtok": 1}, "body": {"max_tokens": 100}}
        endpoint = there.endpoint(**priced)
        async with there.living(endpoint, 4), asyncio.timeout(30):
            await becomes(there.intents)
            assert endpoint.promised.calls == 4
            assert 400 < endpoint.promised.tokens < 800
            assert endpoint.promised.cost_usd == pytest.approx(endpoint.promised.tokens / 1e6)
        heir = there.endpoint(**priced)
        async with heir:
            assert heir.promised == endpoint.promised, "also of what an earlier process has sent"


ANSWERS = {
    "a web page": web.Response(body=b"<html>", content_type="text/html"),
    "nothing": web.json_response(None),
    "an empty object": web.json_response({}),
    "an error": web.json_response({"error": {"message": "oops"}}, status=500),
}


@pytest.mark.parametrize("answer", ANSWERS.values(), ids=ANSWERS.keys())
@pytest.mark.parametrize("step", ["_upload", "_create", "_retrieve", "_list"])
async def test_what_is_no_answer_of_a_batch_api_is_asked_for_again(
    world: Worlds, monkeypatch: pytest.MonkeyPatch, step: str, answer: web.Response
) -> None:
    """More often than a call would be: nothing is paid for it, and a day's batches hang on it."""
    times = Counter[str]()

    def hindered(name: str, most: int) -> None:
        real = getattr(BatchFront, name)

        async def answered(front: BatchFront, request: web.Request) -> web.StreamResponse:
            times[name] += 1
            found: web.StreamResponse = await real(front, request)
            same = web.Response(body=answer.body, status=answer.status, content_type=answer.content_type)
            return same if times[name] <= most else found

        monkeypatch.setattr(BatchFront, name, answered)

    hindered(step, 1 if step == "_create" else 8)
    if step == "_list":  # it is only asked for where somebody does not know whether a batch was made
        hindered("_create", 1)
    async with world() as there:
        await there.live(3)
        assert [type(said) for said in there.said.values()] == [Reply] * 3
        assert set(there.replies.values()) == {1}
        assert (await there.stats())["batches"] == 1


@pytest.mark.parametrize("created_at", [None, "2025-01-01T00:00:00Z"])
async def test_a_provider_that_tells_no_times_or_writes_numbers_as_texts_is_understood(
    world: Worlds, monkeypatch: pytest.MonkeyPatch, created_at: str | None
) -> None:
    move, finish = _Batch.move, BatchFront._finish

    def untimed(batch: _Batch, state: str) -> None:
        move(batch, state)
        batch.shown |= {f"{state}_at": None, "created_at": created_at}

    async def finished(front: BatchFront, batch: _Batch) -> None:
        await finish(front, batch)
        output = batch.shown["output_file_id"]
        front._contents[output] = front._contents[output].replace(b'"status_code":200', b'"status_code":"200"')

    monkeypatch.setattr(_Batch, "move", untimed)
    monkeypatch.setattr(BatchFront, "_finish", finished)
    async with world() as there:
        await there.live(3)
        assert [type(said) for said in there.said.values()] == [Reply] * 3


async def test_files_that_are_gone_at_the_provider_stop_the_run_with_a_way_on(
    world: Worlds, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def gone(*_: Any) -> web.Response:
        return web.json_response({"error": {"message": "No such file"}}, status=404)

    monkeypatch.setattr(BatchFront, "_content", gone)
    async with world() as there:
        with pytest.raises(RunStopped, match="No such file") as stopped:
            await there.live(2)
        assert "--reuse" in stopped.value.remedy


async def test_a_clock_that_was_set_back_keeps_nobody_waiting_for_batches_of_before(world: Worlds) -> None:
    async with world(batch_s=3600) as there:
        async with there.living(there.endpoint(), 2), asyncio.timeout(30):
            await there.has_batches(1)
        for intent in there.intents():
            intent["at"] += 86_400.0
        there.slept.clear()
        async with there.living(there.endpoint(), 2), asyncio.timeout(30):
            await becomes(lambda: len(there.slept) > 1)
        assert max(there.slept) <= 30


def test_a_full_disk_stops_the_run_when_a_request_is_written_down(tmp_path: Path) -> None:
    spool = Spool(tmp_path, "/v1/chat/completions", 10, 1_000_000)
    spool.file.close()
    spool.file = Path("/dev/full").open("r+b")  # noqa: SIM115  what is in its buffer can never be written
    with pytest.raises(RunStopped, match="No space left"):
        spool.takes(Request(spool.path, "key", 0, "generate", b"{}", Promised(1)))
    with suppress(OSError):
        spool.file.close()


async def test_preflight_asks_whether_there_is_a_batch_api(world: Worlds, serve: Any) -> None:
    config = {"model": "simulated", "mode": "batch"}
    async with world() as there:
        await preflight("main", Config.model_validate({"base_url": there.base_url, **config}), [ApiKey(None, "")])
    server = await serve()
    settings = Config.model_validate({"base_url": server.base_url, **config, "model": "m"})
    with pytest.raises(InputError, match="has no Batch API"):
        await preflight("main", settings, [ApiKey(None, "")])
