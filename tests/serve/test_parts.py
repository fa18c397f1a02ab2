"""The parts of the service that decide without a network: states, turns of day, feeds, guards."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from aiohttp.test_utils import make_mocked_request

from config.service import Quotas, Service
from queues.registry import Record, Registry, new_record
from service.runs.lifecycle import ending_of
from service.serve import state
from service.serve.aside import Aside
from service.serve.errors import ApiError
from service.serve.feed import Feed
from service.serve.shapes import Health
from service.serve.shared import DAY_S, Meter
from service.serve.who import Caller, Doorkeeper
from stages.core.errors import BudgetReached, InputError, RunStopped


def job(name: str, **body: object) -> Record:
    empty = dict.fromkeys(("stopping", "error", "started_at", "ended_at"))
    return new_record("job", "a", name, {**empty, **body})


@pytest.mark.parametrize(
    ("now", "change", "after"),
    [
        ("queued", state.paused, ("paused", None)),
        ("running", state.paused, ("running", "paused")),
        ("paused", state.paused, ("paused", None)),
        ("queued", state.cancelled, ("cancelled", None)),
        ("running", state.cancelled, ("running", "cancelled")),
        ("paused", state.cancelled, ("cancelled", None)),
        ("failed", state.cancelled, ("cancelled", None)),
        ("cancelled", state.cancelled, ("cancelled", None)),
        ("paused", state.resumed, ("queued", None)),
        ("failed", state.resumed, ("queued", None)),
    ],
)
def test_a_job_becomes_what_was_asked(now: str, change: object, after: tuple[str, str | None]) -> None:
    record = change(job(now))  # type: ignore[operator]  # one of three functions
    assert (record.state, record.body["stopping"]) == after


@pytest.mark.parametrize(
    ("now", "change"),
    [
        *((ended, state.paused) for ended in ("complete", "budget", "failed", "cancelled")),
        *((ended, state.cancelled) for ended in ("complete", "budget")),
        *((name, state.resumed) for name in ("queued", "running", "complete", "budget", "cancelled")),
    ],
)
def test_what_cannot_be_is_a_conflict(now: str, change: object) -> None:
    with pytest.raises(ApiError) as error:
        change(job(now))  # type: ignore[operator]  # one of three functions
    assert error.value.status == 409


@pytest.mark.parametrize(
    ("cause", "stopping", "after"),
    [
        (None, "cancelled", "complete"),  # it was faster
        (BudgetReached("usd", "spent"), None, "budget"),
        (state.Asked("paused"), "paused", "paused"),
        (state.Asked("paused"), "cancelled", "cancelled"),  # somebody changed their mind
        (state.QuotaSpent("no tokens"), None, "paused"),
        (RunStopped("a dead key", "Set it"), None, "failed"),
    ],
)
def test_a_run_ends_as_a_job_does(cause: BudgetReached | RunStopped | None, stopping: str | None, after: str) -> None:
    record = state.after(job("running", stopping=stopping), ending_of(cause))
    assert (record.state, record.body["stopping"]) == (after, None)
    assert (record.body["ended_at"] is None) == (after == "paused")
    if isinstance(cause, (state.QuotaSpent, RunStopped)) and not isinstance(cause, state.Asked):
        assert str(cause) in record.body["error"]["message"]


@pytest.fixture
async def registry(tmp_path: Path) -> AsyncIterator[Registry]:
    opened = Registry.open(tmp_path / "registry.sqlite")
    yield opened
    opened.close()


async def test_tokens_count_till_midnight_and_over_restarts(registry: Registry) -> None:
    now = 100.0 * DAY_S + 5
    caller = Caller("a", {}, Quotas(tokens_per_day=100))
    meter = Meter(registry, lambda: now)
    meter.charge("a", 60)
    await meter.write()
    again = Meter(registry, lambda: now)
    await again.load()
    assert (again.left(caller), again.left(Caller("b", {}, Quotas()))) == (40, None)
    again.charge("a", 70)
    assert (again.left(caller), again.renews_in_s()) == (0, DAY_S - 4)
    now += DAY_S
    assert again.left(caller) == 100


async def test_midnight_may_come_while_tokens_are_written_down(
    registry: Registry, monkeypatch: pytest.MonkeyPatch
) -> None:
    now, written = 100.0 * DAY_S + 5, registry.use
    meter = Meter(registry, lambda: now)
    meter.charge("a", 60)
    meter.charge("b", 5)

    async def use(tenant: str, day: int, tokens: int) -> None:
        nonlocal now
        now = 101.0 * DAY_S
        meter.charge("c", 1)
        await written(tenant, day, tokens)

    monkeypatch.setattr(registry, "use", use)
    await meter.write()
    assert (await registry.used(100), await registry.used(101)) == ({"a": 60, "b": 5}, {})


async def test_who_reads_slowly_gets_the_latest_and_everybody_the_end() -> None:
    feed = Feed()
    slow, heard = feed.frames(), list[bytes]()
    assert await anext(slow) == b"retry: 2000\n\n"
    for number in range(5):
        feed.publish("progress", Health(status=str(number)))
    feed.publish("state", Health(status="done"))
    heard.append(await anext(slow))
    feed.publish("end", Health(status="over"), last=True)
    heard += [frame async for frame in slow]
    assert heard[0].count(b"event: progress") == 1
    assert b'"4"' in heard[0]
    assert heard[0].index(b"progress") < heard[0].index(b"event: state")
    assert heard[1:] == [b'id: 7\nevent: end\ndata: {"status":"over"}\n\n']
    late = [frame async for frame in feed.frames()]
    assert b"event: end" in late[-1]


async def test_a_change_while_a_listener_is_busy_is_not_lost() -> None:
    feed = Feed()
    frames = feed.frames()
    await anext(frames)
    waiting = asyncio.ensure_future(anext(frames))
    await asyncio.sleep(0)
    feed.publish("progress", Health(status="one"))
    assert b"one" in await waiting
    feed.publish("progress", Health(status="two"))
    assert b"two" in await anext(frames)


def keeper(tmp_path: Path, token: str) -> Doorkeeper:
    (tmp_path / "token").write_text(token)
    tenants = [
        {"name": "a", "token_sha256": hashlib.sha256(b"of a").hexdigest()},
        {"name": "b", "token_file": str(tmp_path / "token")},
    ]
    return Doorkeeper(Service.model_validate({"tenants": tenants}))


@pytest.mark.parametrize(
    ("header", "tenant"),
    [
        ("Bearer of a", "a"),
        ("bearer  a-long-enough-token ", "b"),
        ("Bearer of b", None),
        ("Basic of a", None),
        ("of a", None),
        ("Bearer ", None),
        ("", None),
    ],
)
def test_a_token_is_its_tenants_and_nothing_else_is(header: str, tenant: str | None, tmp_path: Path) -> None:
    request = make_mocked_request("GET", "/", {"Authorization": header} if header else {})
    if tenant is None:
        with pytest.raises(ApiError) as error:
            keeper(tmp_path, "a-long-enough-token\n").caller(request)
        assert error.value.headers == {"WWW-Authenticate": "Bearer"}
    else:
        assert keeper(tmp_path, "a-long-enough-token\n").caller(request).tenant == tenant


@pytest.mark.parametrize("token", ["", "short"])
def test_a_token_that_can_be_guessed_is_refused_at_the_start(token: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="can be guessed"):
        keeper(tmp_path, token)


@pytest.mark.parametrize(
    ("host", "allowed"),
    [
        ("127.0.0.1:8080", True),
        ("localhost", True),
        ("LocalHost:8080", True),
        ("[::1]:8080", True),
        ("[::1]", True),
        ("127.0.0.1.evil.example:8080", False),
        ("evil.example", False),
        ("10.0.0.1:8080", False),
        ("localhost.evil.example", False),
    ],
)
def test_only_names_of_this_machine_are_answered_where_nobody_needs_a_token(host: str, allowed: bool) -> None:
    open_to_all = Doorkeeper(Service())
    request = make_mocked_request("GET", "/v1/jobs", {"Host": host})
    if allowed:
        open_to_all.guard(request)
    else:
        with pytest.raises(ApiError):
            open_to_all.guard(request)


async def test_what_one_tenant_wants_looked_over_leaves_room_for_others(monkeypatch: pytest.MonkeyPatch) -> None:
    tenants = [{"name": name, "token_sha256": hashlib.sha256(name.encode()).hexdigest()} for name in "ab"]
    aside = Aside(Service.model_validate({"tenants": tenants}))
    begun, go_on = asyncio.Queue[str](), asyncio.Event()

    async def ask(asked: dict[str, str], _: str) -> dict[str, str]:
        begun.put_nowait(asked["of"])
        await go_on.wait()
        return asked

    monkeypatch.setattr(aside._examiners, "ask", ask)
    async with asyncio.TaskGroup() as tasks:
        for tenant in ("a", "a", "a", "b"):
            tasks.create_task(aside.examine(tenant, {"of": tenant}))
        assert [await begun.get(), await begun.get()] == ["a", "b"]
        go_on.set()
    assert begun.qsize() == 2
