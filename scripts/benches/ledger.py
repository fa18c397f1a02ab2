"""What the ledger costs: rows per second, and what the main thread loses to it.

`api`: tasks that each await one reply after another, as a run's calls do; the main thread's CPU is what they pay.
The others: a thread commits rows while the main thread counts in a pure Python loop, as an event loop under full load
does. What it counts less than without the thread is lost to the GIL; machines with other work on them lose more.
"""

from __future__ import annotations

import argparse
import asyncio
import statistics
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path
from sqlite3 import Connection

import orjson

from queues.ledger import Ledger, ReplyRow
from queues.ledger.batch import Batch
from queues.ledger.connection import connect_writer

COLUMNS = "seed, key, stage, endpoint, raw, prompt_tokens, completion_tokens, reasoning_tokens, cached_tokens"
COLUMNS += ", cost_usd, wait_s, duration_s, reused"
INSERT = f"INSERT INTO reply ({COLUMNS}) VALUES ({', '.join('?' * 13)})"
Way = Callable[[Connection, list[ReplyRow]], None]


def main(argv: list[str]) -> None:
    parser = argparse.ArgumentParser(prog="scripts/bench ledger", description=__doc__)
    parser.add_argument("--rows", type=int, default=30_000)
    parser.add_argument("--bytes", type=int, default=1_800, help="of one reply's JSON")
    parser.add_argument("--group", type=int, default=500, help="rows a commit, beside the busy loop")
    parser.add_argument("--concurrency", type=int, default=2_000, help="tasks of `api`")
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args(argv)
    rows = [a_row(number, options.bytes) for number in range(options.rows)]
    for _ in range(options.rounds):
        asyncio.run(api(rows, options.concurrency))
        beside_a_busy_loop("json_each", json_each, rows, options.group)
        beside_a_busy_loop("executemany", executemany, rows[: len(rows) // 10], options.group)


def a_row(number: int, size: int) -> ReplyRow:
    words = ("The quick brown fox jumps over the lazy dog. " * (size // 45 + 1))[: size - 120]
    raw = orjson.dumps({"id": number, "choices": [{"message": {"role": "assistant", "content": words}}]})
    return ReplyRow(number, f"{number * 0x9E3779B97F4A7C15 % 2**128:032x}", "generate", "main", raw, 60, 160)


async def api(rows: list[ReplyRow], concurrency: int) -> None:
    commits: list[float] = []
    waits: list[float] = []
    left = iter(rows)
    with tempfile.TemporaryDirectory() as folder:
        ledger = Ledger.open(Path(folder) / "ledger.sqlite", on_commit=lambda _rows, seconds: commits.append(seconds))

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
    print(
        f"api          {len(rows) / wall:7,.0f} rows/s   main thread {cpu / len(rows) * 1e6:5.1f} us a row   "
        f"acknowledged after {statistics.median(waits) * 1e3:.0f} ms   commit {statistics.median(commits) * 1e3:.0f} ms"
    )


def beside_a_busy_loop(name: str, way: Way, rows: list[ReplyRow], group: int) -> None:
    batches = [rows[start : start + group] for start in range(0, len(rows), group)]
    with tempfile.TemporaryDirectory() as folder:
        connection = connect_writer(Path(folder) / "ledger.sqlite")
        undisturbed, second = count_while(lambda: time.sleep(1.0))
        counted, seconds = count_while(lambda: [way(connection, batch) for batch in batches])
        connection.close()
    lost = (seconds - counted / (undisturbed / second)) / len(rows)
    print(
        f"{name:12} {len(rows) / seconds:7,.0f} rows/s   main thread {lost * 1e6:5.1f} us a row lost beside a busy loop"
    )


def count_while(work: Callable[[], object]) -> tuple[int, float]:
    """Count here for as long as the work takes elsewhere; return how far, and the seconds."""
    done: list[object] = []
    thread = threading.Thread(target=lambda: done.append(work()))
    counted, started = 0, time.perf_counter()
    thread.start()
    while not done:
        counted += 1
    return counted, time.perf_counter() - started


def json_each(connection: Connection, rows: list[ReplyRow]) -> None:
    """Commit as the ledger does."""
    Batch(replies=rows).write(connection)


def executemany(connection: Connection, rows: list[ReplyRow]) -> None:
    """Commit as one usually does: the GIL is given back and fetched again for every row."""
    connection.execute("BEGIN")
    connection.executemany(INSERT, [row._replace(raw=row.raw.decode()) for row in rows])
    connection.execute("COMMIT")
