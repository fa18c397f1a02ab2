"""A sandbox for code that nobody trusts: runs it against its tests and says how that went. Linux only; fails closed.

Around it stands bubblewrap: namespaces of its own (no network, no process of the host), a root with nothing but a
read-only Python and its libraries, an empty environment, a small tmpfs. On it lie two seccomp filters and rlimits. A
wall-clock limit kills the whole. `inside` keeps the tests in a process of their own.

What that gives: the code reaches no file, no secret, no network and no process of the host, and cannot touch its tests
or its verdict. What it does not give: a helper that the tests call by name is the code's own, and a bug in the kernel
is a way out, as from every sandbox of this kind.
"""

from __future__ import annotations

import asyncio
import json
import math
import os
import platform
import shutil
import sys
from asyncio.subprocess import PIPE
from dataclasses import dataclass

from stages.core.base import Equipped
from stages.core.errors import InputError
from stages.core.record import Verdict
from stages.verify.sandbox import bubblewrap, seccomp, selftest

_INSTALL = "install bubblewrap (Debian: apt-get install bubblewrap)"
_ALLOW = "Allow user namespaces and mounts in them; in a container its profile decides that (docs/sandbox.md)"


@dataclass(frozen=True, slots=True)
class Limits:
    """What one run may take. `wall_s` covers the start of the sandbox too; memory is per process (there are two).

    The kernel's own memory is bounded by time alone: 90,000 empty files a second, a kilobyte each, were measured.
    """

    wall_s: float = 5.0
    memory_bytes: int = 512 << 20
    disk_bytes: int = 16 << 20


class Sandbox(Equipped):
    """Runs up to `size` pieces of code at once, after `start` has proved that they are confined.

    Raises InputError where the machine has no way to confine them.
    """

    def __init__(self, size: int = 0, limits: Limits | None = None, program: str = "bwrap") -> None:
        self._limits = limits = limits or Limits()
        self._free = asyncio.Semaphore(size or os.cpu_count() or 1)
        self._sound = False
        found = shutil.which(program)
        if sys.platform != "linux" or platform.machine() not in seccomp.MACHINES or found is None:
            raise InputError(f"code is run in a sandbox only, on Linux with bubblewrap: {_INSTALL}")
        filters = seccomp.filter_for_everything(), seccomp.filter_for_code()
        most = limits.memory_bytes, limits.disk_bytes, math.ceil(limits.wall_s)
        self._command = bubblewrap.command(found, limits.disk_bytes, *most, filters)

    async def start(self) -> None:
        """Try to get out. Raises InputError with the ways that are open, or with why nothing can be run."""
        found = await selftest.problem(self._run, self._limits.disk_bytes, self._limits.memory_bytes)
        if found:
            raise InputError(f"the sandbox does not hold, so no code is run: {found}. {_ALLOW}")
        self._sound = True

    async def run(self, code: str, tests: str) -> Verdict:
        """Run `tests` against `code`: a program of assertions that calls by name what the code defines.

        Reasons: wrong_answer, error, timeout, memory, exited, crashed; or, where it could not be told, bad_reference,
        unsupported, sandbox.
        """
        if not self._sound:
            raise InputError("the sandbox has not been started")
        return await self._run(code, tests)

    async def _run(self, code: str, tests: str) -> Verdict:
        job = json.dumps({"code": code, "tests": tests}).encode()
        async with self._free:
            process = await asyncio.create_subprocess_exec(*self._command, stdin=PIPE, stdout=PIPE, stderr=PIPE, env={})
            try:
                async with asyncio.timeout(self._limits.wall_s):
                    _hand(process, job)
                    said, complained = await process.communicate()
            except TimeoutError:
                return Verdict(False, reason="timeout", detail=f"it took longer than {self._limits.wall_s:g} s")
            finally:
                if process.returncode is None:
                    process.kill()  # and bubblewrap takes everything inside with it
                    await process.wait()
        started, _, verdict = said.partition(b"\n")
        if started != b"started":
            words = complained.decode(errors="replace").strip()
            return Verdict(None, reason="sandbox", detail=f"the sandbox does not start: {words}")
        if not verdict.endswith(b"\n"):
            return Verdict(False, reason="crashed", detail="the process of the tests ended without a verdict")
        return Verdict(**json.loads(verdict))


def _hand(process: asyncio.subprocess.Process, job: bytes) -> None:
    """Give a process its input, unless it has ended already: to uvloop such a write is a mistake, no broken pipe."""
    if process.stdin is not None and not process.stdin.is_closing():
        process.stdin.write(job)
        process.stdin.close()
