from __future__ import annotations

import asyncio
import sys
from pathlib import Path

import pytest

from stages.core.errors import InputError
from stages.core.record import Verdict
from stages.verify.sandbox.sandbox import Limits, Sandbox

ADD = "def add(a, b=1):\n    return a + b\n"


@pytest.mark.parametrize(
    ("code", "tests"),
    [
        (ADD, "assert add(1, 2) == 3\nassert add(1, b=3) == 4"),
        (ADD, "def check(candidate):\n    assert candidate(1) == 2\ncheck(add)"),
        (
            ADD,
            "try:\n    add('x')\nexcept TypeError as error:\n    assert 'str' in str(error)\nelse:\n    assert False",
        ),
        (
            "def f(x): return x",
            "for x in (None, True, 1.5, 'ü', b'\\x00', [1, (2, {3})], {'a': {1: 2}}, 2j): assert f(x) == x",
        ),
        ("def f(x): return x", "assert f(float('inf')) == float('inf') and f(float('nan')) != f(float('nan'))"),
        ("def f(): return (1, 2)", "assert f() == (1, 2) and f() != [1, 2]"),
        ("def f(n):\n    while n: n -= 1; yield n", "assert list(f(3)) == [2, 1, 0]"),
        ("from collections import Counter\ndef f(s): return Counter(s)", "assert f('aab') == {'a': 2, 'b': 1}"),
        (
            "class Stack:\n    def __init__(self): self.items = []\n    def push(self, x): self.items.append(x)\n"
            "    def __len__(self): return len(self.items)\n    def __getitem__(self, n): return self.items[n]",
            "s = Stack()\ns.push(5)\nassert len(s) == 1 and s.items == [5] and s[0] == 5 and [*s] == [5]",
        ),
        ("import asyncio\nasync def g(): return 4\ndef f(): return asyncio.run(g())", "assert f() == 4"),
        (
            "import math, re, json, itertools, random, datetime, decimal, heapq\ndef f(): return math.pi",
            "assert f() > 3",
        ),
        ("import tempfile\ndef f():\n    with tempfile.TemporaryFile() as t: return t.write(b'x')", "assert f() == 1"),
    ],
)
async def test_right_code_passes(sandbox, code, tests):
    assert await sandbox.run(code, tests) == Verdict(True)


@pytest.mark.parametrize(
    ("code", "tests", "reason", "detail"),
    [
        (ADD, "assert add(1, 2) == 3\nassert add(1, 2) == 4", "wrong_answer", "a test failed: line 2"),
        (ADD, "assert add(1, 2) == 4, 'one and two'", "wrong_answer", "a test failed: line 1, one and two"),
        ("def f(): return 1 / 0", "assert f()", "error", "ZeroDivisionError: division by zero"),
        ("def f(): return None", "assert f()[0]", "error", "TypeError: 'NoneType' object is not subscriptable"),
        ("def g(): return 1", "assert f() == 1", "error", "NameError: name 'f' is not defined"),
        ("def f(: return", "assert f()", "error", "SyntaxError: invalid syntax (<code>, line 1)"),
        ("import nothing", "assert f()", "error", "ModuleNotFoundError: No module named 'nothing'"),
    ],
)
async def test_wrong_code_fails_and_it_is_said_how(sandbox, code, tests, reason, detail):
    assert await sandbox.run(code, tests) == Verdict(False, reason=reason, detail=detail)


@pytest.mark.parametrize(
    ("tests", "reason", "detail"),
    [
        ("assert (", "bad_reference", "the tests are not Python"),
        ("", "bad_reference", "the tests never call the code"),
        ("def check(candidate):\n    assert candidate(1) == 2", "bad_reference", "is `entry_point` missing?"),
        ("assert add(lambda: 1) == 2", "unsupported", "the tests pass a function"),
    ],
)
async def test_what_the_tests_cannot_tell_is_nobodys_fault(sandbox, tests, reason, detail):
    outcome = await sandbox.run(ADD, tests)
    assert (outcome.passed, outcome.reason) == (None, reason)
    assert detail in outcome.detail


async def test_runs_share_nothing(sandbox):
    leave = "def f():\n    open('/tmp/x', 'w').close()\n    return 4"
    look = "import os\ndef f(): return os.listdir('/tmp')"
    assert (await sandbox.run(leave, "assert f() == 4")).passed
    assert (await sandbox.run(look, "assert f() == []")).passed


async def test_a_run_that_is_cancelled_leaves_no_process(sandbox):
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(1):
            await sandbox.run("def f():\n    while True: pass", "f()")
    assert children() == []


def children() -> list[str]:
    return [pid for thread in Path("/proc/self/task").iterdir() for pid in (thread / "children").read_text().split()]


async def test_code_is_not_run_before_the_sandbox_has_proved_itself(bubblewrap):
    with pytest.raises(InputError, match="not been started"):
        await Sandbox().run(ADD, "assert add(1) == 2")


def script(path: Path, text: str) -> str:
    path.write_text(f"#!{sys.executable}\n{text}")
    path.chmod(0o755)
    return str(path)


async def test_a_bubblewrap_that_confines_nothing_is_found_out(tmp_path):
    """Stands in for every way in which confinement can fail: no code is run then, and the ways out are named."""
    leaky = script(
        tmp_path / "leaky", "import os, sys\nrest = sys.argv[sys.argv.index('--') + 1:]\nos.execv(rest[0], rest)"
    )
    sandbox = Sandbox(1, Limits(wall_s=30.0), program=leaky)
    with pytest.raises(InputError, match=r"read a file of the host.*write to /") as refused:
        await sandbox.start()
    assert "no code is run" in str(refused.value)
    with pytest.raises(InputError, match="not been started"):
        await sandbox.run(ADD, "assert add(1) == 2")


async def test_a_bubblewrap_that_does_not_work_is_quoted(tmp_path):
    broken = script(tmp_path / "broken", "raise SystemExit('bwrap: No permissions to create new namespace')")
    with pytest.raises(InputError, match="No permissions to create new namespace"):
        await Sandbox(1, Limits(wall_s=30.0), program=broken).start()


def test_without_bubblewrap_there_is_no_sandbox_and_the_remedy_is_told():
    with pytest.raises(InputError, match="apt-get install bubblewrap"):
        Sandbox(program="/no/such/bwrap")
