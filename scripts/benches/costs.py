"""What a call costs besides aiohttp: a whole run whose transport answers from memory, in microseconds of CPU a call.

The rest is all there: source, template, key, gate, parsing, ledger with synchronous=FULL, events with metrics, queues,
settling. `main thread` is what takes the event loop's time; `all threads` adds the ledger's commits.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import tempfile
import time
from pathlib import Path
from typing import Any
from unittest.mock import patch

from benches.mock import generate, mock_pipeline
from benches.throughput import CALLS_A_SEED, SIEVE
from multidict import CIMultiDict, CIMultiDictProxy
from yarl import URL

from service.runs.plan import Plan
from service.runs.runner import RunOptions, run_pipeline
from stages.llm.transport import Answer, Transport
from stages.pipeline import Pipeline


def reply(content: str) -> bytes:
    """Return the body of a chat completion."""
    message = {"role": "assistant", "content": content}
    choice = {"index": 0, "message": message, "logprobs": None, "finish_reason": "stop"}
    usage = {"prompt_tokens": 60, "completion_tokens": 160, "total_tokens": 220}
    head = {"id": "chatcmpl-1", "object": "chat.completion", "created": 1770000000, "model": "mock"}
    return json.dumps({**head, "choices": [choice], "usage": usage}).encode()


TEXT, VERDICT = reply("The quick brown fox jumps over the lazy dog. " * 15), reply('{"pass": true, "score": 4}')
HEADERS = CIMultiDictProxy(CIMultiDict({"Content-Type": "application/json"}))


def main(argv: list[str]) -> None:
    parser = argparse.ArgumentParser(prog="scripts/bench costs", description=__doc__)
    parser.add_argument("--seeds", type=int, default=30_000)
    parser.add_argument("--concurrency", type=int, default=1_000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--sieve", action="store_true", help="generate K = 4, judge, vote, dedupe, score")
    options = parser.parse_args(argv)
    stages, seeds = (SIEVE, options.seeds // CALLS_A_SEED) if options.sieve else ([generate()], options.seeds)
    asleep = asyncio.run(_sleeping(options.seeds, options.concurrency))
    rounds = sorted(_round(stages, seeds, options.concurrency) for _ in range(options.rounds))
    main_us, all_us = (took / options.seeds * 1e6 for took in rounds[len(rounds) // 2])
    print(f"{options.seeds:,} calls, {options.concurrency:,} concurrent, median of {len(rounds)}")
    print(f"main thread {main_us - asleep:.0f} us a call, all threads {all_us - asleep:.0f} us")
    print(f"(without the {asleep:.0f} us that the stand-in for the wire takes)")


async def _sleeping(count: int, concurrency: int) -> float:
    numbers = iter(range(count))

    async def sleeper() -> None:
        for _ in numbers:
            await asyncio.sleep(0.1)

    before = time.process_time()
    await asyncio.gather(*(sleeper() for _ in range(concurrency)))
    return (time.process_time() - before) / count * 1e6


def _round(stages: list[dict[str, Any]], seeds: int, concurrency: int) -> tuple[float, float]:
    """Return the CPU seconds of a run from its first admission to its last commit: of the main thread, of all."""
    took = (0.0, 0.0)

    async def send(self: Transport, url: URL, headers: CIMultiDict[str], body: bytes) -> Answer:
        await asyncio.sleep(0.1)
        return Answer(200, HEADERS, VERDICT if b'"response_format"' in body else TEXT)

    async def timed(self: Pipeline, *arguments: object) -> None:
        nonlocal took
        before = time.thread_time(), time.process_time()
        await run(self, *arguments)  # type: ignore[arg-type]  as they came
        took = time.thread_time() - before[0], time.process_time() - before[1]

    async def nothing(self: Plan) -> None:
        """Ask nobody."""

    run = Pipeline.run
    with (
        tempfile.TemporaryDirectory() as folder,
        patch.object(Transport, "send", send),
        patch.object(Pipeline, "run", timed),
        patch.object(Plan, "preflight", nothing),
    ):
        pipeline = mock_pipeline(Path(folder), seeds, 9, concurrency, stages)
        run_pipeline(RunOptions(pipeline, Path(folder) / "run", progress=False))
    return took
