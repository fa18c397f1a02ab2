"""`tamis simulate` as a process of its own."""

from __future__ import annotations

import asyncio
import signal
import sys
from pathlib import Path

import aiohttp
import pytest
import typer
from typer.testing import CliRunner

from service.simulator.command import simulate

PROGRAM = "import typer; from service.simulator.command import simulate; typer.run(simulate)"


async def test_it_serves_until_told_to_stop(tmp_path: Path) -> None:
    truth = tmp_path / "truth.jsonl"
    truth.write_text('{"q": "Who wrote it?", "a": "x: Ada"}\n')
    arguments = ["--port", "0", "--accuracy", "1", "--truth", str(truth), "--question", "q"]
    arguments += ["--gold", "{{ a | after(':') }}", "--model", "one", "--model", "two"]
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", PROGRAM, *arguments, stdout=asyncio.subprocess.PIPE
    )
    try:
        line = await process.stdout.readline()
        base_url = line.decode().removeprefix("simulating at ").strip()
        body = {"model": "two", "messages": [{"role": "user", "content": "Who wrote it?"}]}
        async with (
            aiohttp.ClientSession() as session,
            session.post(f"{base_url}/chat/completions", json=body) as reply,
        ):
            assert (await reply.json())["choices"][0]["message"]["content"].endswith("answer is Ada.")
    finally:
        process.send_signal(signal.SIGTERM)
        assert await process.wait() == 0


async def test_told_to_stop_it_does_not_wait_for_a_reply_that_takes_an_hour() -> None:
    arguments = ["--port", "0", "--latency", "3600"]
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", PROGRAM, *arguments, stdout=asyncio.subprocess.PIPE
    )
    base_url = (await process.stdout.readline()).decode().removeprefix("simulating at ").strip()
    body = {"model": "simulated", "messages": [{"role": "user", "content": "What is 1 + 1?"}]}
    async with aiohttp.ClientSession() as session:
        asking = asyncio.create_task(session.post(f"{base_url}/chat/completions", json=body))
        while (await (await session.get(f"{base_url.removesuffix('/v1')}/stats")).json())["calls"] == 0:
            pass
        process.send_signal(signal.SIGTERM)
        async with asyncio.timeout(60):
            assert await process.wait() == 0
        with pytest.raises(aiohttp.ClientError):
            await asking


@pytest.mark.parametrize("wrong", [["--beta", "1"], ["--beta", "0,1"], ["--error", "2"], ["--rpm", "-1"]])
def test_a_setting_out_of_range_is_refused(wrong: list[str]) -> None:
    app = typer.Typer()
    app.command()(simulate)
    result = CliRunner().invoke(app, wrong)
    assert result.exit_code == 2
    assert wrong[0] in result.output or "comma" in result.output
