"""How many pieces of code a second `verify: python` runs in its sandbox, beside the same code in a bare interpreter.

Nothing is kept warm between runs on either side: what one piece of code leaves behind, the next must not find.
"""

from __future__ import annotations

import argparse
import asyncio
import statistics
import sys
import time
from collections.abc import Awaitable, Callable
from functools import partial

from stages.verify.sandbox.sandbox import Limits, Sandbox

CODE = '''
def has_close_elements(numbers, threshold):
    """Tell whether any two numbers are closer to each other than the threshold."""
    ordered = sorted(numbers)
    return any(b - a < threshold for a, b in zip(ordered, ordered[1:]))
'''
TESTS = "".join(
    f"assert has_close_elements([1.0, 2.0, 3.9, 4.0, {n}.5], 0.3) is True\n"
    f"assert has_close_elements([1.0, 2.0, 4.0, {n}.5], 0.05) is False\n"
    for n in range(5, 10)
)


def main(argv: list[str]) -> None:
    parser = argparse.ArgumentParser(prog="scripts/bench sandbox", description=__doc__)
    parser.add_argument("--runs", type=int, default=200, help="for each figure")
    parser.add_argument("--at-once", type=int, nargs="+", default=[1, 2, 4])
    asyncio.run(measure(parser.parse_args(argv)))


async def measure(options: argparse.Namespace) -> None:
    print(f"{options.runs} runs each\n\n| | at once | runs/s | median ms |\n|---|---|---|---|")
    for at_once in options.at_once:
        sandbox = Sandbox(at_once, Limits(wall_s=60.0))
        await sandbox.start()
        for name, run in (("bare interpreter", bare), ("sandbox", partial(in_sandbox, sandbox))):
            rate, median = await timed(run, options.runs, at_once)
            print(f"| {name} | {at_once} | {rate:.0f} | {median * 1e3:.0f} |", flush=True)


async def timed(run: Callable[[], Awaitable[None]], runs: int, at_once: int) -> tuple[float, float]:
    """Return runs a second, and the median of seconds a run."""
    left, took = iter(range(runs)), list[float]()

    async def one_after_the_other() -> None:
        for _ in left:
            started = time.perf_counter()
            await run()
            took.append(time.perf_counter() - started)

    started = time.perf_counter()
    async with asyncio.TaskGroup() as tasks:
        for number in range(at_once):
            tasks.create_task(one_after_the_other(), name=f"runner-{number}")
    return runs / (time.perf_counter() - started), statistics.median(took)


async def in_sandbox(sandbox: Sandbox) -> None:
    verdict = await sandbox.run(CODE, TESTS)
    assert verdict.passed, verdict


async def bare() -> None:
    process = await asyncio.create_subprocess_exec(sys.executable, "-I", "-S", "-c", CODE + TESTS)
    assert await process.wait() == 0
