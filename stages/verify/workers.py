"""Killable worker processes for work that may hang, eat memory or hold the interpreter: a hard time-out per job.

A pool has `size` processes of this Python, started ahead. Whoever asks borrows one, sends a job and reads the answer
within the limit. A process that misses the limit, dies, or whose asker is cancelled is killed; whoever borrows its
place next starts a new one, which is charged to no job. So the pool needs no task of its own.
"""

from __future__ import annotations

import asyncio
import os
import sys
import tempfile
from asyncio.subprocess import PIPE, Process
from pathlib import Path
from typing import Any

import orjson

from stages.core.base import collect
from stages.core.errors import CandidateError, InputError, RunStopped

_START_S = 60.0
_MEMORY_BYTES = 2 << 30
_ANSWER_BYTES = 16 << 20
_ROOT = str(Path(__file__).resolve().parents[2])
_BOOT = (
    f"import sys; {_ROOT!r} in sys.path or sys.path.insert(0, {_ROOT!r}); from stages.verify.worker import main; main()"
)
_INHERITED = ("PATH", "HOME", "LANG", "LC_ALL", "TMPDIR", "PYTHONPATH", "PYTHONHOME", "LD_LIBRARY_PATH")


class Workers:
    """A pool of processes. Jobs and answers are JSON values.

    `maker` is "package.module:function"; called once in each process with `argument`, it returns what answers the jobs.
    What it takes to load libraries belongs there, outside the limit, which is in seconds per job. A process takes at
    most `memory_bytes` of address space (None: what there is).
    """

    def __init__(
        self,
        maker: str,
        argument: Any = None,
        *,
        size: int,
        limit_s: float,
        memory_bytes: int | None = _MEMORY_BYTES,
    ) -> None:
        self._limit_s = limit_s
        self._all = [_Worker([*maker.split(":"), argument, memory_bytes]) for _ in range(size)]
        self._idle: asyncio.LifoQueue[_Worker] = asyncio.LifoQueue()
        for worker in self._all:
            self._idle.put_nowait(worker)

    async def start(self) -> None:
        """Start all processes. Raises InputError with the words of one that cannot start."""
        try:
            await collect(_Worker.start, self._all)
        except RunStopped as error:
            raise InputError(error.cause) from None

    async def stop(self) -> None:
        """Kill all processes and wait until they are gone."""
        await collect(_Worker.stop, self._all)

    async def ask(self, job: Any, doing: str) -> Any:
        """Return the answer to a job. Waits for a free process first, outside the limit.

        Raises CandidateError where there is none: what was being done (`doing`) timed out, ended its process, or gave
        more than can be taken.
        """
        worker = await self._idle.get()
        try:
            return await worker.ask(job, self._limit_s)
        except TimeoutError:
            raise CandidateError("timeout", f"{doing} took longer than {self._limit_s:g} s") from None
        except (EOFError, ConnectionError):
            raise CandidateError("died", f"{doing} ended its process") from None
        except asyncio.LimitOverrunError:
            raise CandidateError("too_large", f"{doing} gave more than {_ANSWER_BYTES >> 20} MiB") from None
        finally:
            self._idle.put_nowait(worker)

    def __repr__(self) -> str:
        return f"<Workers {self._idle.qsize()} of {len(self._all)} idle, {sum(w.starts for w in self._all)} starts>"


class _Worker:
    """One place in the pool, and the process in it: ready for a job while its input is open, or else replaced."""

    def __init__(self, first: list[Any]) -> None:
        self._first = first
        self._process: Process | None = None
        self.starts = 0

    async def start(self) -> Process:
        await self.stop()
        self.starts += 1
        with tempfile.TemporaryFile() as words:
            self._process = process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-P", "-c", _BOOT),
                stdin=PIPE,
                stdout=PIPE,
                stderr=words,
                limit=_ANSWER_BYTES,
                cwd="/",
                env={name: os.environ[name] for name in _INHERITED if name in os.environ},  # and no API key
                start_new_session=True,  # Ctrl-C in the terminal is tamis's to handle
            )
            try:
                await self._exchange(process, self._first, _START_S)
            except (TimeoutError, EOFError, ConnectionError):
                await self.stop()
                words.seek(0)
                said = words.read()[-2000:].decode(errors="replace").strip() or f"not ready in {_START_S:.0f} s"
                raise RunStopped(f"a worker process does not start: {said}") from None
        return process

    async def ask(self, job: Any, limit_s: float) -> Any:
        process = self._process
        if process is None or process.stdin is None or process.stdin.is_closing():
            process = await self.start()
        return await self._exchange(process, job, limit_s)

    async def _exchange(self, process: Process, job: Any, limit_s: float) -> Any:
        """Return the answer; where there is none the process is killed at once, as it is when we are cancelled."""
        assert process.stdin and process.stdout  # noqa: S101  it was started with pipes
        try:
            process.stdin.write(orjson.dumps(job) + b"\n")
            async with asyncio.timeout(limit_s):
                return orjson.loads(await process.stdout.readuntil())
        except BaseException:
            process.stdin.close()
            if process.returncode is None:
                process.kill()
            raise

    async def stop(self) -> None:
        """Kill the process, if there is one, and wait until it is gone."""
        process = self._process
        if process is not None:
            if process.returncode is None:
                process.kill()
            await process.communicate()
            self._process = None
