"""A hundred real problems: their own solutions pass, the same solutions slightly wrong do not."""

from __future__ import annotations

import asyncio
import json
import sys
import time
from typing import Any

import pytest

from stages.core.record import Verdict

# What the function returns, slightly wrong: each type in its own way.
MUTATION = """
def _wrong(value):
    if isinstance(value, bool):
        return not value
    if isinstance(value, (int, float)):
        return value + 1
    if isinstance(value, str):
        return value + "x"
    if isinstance(value, (list, tuple)):
        return type(value)([*value[:-1]]) if value else type(value)([0])
    if isinstance(value, dict):
        return {**value, "x": 1}
    return 0

def _mutated(function):
    return lambda *args, **kwargs: _wrong(function(*args, **kwargs))

"""


@pytest.fixture(scope="module")
def problems(shared_data) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (shared_data / "humaneval_100.jsonl").read_text("utf-8").splitlines()]


async def outcomes(sandbox, problems, mutate: bool) -> dict[str, Verdict]:
    async def one(problem: dict[str, Any]) -> Verdict:
        code, name = problem["prompt"] + problem["canonical_solution"], problem["entry_point"]
        if mutate:
            code += f"\n{MUTATION}\n{name} = _mutated({name})\n"
        return await sandbox.run(code, f"{problem['test']}\ncheck({name})\n")

    async with asyncio.TaskGroup() as tasks:
        running = {problem["task_id"]: tasks.create_task(one(problem)) for problem in problems}
    return {name: task.result() for name, task in running.items()}


async def test_all_canonical_solutions_pass(sandbox, problems, capsys):
    started = time.perf_counter()
    found = await outcomes(sandbox, problems, mutate=False)
    seconds = time.perf_counter() - started
    with capsys.disabled():
        sys.stdout.write(f"\nverify: python: {len(found) / seconds:.0f} runs a second, 2 at once\n")
    assert len(found) == 100
    assert {name: outcome for name, outcome in found.items() if not outcome.passed} == {}


async def test_all_mutated_solutions_fail(sandbox, problems):
    found = await outcomes(sandbox, problems, mutate=True)
    assert len(found) == 100
    assert {name: outcome for name, outcome in found.items() if outcome.passed is not False} == {}
