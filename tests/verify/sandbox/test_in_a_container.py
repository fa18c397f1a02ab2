"""What container engines refuse by default, and what becomes of code that is to be verified there: it is not run."""

from __future__ import annotations

import errno
import os
import platform
import struct
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from whole_runs import TAMIS, Project, simulating

from stages.verify.sandbox import seccomp

Confined = Callable[[list[str], Path], subprocess.CompletedProcess[str]]

TESTS = "def check(candidate):\n    assert candidate(2) == 4"


def profile() -> bytes:
    """Return a filter that refuses what engines' default profiles refuse to those without CAP_SYS_ADMIN."""
    column = seccomp.MACHINES[platform.machine()][1]
    refused = [seccomp.EVERYTHING[name][column] for name in ("unshare", "setns", "mount", "umount2", "pivot_root")]
    load, equal, any_bit, leave = 0x20, 0x15, 0x45, 0x06
    steps = [(load, 0, 0, 0)]
    for number in refused:
        steps += [(equal, 0, 1, number or 0), (leave, 0, 0, 0x50000 | errno.EPERM)]
    steps += [(equal, 0, 1, 435), (leave, 0, 0, 0x50000 | errno.ENOSYS)]  # clone3
    steps += [(equal, 0, 3, seccomp.CLONE[column]), (load, 0, 0, 16)]
    steps += [(any_bit, 0, 1, 0x7E020080), (leave, 0, 0, 0x50000 | errno.EPERM), (leave, 0, 0, 0x7FFF0000)]
    return b"".join(struct.pack("<HBBI", *step) for step in steps)


@contextmanager
def readable(data: bytes) -> Iterator[int]:
    """Make a descriptor that a program can read this from."""
    descriptor = os.memfd_create("profile", 0)
    try:
        os.write(descriptor, data)
        os.lseek(descriptor, 0, os.SEEK_SET)
        yield descriptor
    finally:
        os.close(descriptor)


@pytest.fixture(params=["a seccomp profile", "no user namespaces"])
def confined(request: pytest.FixtureRequest, bubblewrap: str) -> Confined:
    """Return what runs `tamis` as a container engine would, or on a host that allows no user namespaces."""

    def run(words: list[str], folder: Path) -> subprocess.CompletedProcess[str]:
        with readable(profile()) as descriptor:
            refusing = ["--seccomp", str(descriptor)] if "seccomp" in request.param else ["--disable-userns"]
            container = [bubblewrap, "--dev-bind", "/", "/", "--unshare-user", "--cap-drop", "ALL", *refusing, "--"]
            return subprocess.run(
                [*container, TAMIS, *words],
                check=False,
                cwd=folder,
                pass_fds=[descriptor],
                capture_output=True,
                text=True,
                timeout=60,
            )

    return run


def test_code_is_not_run_nothing_is_paid_and_the_message_says_why_and_what_to_do(
    confined: Confined, tmp_path: Path
) -> None:
    project = Project(tmp_path)
    project.rows("seeds.jsonl", [{"id": "double", "task": "Double it.", "test": TESTS}])
    with simulating() as simulator:
        project.write(
            {
                "endpoints": {"main": {"base_url": simulator.base_url, "model": "simulated"}},
                "source": {"type": "jsonl", "path": "seeds.jsonl", "id": "id"},
                "stages": [
                    {"type": "generate", "endpoint": "main", "prompts": ["{{ task }}"]},
                    {"type": "verify", "check": "python", "tests": "{{ test }}", "entry_point": "double"},
                ],
            }
        )
        done = confined(["run", "pipeline.yaml", "--out", "run"], tmp_path)
        assert (done.returncode, done.stdout) == (2, "")
        assert done.stderr.startswith("the sandbox does not hold, so no code is run: ")
        assert "bwrap: " in done.stderr
        assert "Allow user namespaces" in done.stderr
        assert "docs/sandbox.md" in done.stderr
        assert simulator.stats()["calls"] == 0


def test_what_needs_no_sandbox_works_as_anywhere(confined: Confined, tmp_path: Path) -> None:
    project = Project(tmp_path)
    project.rows("seeds.jsonl", [{"id": "double", "question": "2 + 2?", "answer": 4, "candidates": ["It is 4."]}])
    project.write(
        {
            "source": {"type": "jsonl", "path": "seeds.jsonl", "id": "id", "candidates": "candidates"},
            "stages": [{"type": "verify", "check": "numeric", "against": "{{ answer }}"}],
            "outputs": [{"format": "sft", "prompt": "{{ question }}"}],
        }
    )
    done = confined(["run", "pipeline.yaml", "--out", "run"], tmp_path)
    assert done.returncode == 0, done.stderr
    assert [row["id"] for row in project.lines("run", "accepted.jsonl")] == ["double/0"]
