"""The start of both processes: limits, the fork, and what each may keep.

stdin: the code and its tests, as JSON. On what was stdout at the start go a line `started` and a line with the verdict.
"""

from __future__ import annotations

import ctypes
import json
import os
import resource

from stages.verify.sandbox.inside.code import serve
from stages.verify.sandbox.inside.examiner import Connection, run_tests
from stages.verify.sandbox.inside.values import write_all

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import NoReturn

_PR_SET_DUMPABLE, _PR_SET_NO_NEW_PRIVS, _PR_SET_SECCOMP, _SECCOMP_MODE_FILTER = 4, 38, 22, 2
_LIBC = ctypes.CDLL(None, use_errno=True)


def main(memory: int, disk: int, cpu_s: int, filters: tuple[bytes, bytes]) -> NoReturn:
    """Run one job and end the process. Of the seccomp filters one holds for both processes, one for the code's."""
    limit(memory, disk, cpu_s)
    confine(filters[0])
    results, null = os.dup(1), os.open("/dev/null", os.O_RDWR)
    os.dup2(null, 1)
    os.dup2(null, 2)
    write_all(results, b"started\n")
    _LIBC.prctl(_PR_SET_DUMPABLE, 0, 0, 0, 0)  # nobody attaches to these processes, nor opens their descriptors
    requests_out, requests_in = os.pipe()
    answers_out, answers_in = os.pipe()
    child = os.fork()
    if child == 0:
        be_the_code(null, requests_out, answers_in, filters[1])
    os.close(requests_out)
    os.close(answers_in)
    with open(0, "rb") as job:
        found = run_tests(Connection(requests_in, answers_out, child), **json.load(job))
    write_all(results, json.dumps(found).encode() + b"\n")
    os._exit(0)


def be_the_code(null: int, requests: int, answers: int, own_filter: bytes) -> NoReturn:
    """Become the process of the code: nothing open but two pipes, nothing allowed but to compute."""
    status = 1
    try:
        for number, fd in enumerate((null, null, null, requests, answers)):  # the pipes' own numbers are above 4
            os.dup2(fd, number)
        os.closerange(5, 65536)
        confine(own_filter)
        serve(3, 4)
    except SystemExit as error:
        status = error.code if isinstance(error.code, int) else int(error.code is not None)
    finally:
        os._exit(status & 255)


def limit(memory: int, disk: int, cpu_s: int) -> None:
    """Set rlimits on this process and the next. RLIMIT_NPROC is not among them: it does not hold for root."""
    for which, most in (
        (resource.RLIMIT_AS, memory),
        (resource.RLIMIT_CPU, cpu_s),
        (resource.RLIMIT_FSIZE, disk),
        (resource.RLIMIT_NOFILE, 64),
        (resource.RLIMIT_MEMLOCK, 0),
        (resource.RLIMIT_CORE, 0),
    ):
        resource.setrlimit(which, (most, most))


def confine(program: bytes) -> None:
    """Put a seccomp filter on this process, for good. Raises OSError where the kernel will not have it."""

    class Program(ctypes.Structure):  # struct sock_fprog
        _fields_ = (("length", ctypes.c_ushort), ("instructions", ctypes.c_char_p))

    filters = Program(len(program) // 8, program)
    if _LIBC.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) or _LIBC.prctl(
        _PR_SET_SECCOMP, _SECCOMP_MODE_FILTER, ctypes.byref(filters), 0, 0
    ):
        raise OSError(ctypes.get_errno(), "the kernel takes no seccomp filter")
