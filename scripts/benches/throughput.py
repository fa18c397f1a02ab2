"""How fast a run goes beside a bare aiohttp loop against the same mock, in turn, in one sitting.

The mock (../shared/bench/mock: nginx with Lua) answers after a fixed time. Both sides are measured alike: the steady
rate is that of the middle 80 % of the calls, read off the mock's own counter; CPU per call is user and system time of
the whole process, imports and outputs included, by the number of calls.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
SHARED = ROOT.parent / "shared" / "bench"
TAMIS = Path(sys.executable).parent / "tamis"


@dataclass(frozen=True)
class Measured:
    """One process: calls per second in the middle 80 %, CPU in microseconds a call, peak memory in MB."""

    steady: float
    cpu_us: float
    peak_mb: float


def main(argv: list[str]) -> None:
    parser = argparse.ArgumentParser(prog="scripts/bench throughput", description=__doc__)
    parser.add_argument("--seeds", type=int, default=40_000)
    parser.add_argument("--concurrency", type=int, default=2_000)
    parser.add_argument("--latency", type=float, default=0.25, help="seconds")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--port", type=int, default=9117)
    options = parser.parse_args(argv)
    if not (SHARED / "mock").exists():
        sys.exit(f"{SHARED} is not there: the mock and the bare loop lie beside the project, not in it")
    environment = {**os.environ, "LAT": str(options.latency)}
    mock = subprocess.Popen([SHARED / "mock", str(options.port)], env=environment)
    try:
        wait_for(options.port)
        with tempfile.TemporaryDirectory() as folder:
            write_pipeline(Path(folder), options)
            rounds = [one_round(Path(folder), number, options) for number in range(options.rounds)]
    finally:
        mock.terminate()
        mock.wait()
    tell(rounds, options)


def one_round(folder: Path, number: int, options: argparse.Namespace) -> tuple[Measured, Measured]:
    bare = [sys.executable, SHARED / "bare_aiohttp.py", str(options.seeds), str(options.concurrency)]
    run = [TAMIS, "run", folder / "pipeline.yaml", "--out", folder / f"run-{number}", "--no-progress"]
    run += ["--metrics-port", str(options.port + 1)]
    pair = measure(bare, options, scraped=False), measure(run, options, scraped=True)
    print(f"round {number + 1}: bare {pair[0].steady:,.0f}/s, tamis {pair[1].steady:,.0f}/s", flush=True)
    return pair


def measure(command: list[object], options: argparse.Namespace, scraped: bool) -> Measured:
    """Run a command, watch the mock's counter, and scrape the metrics once a second where there are any."""
    environment = {**os.environ, "BASE_URL": f"http://127.0.0.1:{options.port}/v1"}
    before = calls(options.port)
    process = subprocess.Popen([str(part) for part in command], env=environment, stdout=subprocess.DEVNULL)
    marks: list[tuple[float, int]] = []
    tick = 0
    while True:
        pid, status, usage = os.wait4(process.pid, os.WNOHANG)
        marks.append((time.perf_counter(), calls(options.port) - before))
        if pid:
            break
        tick += 1
        if scraped and tick % 20 == 0:
            fetch(f"http://127.0.0.1:{options.port + 1}/metrics")
        time.sleep(0.05)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        sys.exit(f"{command} ended with {process.returncode}")
    cpu = usage.ru_utime + usage.ru_stime
    return Measured(steady_rate(marks), cpu / options.seeds * 1e6, usage.ru_maxrss / 1024)


def steady_rate(marks: list[tuple[float, int]]) -> float:
    """Return the rate between the first tenth and the last tenth of the calls."""
    total = marks[-1][1]
    middle = [(at, count) for at, count in marks if total * 0.1 <= count <= total * 0.9]
    return (middle[-1][1] - middle[0][1]) / (middle[-1][0] - middle[0][0])


def calls(port: int) -> int:
    return int(json.loads(fetch(f"http://127.0.0.1:{port}/stats"))["calls"])


def fetch(url: str) -> bytes:
    try:
        with urllib.request.urlopen(url, timeout=10) as reply:
            body: bytes = reply.read()
            return body
    except OSError:
        return b""


def wait_for(port: int) -> None:
    for _ in range(100):
        if fetch(f"http://127.0.0.1:{port}/stats"):
            return
        time.sleep(0.05)
    sys.exit("the mock did not start; it wants nginx with Lua: scripts/install-system")


def write_pipeline(folder: Path, options: argparse.Namespace) -> None:
    with (folder / "seeds.jsonl").open("w") as file:
        for number in range(options.seeds):
            text = f"Solve question {number} step by step. " * 4
            file.write(json.dumps({"id": f"s{number}", "question": text}) + "\n")
    pipeline = {
        "name": "throughput",
        "endpoints": {
            "main": {
                "base_url": f"http://127.0.0.1:{options.port}/v1",
                "model": "mock",
                "limits": {"max_concurrency": options.concurrency},
                "price": {"input_per_mtok": 0.1, "output_per_mtok": 0.4},
            }
        },
        "source": {"type": "jsonl", "path": "seeds.jsonl", "id": "id"},
        "stages": [
            {
                "type": "generate",
                "endpoint": "main",
                "prompts": ["{{ question }}"],
                "temperature": 0.7,
                "max_tokens": 256,
            }
        ],
    }
    (folder / "pipeline.yaml").write_text(json.dumps(pipeline))


def tell(rounds: list[tuple[Measured, Measured]], options: argparse.Namespace) -> None:
    ratios = sorted(run.steady / bare.steady for bare, run in rounds)
    print(
        f"\n{options.seeds:,} calls, {options.concurrency:,} concurrent, mock at {options.latency} s, "
        f"medians of {len(rounds)}"
    )
    print("| | calls/s | CPU us/call | peak MB |\n|---|---|---|---|")
    for name, side in (("bare aiohttp", 0), ("tamis", 1)):
        measured = [pair[side] for pair in rounds]
        figures = [
            statistics.median(getattr(one, field) for one in measured) for field in ("steady", "cpu_us", "peak_mb")
        ]
        print(f"| {name} | {figures[0]:,.0f} | {figures[1]:,.0f} | {figures[2]:,.0f} |")
    print(f"\nratio, round by round: median {statistics.median(ratios):.2f} ({ratios[0]:.2f} to {ratios[-1]:.2f})")
