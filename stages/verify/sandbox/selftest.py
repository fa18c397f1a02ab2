"""What must hold before code is run: probes that try to get out. One that succeeds, and no code is run at all."""

from __future__ import annotations

import tempfile
from collections.abc import Awaitable, Callable

from stages.core.record import Verdict

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

def execute():
    try:
        os.execv("/no/such/program", ["program"])
    except FileNotFoundError:  # the kernel looked for it
        pass

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
        "run a program": execute,
        "signal its parent": lambda: os.kill(os.getppid(), 0),
        "make a namespace": unshare,
    }
    succeeded = []
    for name, attempt in attempts.items():
        try:
            attempt()
            succeeded.append(name)
        except (OSError, LookupError, MemoryError, RuntimeError):
            pass
    return succeeded
"""


_DOUBLES = (
    ("return 2 * x", "", "right code does not pass"),
    ("print('PASS'); return 3 * x", "wrong_answer", "wrong code is not told from right"),
    ("import os; os._exit(0)", "exited", "code that ends its process is not noticed"),
)


async def problem(run: Callable[[str, str], Awaitable[Verdict]], disk_bytes: int, memory_bytes: int) -> str:
    """Return what does not hold, in words; empty: the sandbox is sound. `run` takes code and tests."""
    for body, reason, otherwise in _DOUBLES:
        found = await run(f"def double(x): {body}", "assert double(2) == 4")
        if found.reason != reason:
            return f"{otherwise}: {found.detail}"
    with tempfile.NamedTemporaryFile() as secret:
        call = f"escapes({secret.name!r}, {disk_bytes}, {memory_bytes})"
        found = await run(_PROBE, f"out = {call}\nassert out == [], 'code can ' + ', '.join(out)")
    return "" if found.passed else f"{found.reason}: {found.detail}"
