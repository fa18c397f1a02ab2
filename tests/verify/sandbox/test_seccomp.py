from __future__ import annotations

import re
import struct
from pathlib import Path

import pytest
from needs import missing

from stages.verify.sandbox import seccomp

HEADERS = {
    "x86_64": (Path("/usr/include/x86_64-linux-gnu/asm/unistd_64.h"), Path("/usr/include/asm/unistd_64.h")),
    "aarch64": (Path("/usr/include/asm-generic/unistd.h"),),
}
ALLOW, REFUSE, UNKNOWN, KILL = 0x7FFF0000, 0x00050001, 0x00050026, 0x80000000
AUDIT = {"x86_64": 0xC000003E, "aarch64": 0xC00000B7}


def numbers(machine: str) -> dict[str, int]:
    header = next((path for path in HEADERS[machine] if path.exists()), None)
    if header is None:
        missing("the kernel's headers (linux-libc-dev)")
    found = re.findall(r"#define __NR(?:3264)?_(\w+)\s+(\d+)", header.read_text())
    return {name: int(number) for name, number in found}


def run(program: bytes, number: int, audit: int, argument: int = 0) -> int:
    """Interpret a classic BPF program as the kernel does, for the few instructions there are."""
    data = {0: number, 4: audit, 16: argument}
    instructions = list(struct.iter_unpack("<HBBI", program))
    at, accumulator = 0, 0
    while True:
        code, if_true, if_false, operand = instructions[at]
        at += 1
        match code:
            case 0x20:
                accumulator = data[operand]
            case 0x06:
                return operand
            case 0x15:
                at += if_true if accumulator == operand else if_false
            case 0x35:
                at += if_true if accumulator >= operand else if_false
            case 0x45:
                at += if_true if accumulator & operand else if_false
            case _:
                raise AssertionError(f"unknown instruction {code:#x}")


@pytest.mark.parametrize("machine", ["x86_64", "aarch64"])
def test_the_numbers_are_those_of_the_kernels_own_tables(machine):
    kernel = numbers(machine)
    column = list(AUDIT).index(machine)
    for name, ours in {**seccomp.EVERYTHING, **seccomp.CODE, "clone": seccomp.CLONE}.items():
        if ours[column] is None:
            assert name not in kernel, name
        else:
            assert kernel.get(name, ours[column]) == ours[column], name  # an old header may lack a new call


@pytest.mark.parametrize("machine", ["x86_64", "aarch64"])
def test_every_listed_call_is_refused_and_the_rest_is_let_through(machine):
    kernel, audit, column = numbers(machine), AUDIT[machine], list(AUDIT).index(machine)
    for program, calls in (
        (seccomp.filter_for_everything(machine), seccomp.EVERYTHING),
        (seccomp.filter_for_code(machine), seccomp.CODE),
    ):
        refused = {name for name, number in kernel.items() if run(program, number, audit) == REFUSE}
        assert refused == {name for name, ours in calls.items() if ours[column] is not None and name in kernel}
        for name in ("read", "write", "openat", "mmap", "futex", "exit_group", "socketpair"):
            assert run(program, kernel[name], audit) == ALLOW, name


@pytest.mark.parametrize("machine", ["x86_64", "aarch64"])
def test_processes_may_be_made_in_the_sandbox_but_no_namespaces(machine):
    kernel, audit = numbers(machine), AUDIT[machine]
    program = seccomp.filter_for_everything(machine)
    fork, thread = 17, 0x3D0F00
    assert run(program, kernel["clone"], audit, fork) == ALLOW
    assert run(program, kernel["clone"], audit, thread) == ALLOW
    for namespace in (0x80, 0x20000, 0x2000000, 0x4000000, 0x8000000, 0x10000000, 0x20000000, 0x40000000):
        assert run(program, kernel["clone"], audit, fork | namespace) == REFUSE
    assert run(program, kernel["clone3"], audit) == UNKNOWN


@pytest.mark.parametrize("machine", ["x86_64", "aarch64"])
def test_a_call_of_another_architecture_kills(machine):
    for program in (seccomp.filter_for_everything(machine), seccomp.filter_for_code(machine)):
        assert run(program, 0, 0x40000003) == KILL
        assert run(program, 0x40000000 + 39, AUDIT[machine]) == KILL
