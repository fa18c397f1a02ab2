"""What a run holds: its peak memory with many seeds beside a tenth of them, how late its loop wakes, how soon it calls.

Two runs of one generate stage against the mock, then one that starts on a source of a million lines and is stopped.
"""

from __future__ import annotations

import argparse
import os
import signal
import subprocess
import tempfile
import time
from pathlib import Path

from benches.mock import TAMIS, Measured, calls, generate, measure_tamis, mock, write_pipeline
from benches.throughput import load

LAG = 'tamis_event_loop_lag_seconds_bucket{le="'


def main(argv: list[str]) -> None:
    parser = argparse.ArgumentParser(prog="scripts/bench memory", description=__doc__)
    parser.add_argument("--seeds", type=int, default=300_000)
    parser.add_argument("--lines", type=int, default=1_000_000)
    parser.add_argument("--concurrency", type=int, default=1_000)
    options = parser.parse_args(argv)
    runs: list[Measured] = []
    with mock(0.25) as port, tempfile.TemporaryDirectory() as folder:
        for seeds in (options.seeds // 10, options.seeds):
            pipeline = write_pipeline(Path(folder), seeds, port, options.concurrency, [generate()])
            runs.append(measure_tamis(pipeline, Path(folder) / f"run-{seeds}", port))
            print(f"{seeds:,} seeds: {runs[-1].peak_mb:,.0f} MB", flush=True)
        pipeline = write_pipeline(Path(folder), options.lines, port, options.concurrency, [generate()])
        started = first_call(pipeline, Path(folder) / "run-start", port)
    print(f"\nload {load()}; the lag is the bound that 99 of 100 wakings of the loop keep")
    print("| seeds | calls/s | peak MB | lag |\n|---|---|---|---|")
    for run in runs:
        print(f"| {run.calls:,} | {run.steady:,.0f} | {run.peak_mb:,.0f} | {lag(run)} |")
    print(f"\npeak memory: {runs[1].peak_mb / runs[0].peak_mb:.2f} times that of a tenth of the seeds")
    print(f"first call {started:.1f} s after the start, on {options.lines:,} lines")


def lag(run: Measured) -> str:
    """Return the bound of the bucket that holds the 99th of 100, from the last scrape."""
    text = next(text for _, _, text in reversed(run.marks) if text)
    lines = [line.removeprefix(LAG) for line in text.splitlines() if line.startswith(LAG)]
    counts = [(bound, float(count)) for bound, _, count in (line.partition('"} ') for line in lines)]
    return next(f"{bound} s" for bound, count in counts if count >= 0.99 * counts[-1][1])


def first_call(pipeline: Path, run_dir: Path, port: int) -> float:
    """Return the seconds from a process's start to its first call, and stop it then."""
    before, began = calls(port), time.perf_counter()
    command = [TAMIS, "run", str(pipeline), "--out", str(run_dir), "--no-progress"]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=os.environ)
    while calls(port) == before and process.poll() is None:
        time.sleep(0.02)
    took = time.perf_counter() - began
    process.send_signal(signal.SIGKILL)
    process.wait()
    return took
