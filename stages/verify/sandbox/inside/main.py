"""The start of both processes: limits, the fork, and what each may keep.

stdin: a frame with the code and its limits, then one with the tests; a frame is four bytes of length and JSON. On what
was stdout at the start go a line `started` and a line with the verdict.
"""

from __future__ import annotations

import ctypes
import json
import os
import resource

from stages.verify.sandbox.inside.code import Code
from stages.verify.sandbox.inside.examiner import Connection, run_tests
from stages.verify.sandbox.inside.values import write_all

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, NoReturn

_PR_SET_DUMPABLE, _PR_SET_NO_NEW_PRIVS, _PR_SET_SECCOMP, _SECCOMP_MODE_FILTER = 4, 38, 22, 2
_LIBC = ctypes.CDLL(None, use_errno=True)


def main() -> NoReturn:
    """Run one job and end the process."""
    results = os.dup(1)
    null = os.open("/dev/null", os.O_RDWR)
    os.dup2(null, 1)
    os.dup2(null, 2)
    write_all(results, b"started\n")
    job = read_frame()
    limit(job["memory"], job["cpu_s"], job["file_size"])
    requests_out, requests_in = os.pipe()
    answers_out, answers_in = os.pipe()
    child = os.fork()
    if child == 0:
        be_the_code(job, null, requests_out, answers_in)
    os.close(requests_out)
    os.close(answers_in)
    _LIBC.prctl(_PR_SET_DUMPABLE, 0, 0, 0, 0)  # nobody attaches to this process, nor opens its descriptors
    found = run_tests(Connection(requests_in, answers_out, child), **read_frame())
    write_all(results, json.dumps(found).encode() + b"\n")
    os._exit(0)


def be_the_code(job: dict[str, Any], null: int, requests: int, answers: int) -> NoReturn:
    """Become the process of the code: nothing open but two pipes, nothing allowed but to compute."""
    status = 1
    try:
        for number, fd in enumerate((null, null, null, requests, answers)):  # the pipes' own numbers are above 4
            os.dup2(fd, number)
        os.closerange(5, 65536)
        confine(bytes.fromhex(job["filter"]))
        Code(job["code"]).serve(3, 4)
    except SystemExit as error:
        status = error.code if isinstance(error.code, int) else int(error.code is not None)
    finally:
        os._exit(status & 255)


def read_frame() -> dict[str, Any]:
    """Read one frame and not a byte more: the next one is not for the process that is forked in between."""
    frame: dict[str, Any] = json.loads(_exactly(int.from_bytes(_exactly(4), "big")))
    return frame


def _exactly(size: int) -> bytes:
    data = b""
    while len(data) < size:
        more = os.read(0, size - len(data))
        if not more:
            raise EOFError
        data += more
    return data


def limit(memory: int, cpu_s: int, file_size: int) -> None:
    """Set rlimits on this process and the next. RLIMIT_NPROC is not among them: it does not hold for root."""
    for which, most in (
        (resource.RLIMIT_AS, memory),
        (resource.RLIMIT_CPU, cpu_s),
        (resource.RLIMIT_FSIZE, file_size),
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
