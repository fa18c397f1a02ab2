"""Whether later stages go first: how many seeds have begun when the first one is settled, and how many are under way.

A run of five stages against the mock, four of which ask it, read off its metrics as often as they can be had, and
interrupted after a while.
"""

from __future__ import annotations

import argparse
import re
import signal
import statistics
import subprocess
import tempfile
import time
from pathlib import Path
from typing import Any

from benches.mock import fetch, free_port, generate, mock, mock_pipeline
from benches.runs import TAMIS
from benches.throughput import load, rubric

STAGES: list[dict[str, Any]] = [
    generate(),
    *(rubric(name=name) for name in ("first", "second", "third")),
    {"type": "score", "features": {"length": {"target": 120, "weight": 1}}},
]


def main(argv: list[str]) -> None:
    parser = argparse.ArgumentParser(prog="scripts/bench stages", description=__doc__)
    parser.add_argument("--seeds", type=int, default=100_000)
    parser.add_argument("--concurrency", type=int, default=1_000)
    parser.add_argument("--seconds", type=float, default=30, help="from the first settled seed to the interruption")
    options = parser.parse_args(argv)
    with mock(0.25) as port, tempfile.TemporaryDirectory() as folder:
        pipeline = mock_pipeline(Path(folder), options.seeds, port, options.concurrency, STAGES)
        metrics = free_port()
        command = [TAMIS, "run", pipeline, "--out", Path(folder) / "run", "--no-progress", "--metrics-port", metrics]
        process = subprocess.Popen([str(part) for part in command], stdout=subprocess.DEVNULL)
        try:
            seen = _watched(metrics, process, options.seconds)
        finally:
            process.send_signal(signal.SIGINT)
            process.wait()
    begun, settled = seen[0]
    under_way = [started - done for started, done in seen]
    print(f"{options.seeds:,} seeds, five stages, {options.concurrency:,} concurrent, load {load()}")
    print(f"the first {settled:,} settled when {begun:,} had begun ({begun / options.seeds:.1%})")
    middle = statistics.median(under_way)
    print(f"under way from then on: {middle:,.0f} in the middle, {min(under_way):,} to {max(under_way):,}")
    print(f"settled by the end: {seen[-1][1]:,}")


def _watched(port: int, process: subprocess.Popen[bytes], seconds: float) -> list[tuple[int, int]]:
    """Return how many had begun and how many were settled, again and again from the first settled one on."""
    seen: list[tuple[int, int]] = []
    end = float("inf")
    while time.monotonic() < end and process.poll() is None:
        text = fetch(f"http://127.0.0.1:{port}/metrics").decode()
        settled = sum(int(float(count)) for count in re.findall(r"^tamis_seeds_total\{.*\} (\S+)", text, re.MULTILINE))
        if settled:
            under_way = re.search(r"^tamis_groups_in_flight (\S+)", text, re.MULTILINE)
            seen.append((settled + int(float(under_way[1] if under_way else 0)), settled))
            end = min(end, time.monotonic() + seconds)
        time.sleep(0.02)
    return seen
