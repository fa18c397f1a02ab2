"""`tamis simulate` as a process of its own."""

from __future__ import annotations

import asyncio
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import pytest
import typer
from typer.testing import CliRunner

from service.simulator.command import simulate

PROGRAM = "import typer; from service.simulator.command import simulate; typer.run(simulate)"


@asynccontextmanager
async def simulated(*options: str) -> AsyncIterator[str]:
    """Run it, with its base URL; it is told to stop when the block ends, and has to."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", PROGRAM, "--port", "0", *options, stdout=asyncio.subprocess.PIPE
    )
    try:
        yield (await process.stdout.readline()).decode().removeprefix("simulating at ").strip()
        process.send_signal(signal.SIGTERM)
        async with asyncio.timeout(60):
            assert await process.wait() == 0
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


def asked(session: aiohttp.ClientSession, base_url: str, model: str, question: str) -> Any:
    body = {"model": model, "messages": [{"role": "user", "content": question}]}
    return session.post(f"{base_url}/chat/completions", json=body)


async def test_it_serves_until_told_to_stop(tmp_path: Path) -> None:
    truth = tmp_path / "truth.jsonl"
    truth.write_text('{"q": "Who wrote it?", "a": "x: Ada"}\n')
    options = ["--accuracy", "1", "--truth", str(truth), "--question", "q"]
    options += ["--gold", "{{ a | after(':') }}", "--model", "one", "--model", "two"]
    async with (
        simulated(*options) as base_url,
        aiohttp.ClientSession() as session,
        asked(session, base_url, "two", "Who wrote it?") as reply,
    ):
        assert (await reply.json())["choices"][0]["message"]["content"].endswith("answer is Ada.")


async def test_told_to_stop_it_does_not_wait_for_a_reply_that_takes_an_hour() -> None:
    async with aiohttp.ClientSession() as session:
        async with simulated("--latency", "3600") as base_url:
            reply = asyncio.ensure_future(asked(session, base_url, "simulated", "What is 1 + 1?"))
            stats = f"{base_url.removesuffix('/v1')}/stats"
            while (await (await session.get(stats)).json())["calls"] == 0:
                pass
        with pytest.raises(aiohttp.ClientError):
            await reply


@pytest.mark.parametrize("wrong", [["--beta", "1"], ["--beta", "0,1"], ["--error", "2"], ["--rpm", "-1"]])
def test_a_setting_out_of_range_is_refused(wrong: list[str]) -> None:
    app = typer.Typer()
    app.command()(simulate)
    result = CliRunner().invoke(app, wrong)
    assert result.exit_code == 2
    assert wrong[0] in result.output or "comma" in result.output
