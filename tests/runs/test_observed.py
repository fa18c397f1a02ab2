"""Runs that a real Prometheus watches: every panel has its data, every alert fires on a fault and clears after it."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import urllib.request
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import replace
from typing import Any, NamedTuple

from dashboards import ANNOTATIONS, QUERIES
from needs import missing, need_program
from prometheus_server import Prometheus, hastened, prometheus
from whole_runs import Project, arithmetic

from service.simulator.options import Options
from service.simulator.server import running

SERVER = Options(port=0, latency=0.05, accuracy=0.8, slots=8, context=4096)


class Watched(NamedTuple):
    """A run in a process of its own, and where its metrics are (host:port)."""

    pid: int
    target: str


def host_of(url: str) -> str:
    return url.removeprefix("http://").partition("/")[0]


def pipeline(project: Project, base_url: str, seeds: int, limits: dict[str, Any], **more: Any) -> None:
    """Write a pipeline from whose stages seeds leave one by one, with a price and a budget."""
    config = arithmetic(project, base_url, seeds, **more)
    config["endpoints"]["main"] |= {"limits": limits, "price": {"input_per_mtok": 1, "output_per_mtok": 4}}
    config["stages"][4] = {"type": "dedupe", "mode": "online"}
    project.write(config)


@asynccontextmanager
async def run_of(project: Project) -> AsyncIterator[Watched]:
    """Run the project's pipeline while the block lasts, then tell it to stop."""
    process = project.start("run", "pipeline.yaml", "--out", "run", "--no-progress", "--metrics-port", "0")
    assert process.stderr is not None
    said = await asyncio.to_thread(process.stderr.readline)
    assert said.startswith("metrics at "), said
    try:
        yield Watched(process.pid, host_of(said.split()[-1]))
    finally:
        if process.poll() is None:
            os.kill(process.pid, signal.SIGTERM)
        out, err = await asyncio.to_thread(process.communicate, timeout=60)
    assert "Traceback" not in out + err, err


async def watched(stack: AsyncExitStack, project: Project) -> tuple[Watched, Prometheus]:
    """Run the project's pipeline, and a Prometheus with rules whose minutes are seconds beside it."""
    run = await stack.enter_async_context(run_of(project))
    return run, await stack.enter_async_context(prometheus({"tamis": [run.target]}, project.folder, hastened()))


async def test_every_query_of_every_dashboard_returns_data(project: Project) -> None:
    limits = {"max_concurrency": 16, "requests_per_minute": 12_000, "tokens_per_minute": 5_000_000}
    async with running(SERVER) as base_url, AsyncExitStack() as stack:
        pipeline(project, base_url, 4000, limits, budget={"calls": 10**6})
        async with run_of(project) as run:
            targets = {"tamis": [run.target], "vllm": [host_of(base_url)]}
            server = await stack.enter_async_context(prometheus(targets, project.folder))
            await server.has_data([*QUERIES, ("annotation", ANNOTATIONS["A job begins"])])
            await asyncio.to_thread(promtool_finds_nothing_wrong, f"http://{run.target}/metrics")
        await server.has_data([("annotation", ANNOTATIONS["A process is gone"])])


def promtool_finds_nothing_wrong(url: str) -> None:
    with urllib.request.urlopen(url, timeout=10) as reply:
        check = subprocess.run(
            [need_program("promtool"), "check", "metrics"], input=reply.read(), capture_output=True, check=False
        )
    assert (check.returncode, check.stdout + check.stderr) == (0, b"")


async def test_alerts_fire_on_faults_and_clear_after_them(project: Project) -> None:
    """A server refuses, dies, comes back with a worse model, and is well again."""
    good = replace(SERVER, accuracy=0.9)
    async with AsyncExitStack() as stack:
        async with running(replace(good, refuse=0.9)) as base_url:
            good = replace(good, port=int(base_url.rpartition(":")[2].removesuffix("/v1")))
            pipeline(project, base_url, 20_000, {"max_concurrency": 8})
            _, server = await watched(stack, project)
            await server.tells("TamisRefusalStorm")
        await server.tells("TamisBreakerOpen", "TamisStalled", quiet=["TamisRefusalStorm"])
        async with running(replace(good, accuracy=0.05)):
            await server.tells("TamisAcceptanceFell", quiet=["TamisBreakerOpen", "TamisStalled"])
        async with running(good):
            await server.tells(quiet=["TamisAcceptanceFell", "TamisBreakerOpen", "TamisStalled"])


async def test_a_collapse_and_a_budget_that_is_nearly_spent_are_told_until_the_run_is_over(project: Project) -> None:
    async with running(Options(port=0, collapse=800, latency=0.05)) as base_url, AsyncExitStack() as stack:
        sliding_pipeline(project, base_url)
        async with run_of(project) as run:
            targets = {"tamis": [run.target]}
            server = await stack.enter_async_context(prometheus(targets, project.folder, hastened()))
            await server.tells("TamisCollapse")
            await server.tells("TamisBudgetNear")
        await server.tells(quiet=["TamisCollapse", "TamisBudgetNear"])


def sliding_pipeline(project: Project, base_url: str) -> None:
    """Write a pipeline whose one stage soon repeats itself, and whose budget is nearly spent by then."""
    project.rows("seeds.jsonl", [{"id": f"s{n:04}", "example": f"task {n}"} for n in range(4000)])
    stage = {"type": "generate", "endpoint": "main", "prompts": ["Write one new task. Example: {{ example }}"]}
    project.write(
        {
            "seed": 5,
            "endpoints": {"main": {"base_url": base_url, "model": "simulated", "limits": {"max_concurrency": 8}}},
            "source": {"type": "jsonl", "path": "seeds.jsonl", "id": "id"},
            "stages": [stage | {"temperature": 0.7}],
            "budget": {"calls": 2000},
        }
    )


async def test_a_full_queue_is_told_while_its_stage_is_slow(project: Project) -> None:
    """The judge's server becomes slow, and then quick again."""
    quick = replace(SERVER, slots=64)
    async with AsyncExitStack() as stack:
        base_url = await stack.enter_async_context(running(SERVER))
        async with running(replace(quick, latency=4)) as judge_url:
            quick = replace(quick, port=int(judge_url.rpartition(":")[2].removesuffix("/v1")))
            config = arithmetic(project, base_url, 20_000)
            config["endpoints"]["slow"] = config["endpoints"]["main"] | {"base_url": judge_url}
            config["stages"][2]["endpoint"] = "slow"
            config["stages"][4] = {"type": "dedupe", "mode": "online"}
            project.write(config)
            _, server = await watched(stack, project)
            await server.tells("TamisQueueSaturated")
        async with running(quick):
            await server.tells(quiet=["TamisQueueSaturated"])


async def test_slow_commits_are_told_while_the_disk_is_slow(project: Project) -> None:
    async with running(SERVER) as base_url, AsyncExitStack() as stack:
        pipeline(project, base_url, 20_000, {"max_concurrency": 8})
        run, server = await watched(stack, project)
        await server.has_data([("commits", "rate(tamis_ledger_commit_seconds_count[4s]) > 0")])
        async with slow_disk(run.pid):
            await server.tells("TamisLedgerSlow")
        await server.tells(quiet=["TamisLedgerSlow"])


async def test_a_late_event_loop_is_told_while_the_process_lacks_cpu(project: Project) -> None:
    async with running(SERVER) as base_url, AsyncExitStack() as stack:
        pipeline(project, base_url, 20_000, {"max_concurrency": 8})
        run, server = await watched(stack, project)
        async with starved(run.pid):
            await server.tells("TamisLoopLag")
        await server.tells(quiet=["TamisLoopLag"])


@asynccontextmanager
async def slow_disk(pid: int) -> AsyncIterator[None]:
    """Let every fsync of the process take 1.2 s longer while the block lasts."""
    calls = "fsync,fdatasync"
    program = [need_program("strace"), "-f", "-p", str(pid), "-e", f"trace={calls}", "-o", "/dev/null"]
    delay = ("-e", f"inject={calls}:delay_enter=1200000")
    tracer = await asyncio.create_subprocess_exec(*program, *delay, stderr=asyncio.subprocess.PIPE)
    assert tracer.stderr is not None
    said = (await tracer.stderr.readline()).decode()
    if "attached" not in said:
        missing(f"the right to trace a process ({said.strip()})")
    try:
        yield
    finally:
        tracer.terminate()
        await tracer.wait()


@asynccontextmanager
async def starved(pid: int) -> AsyncIterator[None]:
    """Let the process run for a third of the time, as a machine with too much to do, while the block lasts."""

    async def by_turns() -> None:
        while True:
            for told, seconds in ((signal.SIGSTOP, 0.6), (signal.SIGCONT, 0.3)):
                os.kill(pid, told)
                await asyncio.sleep(seconds)

    turns = asyncio.create_task(by_turns())
    try:
        yield
    finally:
        turns.cancel()
        os.kill(pid, signal.SIGCONT)
