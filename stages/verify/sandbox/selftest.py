"""What must hold before code is run: probes that try to get out. One that succeeds, and no code is run at all."""

from __future__ import annotations

import tempfile
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from stages.verify.sandbox.sandbox import Limits, Outcome

_PROBE = """
import ctypes, os, socket, threading

def remove_after(path):
    open(path, "w").close()
    os.remove(path)

def fill(path, size):
    try:
        with open(path, "wb") as file:
            file.write(bytes(size))
    finally:
        os.remove(path)

def fork():
    if os.fork() == 0:
        os._exit(0)

def unshare():
    if ctypes.CDLL(None).unshare(0x10000000):
        raise OSError

def environment():
    unknown = set(os.environ) - {"LANG", "LC_CTYPE", "LD_LIBRARY_PATH", "PWD", "PYTHONHASHSEED"}
    if not unknown:
        raise LookupError

def escapes(secret, disk_bytes, memory_bytes):
    attempts = {
        "read a file of the host": lambda: open(secret).close(),
        "read /proc": lambda: open("/proc/self/status").close(),
        "see the environment": environment,
        "write to /": lambda: remove_after("/probe"),
        "write to /dev/shm": lambda: remove_after("/dev/shm/probe"),
        "fill the disk": lambda: fill("/tmp/probe", disk_bytes + 1),
        "take more memory": lambda: bytearray(memory_bytes),
        "open a socket": lambda: socket.socket().close(),
        "start a process": fork,
        "start a thread": lambda: threading.Thread(target=int).start(),
        "run a program": lambda: os.execv("/no/such/program", ["program"]),
        "signal its parent": lambda: os.kill(os.getppid(), 0),
        "make a namespace": unshare,
    }
    succeeded = []
    for name, attempt in attempts.items():
        try:
            attempt()
        except FileNotFoundError:
            if name == "run a program":  # the kernel looked for it
                succeeded.append(name)
        except (OSError, LookupError, MemoryError, RuntimeError):
            continue
        else:
            succeeded.append(name)
    return succeeded
"""


_Run = Callable[[str, str], Awaitable["Outcome"]]


async def problems(run: _Run, limits: Limits) -> list[str]:
    """Return what does not hold, in words; empty: the sandbox is sound. `run` takes code and tests."""
    found = []
    right = await run("def double(x):\n    return 2 * x", "assert double(2) == 4")
    if right.passed is not True:
        return [f"right code does not pass: {right.detail}"]
    with tempfile.NamedTemporaryFile() as secret:
        call = f"escapes({secret.name!r}, {limits.disk_bytes}, {limits.memory_bytes})"
        attempts = await run(_PROBE, f"out = {call}\nassert out == [], 'code can ' + ', '.join(out)")
    if attempts.passed is not True:
        found.append(attempts.detail)
    wrong = await run("def double(x):\n    print('PASS')\n    return 3 * x", "assert double(2) == 4")
    if wrong.reason != "wrong_answer":
        found.append("wrong code is not told from right")
    ended = await run("import os\ndef double(x):\n    os._exit(0)", "assert double(2) == 4")
    if ended.reason != "exited":
        found.append("code that ends its process is not noticed")
    return found
