from __future__ import annotations

import asyncio
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from queues.ledger import LedgerLocked, LedgerMismatch
from queues.registry import KeyTaken, Page, Registry, new_record


@pytest.fixture
def registry(tmp_path: Path) -> Iterator[Registry]:
    opened = Registry.open(tmp_path / "registry.sqlite")
    yield opened
    opened.close()


async def test_what_is_registered_is_found_by_its_tenant_and_by_no_other(registry: Registry) -> None:
    job = await registry.add(new_record("job", "a", "queued", {"name": "x"}))
    assert await registry.get("job", job.id, "a") == job
    assert await registry.get("job", job.id, "b") is None
    assert await registry.get("file", job.id, "a") is None


async def test_a_change_replaces_state_and_body(registry: Registry) -> None:
    job = await registry.add(new_record("job", "a", "queued", {"name": "x"}))
    await registry.put(job.now("running", started_at=5))
    found = await registry.get("job", job.id, "a")
    assert found is not None
    assert (found.state, found.body) == ("running", {"name": "x", "started_at": 5})
    assert await registry.states("job") == {"running": 1}


@pytest.mark.parametrize("newest_first", [True, False])
async def test_pages_hold_everything_once_and_in_order(registry: Registry, newest_first: bool) -> None:
    made = [await registry.add(new_record("file", "a", "processed", {"n": n})) for n in range(7)]
    await registry.add(new_record("file", "b", "processed", {}))
    found: list[str] = []
    more, after = True, None
    while more:
        records, more = await registry.page("file", "a", Page(after, 3, newest_first), {})
        found += [record.id for record in records]
        after = found[-1]
    assert found == [record.id for record in (reversed(made) if newest_first else made)]


async def test_a_list_can_be_of_one_state_or_of_what_the_body_says(registry: Registry) -> None:
    for purpose in ("seeds", "batch", "seeds"):
        await registry.add(new_record("file", "a", purpose[0], {"purpose": purpose}))
    for match in ({"purpose": "seeds"}, {"state": "s"}):
        records, more = await registry.page("file", "a", Page(), match)
        assert (len(records), more) == (2, False)


async def test_of_a_hundred_with_one_key_one_is_registered(registry: Registry) -> None:
    records = [new_record("job", "a", "queued", {}) for _ in range(100)]
    got = await asyncio.gather(*(registry.add(record, "key", "digest") for record in records))
    assert len({record.id for record in got}) == 1
    assert (await registry.states("job"))["queued"] == 1
    assert (await registry.add(new_record("job", "b", "queued", {}), "key", "digest")).tenant == "b"


async def test_a_key_with_something_else_is_refused_until_its_thing_is_deleted(registry: Registry) -> None:
    job = await registry.add(new_record("job", "a", "queued", {}), "key", "one")
    with pytest.raises(KeyTaken):
        await registry.add(new_record("job", "a", "queued", {}), "key", "other")
    await registry.delete(job.id)
    assert (await registry.add(new_record("job", "a", "queued", {}), "key", "other")).id != job.id


async def test_numbers_of_bodies_are_summed_and_tokens_kept_by_day(registry: Registry) -> None:
    for size in (5, 7):
        await registry.add(new_record("file", "a", "processed", {"bytes": size}))
    assert (await registry.total("a", "bytes"), await registry.total("b", "bytes")) == (12, 0)
    await registry.use("a", 100, 3)
    await registry.use("a", 100, 9)
    await registry.use("a", 140, 1)
    assert (await registry.used(140), await registry.used(100)) == ({"a": 1}, {})


def test_what_was_answered_survives_a_kill(tmp_path: Path) -> None:
    script = (
        "import asyncio, sys, time\nfrom pathlib import Path\nfrom queues.registry import *\n"
        f"registry = Registry.open(Path({str(tmp_path / 'registry.sqlite')!r}))\n"
        "async def main():\n"
        "    while True:\n"
        "        print((await registry.add(new_record('job', 'a', 'queued', {}))).id, flush=True)\n"
        "asyncio.run(main())\n"
    )
    writer = subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True)
    assert writer.stdout is not None
    told = [writer.stdout.readline().strip() for _ in range(20)]
    with pytest.raises(LedgerLocked):
        Registry.open(tmp_path / "registry.sqlite")
    writer.send_signal(signal.SIGKILL)
    told += writer.stdout.read().split()
    writer.wait(10)
    writer.stdout.close()
    registry = Registry.open(tmp_path / "registry.sqlite")
    try:
        kept = asyncio.run(registry.all("job", {"queued"}))
    finally:
        registry.close()
    assert [record.id for record in kept][: len(told)] == told


def test_a_registry_of_another_format_is_left_alone(tmp_path: Path) -> None:
    import sqlite3

    path = tmp_path / "registry.sqlite"
    with sqlite3.connect(path) as connection:
        connection.execute("CREATE TABLE other (x)")
    connection.close()
    with pytest.raises(LedgerMismatch, match="has format 0"):
        Registry.open(path)
