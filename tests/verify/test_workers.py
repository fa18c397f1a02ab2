from __future__ import annotations

import asyncio
import os
import select
import signal
import sys
from pathlib import Path
from typing import Any

import pytest
import uvloop

from stages.core.errors import CandidateError, InputError
from stages.verify.workers import Workers

SHORT = 0.2


async def answers(workers: Workers, *jobs: Any) -> list[Any]:
    """Ask for one job after the other; what has no answer has its reason in place of it."""
    found = []
    for job in jobs:
        try:
            found.append(await workers.ask(job, "the job"))
        except CandidateError as lost:
            found.append(lost.reason)
    return found


async def test_every_job_gets_its_own_answer(pool):
    async with pool() as workers:
        assert await answers(workers, 1, "two", {"three": 3}) == [1, "two", {"three": 3}]


async def test_a_job_past_its_limit_is_lost_and_the_jobs_around_it_are_answered(pool):
    async with pool(limit_s=SHORT) as workers:
        assert await answers(workers, 1, ["sleep"], 3) == [1, "timeout", 3]


async def test_a_job_that_blocks_every_signal_is_killed_all_the_same(pool):
    async with pool(limit_s=SHORT) as workers:
        assert await answers(workers, ["deaf"], 2) == ["timeout", 2]


async def test_a_job_that_kills_its_process_is_lost_alone(pool):
    async with pool() as workers:
        assert await answers(workers, 1, ["die"], 3) == [1, "died", 3]


@pytest.mark.parametrize("loop", [asyncio.new_event_loop, uvloop.new_event_loop])
def test_a_process_that_dies_between_two_jobs_is_replaced_and_loses_none(pool, loop):
    async def between() -> list[Any]:
        async with pool() as workers:
            (pid,) = await answers(workers, ["pid"])
            os.kill(pid, signal.SIGKILL)
            with pytest.raises(ProcessLookupError):
                while True:  # until somebody has waited for it
                    os.kill(pid, 0)
                    await asyncio.sleep(0.01)
            for _ in range(10):  # and the loop has heard of it
                await asyncio.sleep(0)
            return await answers(workers, 2, 3)

    with asyncio.Runner(loop_factory=loop) as runner:
        assert runner.run(between()) == [2, 3]


async def test_a_job_that_wants_all_memory_is_lost_alone(pool):
    async with pool() as workers:
        assert await answers(workers, ["memory", 8 << 30], 2) == ["died", 2]


async def test_an_answer_too_large_to_take_is_lost_alone(pool):
    async with pool() as workers:
        assert await answers(workers, 1, ["long", 17 << 20], 3) == [1, "too_large", 3]


async def test_what_a_library_prints_does_not_come_between_the_answers(pool):
    async with pool() as workers:
        assert await answers(workers, ["print"], 2) == ["print", 2]


async def test_the_loop_runs_on_while_a_job_hangs_and_other_jobs_are_answered(pool):
    async with pool(size=2) as workers:
        hanging = asyncio.create_task(answers(workers, ["deaf"]), name="hanging")
        for _ in range(50):
            assert await answers(workers, 1) == [1]
        assert not hanging.done()
        hanging.cancel()
        with pytest.raises(asyncio.CancelledError):
            await hanging


async def test_an_asker_that_is_cancelled_leaves_no_answer_behind_for_the_next(pool):
    async with pool() as workers:
        (before,) = await answers(workers, ["pid"])
        asker = asyncio.create_task(answers(workers, ["sleep"], "stale"), name="asker")
        await asyncio.sleep(0)  # it has borrowed the process and sent its jobs
        asker.cancel()
        with pytest.raises(asyncio.CancelledError):
            await asker
        (after,) = await answers(workers, ["pid"])
        assert after != before
        assert repr(workers) == "<Workers 1 of 1 idle, 2 starts>"


async def test_an_asker_that_is_cancelled_while_it_waits_takes_no_process_with_it(pool):
    async with pool(limit_s=SHORT) as workers:
        hanging = asyncio.create_task(answers(workers, ["sleep"]), name="hanging")
        await asyncio.sleep(0)
        waiting = asyncio.create_task(answers(workers, 1), name="waiting")
        await asyncio.sleep(0)
        waiting.cancel()
        assert await hanging == ["timeout"]
        assert await answers(workers, 2) == [2]


async def test_a_process_that_cannot_be_made_ready_says_why(pool):
    with pytest.raises(InputError, match="the library is missing a part"):
        async with pool(size=2, argument="broken"):
            pass


async def test_a_module_that_does_not_exist_is_named():
    workers = Workers("no_such_module:make", size=1, limit_s=1)
    with pytest.raises(InputError, match="no_such_module"):
        await workers.start()
    await workers.stop()


async def test_modules_of_the_folder_the_person_stands_in_are_not_imported(pool, tmp_path, monkeypatch):
    """A person's own config.py, queues/ and json.py lie beside the pipeline; the workers must not see them."""
    for name in ("config.py", "json.py", "stages.py", "hostile.py"):
        (tmp_path / name).write_text("raise SystemExit('imported from the working directory')")
    (tmp_path / "queues").mkdir()
    (tmp_path / "queues" / "__init__.py").write_text("raise SystemExit('imported from the working directory')")
    monkeypatch.chdir(tmp_path)
    async with pool() as workers:
        assert await answers(workers, 1) == [1]


async def test_processes_get_no_keys_from_the_environment(pool, monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", "sk-secret")
    async with pool() as workers:
        (names,) = await answers(workers, ["environment"])
    assert "PATH" in names
    assert "OPENAI_API_KEY" not in names


async def test_processes_import_neither_models_nor_the_network(pool):
    async with pool() as workers:
        heavy = ["pydantic", "aiohttp", "jinja2", "openai"]
        assert await answers(workers, ["imports", heavy]) == [[]]


async def test_stop_ends_the_processes(pool):
    async with pool(size=2) as workers:
        (pid,) = await answers(workers, ["pid"])
        os.kill(pid, 0)
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)


@pytest.mark.skipif(sys.platform != "linux", reason="the death signal of a parent is Linux's")
async def test_processes_die_with_a_parent_that_is_killed_in_the_middle_of_a_job(pool):
    script = (
        "import asyncio\n"
        "from stages.verify.workers import Workers\n"
        "async def main():\n"
        "    workers = Workers('hostile:make', size=1, limit_s=3600)\n"
        "    await workers.start()\n"
        "    print(await workers.ask(['pid'], 'it'), flush=True)\n"
        "    await workers.ask(['deaf'], 'it')\n"
        "asyncio.run(main())\n"
    )
    root = Path(__file__).parents[2]
    parent = await asyncio.create_subprocess_exec(
        sys.executable, "-c", script, stdout=asyncio.subprocess.PIPE, cwd=root
    )
    assert parent.stdout is not None
    worker = os.pidfd_open(int(await parent.stdout.readline()))
    try:
        parent.send_signal(signal.SIGKILL)
        await parent.communicate()
        ended, _, _ = select.select([worker], [], [], 30)
        assert ended == [worker]
    finally:
        os.close(worker)
