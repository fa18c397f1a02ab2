"""What the ledger costs: rows per second, and what the main thread loses to it. Medians of several rounds.

`api`: tasks that each await one reply after another, as a run's calls do, on a loop that does nothing else.
The others are ways to write rows, each by a thread that commits while the main thread counts in a pure Python loop, as
an event loop under full load does. What it counts less than before and after is lost to the GIL. This needs a machine
with nothing else to do: another busy process changes who gets the GIL next, and so every figure.
"""

from __future__ import annotations

import argparse
import asyncio
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path
from sqlite3 import Connection
from statistics import median
from typing import NamedTuple

import orjson

from queues.ledger import Ledger, ReplyRow
from queues.ledger.commit import Batch
from queues.ledger.connection import connect_writer

COLUMNS = "seed, key, stage, endpoint, raw, prompt_tokens, completion_tokens, reasoning_tokens, cached_tokens"
INSERT = f"INSERT INTO reply ({COLUMNS}, cost_usd, wait_s, duration_s, reused) VALUES "
PLACES = f"({', '.join('?' * 13)})"
Way = Callable[[Connection, list[ReplyRow]], None]


class Cost(NamedTuple):
    """Per second; microseconds a row of the writing thread's CPU, and of the main thread's time lost to it."""

    rows: float
    cpu: float
    lost: float


def main(argv: list[str]) -> None:
    parser = argparse.ArgumentParser(prog="scripts/bench ledger", description=__doc__)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--rows", type=int, default=5_000, help="a round")
    parser.add_argument("--bytes", type=int, default=1_800, help="of one reply's JSON")
    parser.add_argument("--concurrency", type=int, default=2_000, help="tasks of `api`")
    options = parser.parse_args(argv)
    rows = [a_row(number, options.bytes) for number in range(options.rows)]
    told = [asyncio.run(api(rows, options.concurrency)) for _ in range(options.rounds)]
    per_second, cpu, waited = (median(column) for column in zip(*told, strict=True))
    print(f"api          {per_second:7,.0f} rows/s   main thread's CPU {cpu:.1f} us a row   waits {waited:.0f} ms")
    for way in (json_each, values, executemany):
        few = rows[: len(rows) // 10] if way is executemany else rows
        costs = [beside_a_busy_loop(way, few) for _ in range(options.rounds)]
        cost = Cost(*(median(column) for column in zip(*costs, strict=True)))
        print(
            f"{way.__name__:12} {cost.rows:7,.0f} rows/s   CPU {cost.cpu:4.1f} us a row   "
            f"main thread loses {cost.lost:.1f}"
        )


def a_row(number: int, size: int) -> ReplyRow:
    words = ("The quick brown fox jumps over the lazy dog. " * (size // 45 + 1))[: size - 80]
    raw = orjson.dumps({"id": number, "choices": [{"message": {"role": "assistant", "content": words}}]})
    return ReplyRow(number, f"{number * 0x9E3779B97F4A7C15 % 2**128:032x}", "generate", "main", raw, 60, 160)


async def api(rows: list[ReplyRow], concurrency: int) -> tuple[float, float, float]:
    """Return rows per second, the main thread's CPU in microseconds a row, the median wait in milliseconds."""
    waits: list[float] = []
    left = iter(rows)
    with tempfile.TemporaryDirectory() as folder:
        ledger = Ledger.open(Path(folder) / "ledger.sqlite")

        async def call() -> None:
            for row in left:
                asked = time.perf_counter()
                await ledger.reply(row)
                waits.append(time.perf_counter() - asked)

        wall, cpu = time.perf_counter(), time.thread_time()
        async with asyncio.TaskGroup() as tasks:
            for _ in range(concurrency):
                tasks.create_task(call())
        wall, cpu = time.perf_counter() - wall, time.thread_time() - cpu
        await ledger.close()
    return len(rows) / wall, cpu / len(rows) * 1e6, median(waits) * 1e3


def beside_a_busy_loop(way: Way, rows: list[ReplyRow]) -> Cost:
    with tempfile.TemporaryDirectory() as folder:
        connection = connect_writer(Path(folder) / "ledger.sqlite")
        cpu = 0.0

        def write() -> None:
            nonlocal cpu
            started = time.thread_time()
            for start in range(0, len(rows), 500):
                way(connection, rows[start : start + 500])
            cpu = time.thread_time() - started

        before = count_while(lambda: time.sleep(0.2))
        counted, seconds = count_while(write)
        after = count_while(lambda: time.sleep(0.2))
        connection.close()
    speed = (before[0] + after[0]) / (before[1] + after[1])
    n = len(rows)
    return Cost(n / seconds, cpu / n * 1e6, (seconds - counted / speed) / n * 1e6)


def count_while(work: Callable[[], None]) -> tuple[int, float]:
    """Count here for as long as the work takes in a thread; return how far, and the seconds."""
    thread = threading.Thread(target=lambda: done.append(work()))
    done: list[None] = []
    counted, started = 0, time.perf_counter()
    thread.start()
    while not done:
        counted += 1
    return counted, time.perf_counter() - started


def json_each(connection: Connection, rows: list[ReplyRow]) -> None:
    """Write as the ledger does: one statement, the rows in one JSON array."""
    Batch(replies=rows).write(connection)


def values(connection: Connection, rows: list[ReplyRow]) -> None:
    """Write with one statement that has a place for every value of every row."""
    flat = [value for row in rows for value in row._replace(raw=row.raw.decode())]
    connection.execute("BEGIN")
    connection.execute(INSERT + ",".join([PLACES] * len(rows)), flat)
    connection.execute("COMMIT")


def executemany(connection: Connection, rows: list[ReplyRow]) -> None:
    """Write as one usually does: the GIL is given back and fetched again for every row."""
    connection.execute("BEGIN")
    connection.executemany(INSERT + PLACES, [row._replace(raw=row.raw.decode()) for row in rows])
    connection.execute("COMMIT")
