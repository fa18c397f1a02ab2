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

from benches.mock import Measured, calls, generate, lag_s, measure_tamis, mock, mock_pipeline
from benches.runs import TAMIS
from benches.throughput import load


def main(argv: list[str]) -> None:
    parser = argparse.ArgumentParser(prog="scripts/bench memory", description=__doc__)
    parser.add_argument("--seeds", type=int, default=300_000)
    parser.add_argument("--lines", type=int, default=1_000_000)
    parser.add_argument("--concurrency", type=int, default=1_000)
    options = parser.parse_args(argv)
    runs: list[Measured] = []
    with mock(0.25) as port, tempfile.TemporaryDirectory() as folder:
        for seeds in (options.seeds // 10, options.seeds):
            pipeline = mock_pipeline(Path(folder), seeds, port, options.concurrency, [generate()])
            runs.append(measure_tamis(pipeline, Path(folder) / f"run-{seeds}", port))
            print(f"{seeds:,} seeds: {runs[-1].peak_mb:,.0f} MB", flush=True)
        pipeline = mock_pipeline(Path(folder), options.lines, port, options.concurrency, [generate()])
        started = first_call(pipeline, Path(folder) / "run-start", port)
    print(f"\nload {load()}; the lag is the bound that 99 of 100 wakings of the loop keep")
    print("| seeds | calls/s | peak MB | lag |\n|---|---|---|---|")
    for run in runs:
        print(f"| {run.calls:,} | {run.steady:,.0f} | {run.peak_mb:,.0f} | {lag_s(run)} s |")
    print(f"\npeak memory: {runs[1].peak_mb / runs[0].peak_mb:.2f} times that of a tenth of the seeds")
    print(f"first call {started:.1f} s after the start, on {options.lines:,} lines")


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
