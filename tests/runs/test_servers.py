"""One alias, three servers: a run does not lose a candidate to the one that dies, and uses it when it is back."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack
from dataclasses import replace

from whole_runs import Project, Simulator, arithmetic, calls_reach, identities_hold

from service.simulator.options import Options
from service.simulator.server import running

CALM = Options(port=0, latency=0.2, accuracy=1.0)


async def reached(url: str, more: int) -> None:
    """Return when a server has seen so many more calls."""
    server = Simulator(url)
    await asyncio.to_thread(lambda: calls_reach(server, server.stats()["calls"] + more))


async def test_a_server_that_dies_and_comes_back_costs_a_run_nothing(project: Project) -> None:
    async with AsyncExitStack() as stack:
        one, two = [await stack.enter_async_context(running(CALM)) for _ in range(2)]
        async with running(CALM) as mortal:
            config = arithmetic(project, mortal, seeds=40)
            config["endpoints"]["main"] |= {"base_url": [mortal, one, two], "limits": {"max_concurrency": 12}}
            project.write(config)
            process = project.start("run", "pipeline.yaml", "--out", "run", "--log", "json", "--no-progress")
            await reached(mortal, 20)
        await reached(one, 20)
        port = int(mortal.rpartition(":")[2].removesuffix("/v1"))
        reborn = await stack.enter_async_context(running(replace(CALM, port=port)))
        out, err = await asyncio.to_thread(process.communicate, timeout=60)
        assert process.returncode == 0, out + err
        assert (await asyncio.to_thread(Simulator(reborn).stats))["calls"] > 10, "it has its share again"
    assert "a server fails and is left alone" in err
    assert "a server is back" in err
    manifest = project.manifest("run")
    assert identities_hold(manifest)
    candidates = manifest["counts"]["candidates"]
    assert (candidates["generated"], candidates["failed"]) == (160, 0)
