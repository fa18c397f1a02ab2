"""Killable worker processes for work that may hang, eat memory or hold the interpreter: a hard time-out per job.

A pool has `size` processes of this Python, started ahead. Whoever asks borrows one, sends its jobs and reads the
answers in order, each within the limit. A process that misses the limit, dies, or whose asker is cancelled is killed;
whoever borrows its place next starts a new one, which is charged to no job. So the pool needs no task of its own.
"""

from __future__ import annotations

import asyncio
import os
import sys
import tempfile
from asyncio.subprocess import PIPE, Process
from collections.abc import Sequence
from enum import Enum
from pathlib import Path
from typing import Any

import orjson

from stages.core.base import each
from stages.core.errors import InputError, RunStopped

_START_S = 60.0
_ROOT = str(Path(__file__).resolve().parents[2])
_BOOT = (
    f"import sys; {_ROOT!r} in sys.path or sys.path.insert(0, {_ROOT!r}); from stages.verify.worker import main; main()"
)
_INHERITED = ("PATH", "HOME", "LANG", "LC_ALL", "TMPDIR", "PYTHONPATH", "PYTHONHOME", "LD_LIBRARY_PATH")


class Lost(Enum):
    """Why a job has no answer."""

    TIMEOUT = "timeout"
    DIED = "died"


class Workers:
    """A pool of processes. Jobs and answers are JSON values.

    `maker` is "package.module:function"; called once in each process with `argument`, it returns what answers the jobs.
    What it takes to load libraries belongs there, outside the limit, which is in seconds per job.
    """

    def __init__(self, maker: str, argument: Any = None, *, size: int, limit_s: float) -> None:
        first_line = orjson.dumps([*maker.split(":"), argument]) + b"\n"
        self.limit_s = limit_s
        self._all = [_Worker(first_line, limit_s) for _ in range(size)]
        self._idle: asyncio.LifoQueue[_Worker] = asyncio.LifoQueue()
        for worker in self._all:
            self._idle.put_nowait(worker)

    async def start(self) -> None:
        """Start all processes. Raises InputError with the words of one that cannot start."""
        try:
            await each(_Worker.start, self._all)
        except RunStopped as error:
            raise InputError(error.cause) from None

    async def stop(self) -> None:
        """Kill all processes and wait until they are gone."""
        for worker in self._all:
            worker.kill()
        await each(_Worker.gone, self._all)

    async def ask(self, jobs: Sequence[Any]) -> list[Any]:
        """Return an answer for each job, in order, or a `Lost`. Waits for a free process first, outside the limit."""
        worker = await self._idle.get()
        try:
            return await worker.ask(jobs)
        finally:
            self._idle.put_nowait(worker)

    def __repr__(self) -> str:
        return f"<Workers {self._idle.qsize()} of {len(self._all)} idle, {sum(w.starts for w in self._all)} starts>"


class _Worker:
    """One place in the pool. `_process` is the live one; a killed one is kept until it is known to be gone."""

    def __init__(self, first_line: bytes, limit_s: float) -> None:
        self._first_line, self._limit_s = first_line, limit_s
        self._process: Process | None = None
        self._killed: Process | None = None
        self.starts = 0

    async def start(self) -> None:
        await self.gone()
        self.starts += 1
        with tempfile.TemporaryFile() as words:
            self._process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-P", "-c", _BOOT),
                stdin=PIPE,
                stdout=PIPE,
                stderr=words,
                cwd="/",
                env={name: os.environ[name] for name in _INHERITED if name in os.environ},  # and no API key
                start_new_session=True,  # Ctrl-C in the terminal is tamis's to handle
            )
            answers: list[Any] = []
            if await self._exchange([self._first_line], _START_S, answers):
                await self.gone()
                words.seek(0)
                said = words.read()[-2000:].decode(errors="replace").strip()
                raise RunStopped(f"a worker process does not start: {said or f'not ready in {_START_S:.0f} s'}")

    async def ask(self, jobs: Sequence[Any]) -> list[Any]:
        lines = [orjson.dumps(job) + b"\n" for job in jobs]
        answers: list[Any] = []
        while len(answers) < len(lines):
            if self._process is None:
                await self.start()
            if lost := await self._exchange(lines[len(answers) :], self._limit_s, answers):
                answers.append(lost)
        return answers

    async def _exchange(self, lines: Sequence[bytes], limit_s: float, answers: list[Any]) -> Lost | None:
        """Append an answer per line until one is lost; then the process is killed, as it is when we are cancelled."""
        process, done = self._process, False
        assert process and process.stdin and process.stdout  # noqa: S101  its callers have started it, with pipes
        try:
            process.stdin.writelines(lines)
            for _ in lines:
                async with asyncio.timeout(limit_s):
                    answers.append(orjson.loads(await process.stdout.readuntil()))
            done = True
        except TimeoutError:
            return Lost.TIMEOUT
        except (EOFError, ConnectionError):
            return Lost.DIED
        finally:
            if not done:
                self.kill()
        return None

    def kill(self) -> None:
        """Kill the process at once; `gone` reaps it."""
        if self._process is not None:
            self._killed, self._process = self._process, None
            if self._killed.returncode is None:
                self._killed.kill()

    async def gone(self) -> None:
        """Wait until a killed process has ended."""
        if self._killed is not None:
            await self._killed.communicate()
            self._killed = None
