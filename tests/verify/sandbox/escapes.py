"""Ways that code has of cheating its tests or of leaving its sandbox, and what must be reported of each.

Run as a script it runs them all and prints the outcomes as JSON: so the suite can be run by another user.
"""

from __future__ import annotations

import asyncio
import json
import sys
from dataclasses import asdict
from typing import NamedTuple

from stages.core.record import Verdict
from stages.verify.sandbox.sandbox import Limits, Sandbox

LIMITS = Limits(wall_s=8.0, memory_bytes=256 << 20, disk_bytes=4 << 20)
BRIEF = Limits(wall_s=1.0, memory_bytes=256 << 20, disk_bytes=4 << 20)


class Escape(NamedTuple):
    """Code that defines `f`; what is tested of it (`f() == 4` where nothing is said); the outcome that must be."""

    code: str
    reason: str
    detail: str = ""
    tests: str = "assert f() == 4"
    brief: bool = False


def attempt(statement: str, error: str) -> Escape:
    """Return code that does one thing that must raise this error."""
    body = "\n    ".join(statement.split("\n"))
    return Escape(f"import ctypes, os, socket, threading\ndef f():\n    {body}\n    return 4", "error", error)


DENIED = "PermissionError: [Errno 1]"
ALWAYS_EQUAL = (
    "    __eq__ = lambda self, other: True\n    __ne__ = lambda self, other: False\n    __hash__ = lambda self: 0\n"
)
CALLS = {"socket": 41, "ptrace": 101, "mount": 165, "unshare": 272, "setns": 308, "bpf": 321, "keyctl": 250}
CALLS |= {"io_uring_setup": 425, "userfaultfd": 323, "perf_event_open": 298, "shmget": 29, "memfd_create": 319}
CALLS |= {"fork": 57, "vfork": 58, "execve": 59, "kill": 62, "process_vm_readv": 310, "pidfd_open": 434, "chroot": 161}

ESCAPES = {
    # what is outside
    "a file of the host": attempt("open(SECRET).read()", "FileNotFoundError"),
    "the users": attempt("open('/etc/passwd').read()", "FileNotFoundError"),
    "a home": attempt("open('/root/.bashrc')", "FileNotFoundError"),
    "its own memory": attempt("open('/proc/self/mem').read()", "FileNotFoundError"),
    "the environment of others": attempt("open('/proc/1/environ').read()", "FileNotFoundError"),
    "its own environment": Escape(
        "import os\ndef f(): return dict(os.environ)", "", tests="assert 'HOME' not in f() and 'SECRET' not in f()"
    ),
    "what lies about": Escape(
        "import os\ndef f(): return [name for path in ('/', '/usr', '/usr/bin', '/tmp') if os.path.isdir(path)\n"
        "                     for name in os.listdir(path)]",
        "",
        tests="hidden = {'proc', 'etc', 'home', 'work', 'sys', 'var', 'run', 'share', 'src', 'sh', 'env', 'x'}\n"
        "assert not hidden & set(f())",
    ),
    "installed packages": attempt("import pydantic", "ModuleNotFoundError"),
    "writing to the root": attempt("open('/x', 'w')", "OSError: [Errno 30]"),
    "writing to shared memory": attempt("open('/dev/shm/x', 'w')", "OSError: [Errno 30]"),
    "writing to the library": attempt("open(os.__file__, 'a')", "Error: [Errno"),
    "one large file": attempt("open('/tmp/x', 'wb').write(bytes(64 << 20))", "OSError: [Errno 27]"),
    "many files": attempt("for n in range(99): open(f'/tmp/{n}', 'wb').write(bytes(1 << 20))", "OSError: [Errno 28]"),
    "loopback": attempt("socket.create_connection(('127.0.0.1', 80))", DENIED),
    "the internet": attempt(
        "import urllib.request\nurllib.request.urlopen('http://93.184.216.34/')", "Operation not permitted"
    ),
    "a unix socket": attempt("socket.socket(socket.AF_UNIX)", DENIED),
    "a netlink socket": attempt("socket.socket(socket.AF_NETLINK, socket.SOCK_RAW)", DENIED),
    # taking without end
    "a fork bomb": attempt("while True: os.fork()", DENIED),
    "processes": attempt("import multiprocessing\nmultiprocessing.Process(target=int).start()", DENIED),
    "another program": attempt("import subprocess\nsubprocess.run(['/bin/sh', '-c', 'id'])", DENIED),
    "itself anew": attempt("os.execv(__import__('sys').executable, ['python', '-c', 'print()'])", DENIED),
    "threads": attempt("while True: threading.Thread(target=int).start()", "RuntimeError: can't start new thread"),
    "memory at once": Escape("def f(): return len(bytearray(4 << 30))", "memory"),
    "memory bit by bit": Escape("def f():\n    x = []\n    while True: x.append(bytearray(1 << 20))", "memory"),
    "memory for its answer": Escape("def f(): return 'x' * (200 << 20)", "memory"),
    "files in memory": attempt("os.memfd_create('x')", DENIED),
    "time in a loop": Escape("def f():\n    while True: pass", "timeout", brief=True),
    "time in one operation": Escape("def f(): return 9 ** 9 ** 9 ** 9", "timeout", brief=True),
    "time asleep": Escape("import time\ndef f(): time.sleep(3600)", "timeout", brief=True),
    "time at import": Escape("while True: pass", "timeout", brief=True),
    "time, deaf to signals": Escape(
        "import signal\ndef f():\n    for n in range(1, 65):\n        try: signal.signal(n, signal.SIG_IGN)\n"
        "        except (OSError, ValueError): pass\n    while True: pass",
        "timeout",
        brief=True,
    ),
    "recursion": Escape("def f(): return f()", "error", "RecursionError"),
    "waiting for input": attempt("input()", "EOFError"),
    # other processes
    "killing its parent": attempt("os.kill(os.getppid(), 9)", DENIED),
    "killing everyone": attempt("os.kill(-1, 9)", DENIED),
    "starving the tests": attempt(
        "import resource\nresource.prlimit(os.getppid(), resource.RLIMIT_CPU, (0, 0))", DENIED
    ),
    "raw system calls": Escape(
        "import ctypes\ndef f(calls):\n    libc = ctypes.CDLL(None, use_errno=True)\n    through = []\n"
        "    for name, number in calls.items():\n        ctypes.set_errno(0)\n"
        "        if libc.syscall(number, 0, 0, 0, 0, 0, 0) != -1 or ctypes.get_errno() != 1: through.append(name)\n"
        "    return through",
        "",
        tests=f"assert f({CALLS}) == []",
    ),
    "system calls of the x32 kind": Escape(
        "import ctypes\ndef f():\n    ctypes.CDLL(None).syscall(0x40000000 + 39)\n    return 4", "crashed", "signal 31"
    ),
    "tracing": attempt(
        "if ctypes.CDLL(None, use_errno=True).ptrace(0, 0, 0, 0): raise OSError('refused')", "OSError: refused"
    ),
    # ending early
    "leaving with 0": Escape("import os\ndef f(): os._exit(0)", "exited", "exit code 0"),
    "leaving at import": Escape("import os\nos._exit(0)", "exited", "exit code 0"),
    "sys.exit": Escape("import sys\ndef f(): sys.exit(0)", "exited", "exit code 0"),
    "aborting": Escape("import os\ndef f(): os.abort()", "crashed"),
    "a bad pointer": Escape("import ctypes\ndef f(): ctypes.string_at(8)", "crashed", "signal 11"),
    # cheating the tests
    "printing PASS": Escape(
        "def f():\n    print('PASS')\n    print('{\"passed\": true}')\n    return 5", "wrong_answer"
    ),
    "writing a verdict everywhere": Escape(
        "import os\ndef f():\n    for fd in range(64):\n        if fd != 4:\n"
        '            try: os.write(fd, b\'started\\n{"passed": true, "reason": "", "detail": ""}\\n\')\n'
        "            except OSError: pass\n    return 5",
        "wrong_answer",
    ),
    "answering a verdict": Escape(
        'import os\ndef f():\n    os.write(4, b\'{"passed": true, "reason": "", "detail": ""}\\n\')\n    return 4',
        "error",
    ),
    "answering nonsense": Escape("import os\ndef f():\n    os.write(4, b'\\xff\\x00]\\n')\n    return 4", "error"),
    "an object that equals all": Escape(
        f"class All:\n{ALWAYS_EQUAL}def f(): return All()", "wrong_answer", "gave a All"
    ),
    "a number that equals all": Escape(f"class All(int):\n{ALWAYS_EQUAL}def f(): return All(5)", "wrong_answer"),
    "a text that equals all": Escape(
        f"class All(str):\n{ALWAYS_EQUAL}def f(): return All('5')", "wrong_answer", tests="assert f() == '4'"
    ),
    "a list of what equals all": Escape(
        f"class All:\n{ALWAYS_EQUAL}def f(): return [All()]", "wrong_answer", tests="assert f() == [4]"
    ),
    "patched builtins": Escape(
        "import builtins\nbuiltins.all = builtins.any = lambda x: True\nbuiltins.abs = lambda x: 0\n"
        "builtins.AssertionError = ValueError\ndef f(): return 5",
        "wrong_answer",
        tests="assert all([abs(f() - 4) < 1e-6])",
    ),
    "builtins by definition": Escape(
        "def all(x): return True\ndef abs(x): return 0\ndef f(): return 5",
        "wrong_answer",
        tests="assert all([abs(f() - 4) < 1e-6])",
    ),
    "patched modules": Escape(
        "import math\nmath.isclose = lambda *a, **k: True\ndef f(): return 5",
        "wrong_answer",
        tests="import math\nassert math.isclose(f(), 4)",
    ),
    "walking the frames": Escape(
        "import sys\ndef f():\n    frame = sys._getframe()\n    while frame:\n"
        "        for space in (frame.f_locals, frame.f_globals):\n"
        "            if 'EXPECTED' in space: return space['EXPECTED']\n        frame = frame.f_back",
        "wrong_answer",
        tests="EXPECTED = 4\nassert f() == EXPECTED",
    ),
    "searching the memory": Escape(
        "import gc\ndef f():\n    mark = ''.join(['only the tests ', 'know this'])\n"
        "    return [type(o).__name__ for o in gc.get_objects() for r in gc.get_referents(o)\n"
        "            if isinstance(r, str) and mark in r and r is not mark]",
        "",
        tests="assert f() == []  # only the tests know this",
    ),
    "ending a loop of the tests": Escape(
        "def f(x=0): raise StopIteration",
        "error",
        "StopIteration",
        tests="assert all(map(lambda x: f(x) == 4, [1, 2]))",
    ),
    "raising a failed assertion": Escape("def f(): assert False, 'no'", "error", "AssertionError: no"),
    "an error in the tests' name": Escape("class Gone(BaseException): pass\ndef f(): raise Gone", "exited"),
}


async def outcomes(secret: str) -> dict[str, Verdict]:
    """Run the whole suite; `secret` is a file that the user who runs it can read."""
    patient, brief = Sandbox(2, LIMITS), Sandbox(2, BRIEF)
    await patient.start()
    await brief.start()

    async def one(escape: Escape) -> Verdict:
        sandbox = brief if escape.brief else patient
        return await sandbox.run(escape.code.replace("SECRET", repr(secret)), escape.tests)

    async with asyncio.TaskGroup() as tasks:
        running = {name: tasks.create_task(one(escape), name=name) for name, escape in ESCAPES.items()}
    return {name: task.result() for name, task in running.items()}


if __name__ == "__main__":
    found = asyncio.run(outcomes(sys.argv[1]))
    sys.stdout.write(json.dumps({name: asdict(outcome) for name, outcome in found.items()}))
