"""What watching diversity and stopping duplicates cost a run: whole runs against the same mock, in turn.

The mock (../shared/bench/mock) says 150 words drawn anew for every call. Nobody can turn the watching off, so the
first case takes the monitor out from outside. The rate is that of the middle 80 % of the calls, the lag of the loop is
read off `/metrics`; where others use the machine too, the CPU per call is the figure to compare.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any, NamedTuple

from benches.throughput import SHARED, calls, fetch, steady_rate, wait_for

RUN = "from service.cli import main; main()"
UNWATCHED = (
    "import stages.registry as r; from stages.core.steering import Monitor; "
    f"r.CollapseMonitor = lambda *_: Monitor(); {RUN}"
)
DEDUPE: dict[str, Any] = {"type": "dedupe", "mode": "online", "near": {"threshold": 0.8}}
CASES: dict[str, tuple[str, list[dict[str, Any]]]] = {
    "generate alone": (UNWATCHED, []),
    "watched": (RUN, []),
    "watched, and deduped online": (RUN, [DEDUPE]),
}
TEXT = re.compile(r"^ *local text = .*$", re.MULTILINE)
WORDS = (
    "local said = {} for i = 1, 150 do said[i] = 'word' .. math.random(20000) end "
    "local text = '\"' .. table.concat(said, ' ') .. '\"'"
)


class Measured(NamedTuple):
    """One run: calls per second, CPU microseconds per call, p99 of the loop's lag in seconds."""

    rate: float
    cpu_us: float
    lag_s: float


def main(argv: list[str]) -> None:
    parser = argparse.ArgumentParser(prog="scripts/bench diversity", description=__doc__)
    parser.add_argument("--seeds", type=int, default=20_000)
    parser.add_argument("--concurrency", type=int, default=500)
    parser.add_argument("--latency", type=float, default=0.25, help="seconds")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--port", type=int, default=9127)
    options = parser.parse_args(argv)
    with tempfile.TemporaryDirectory() as folder:
        script, changed = TEXT.subn(WORDS, (SHARED / "mock").read_text())
        assert changed == 1, "the mock has changed"
        (Path(folder) / "mock").write_text(script)
        mock = subprocess.Popen(
            ["bash", Path(folder) / "mock", str(options.port)], env={**os.environ, "LAT": str(options.latency)}
        )
        try:
            wait_for(options.port)
            with (Path(folder) / "seeds.jsonl").open("w") as file:
                file.writelines(
                    json.dumps({"id": f"s{n}", "question": f"Question {n}?"}) + "\n" for n in range(options.seeds)
                )
            rounds = [{name: measure(Path(folder), name, options) for name in CASES} for _ in range(options.rounds)]
        finally:
            mock.terminate()
            mock.wait()
    tell(rounds)


def measure(folder: Path, name: str, options: argparse.Namespace) -> Measured:
    program, more = CASES[name]
    generate = {"type": "generate", "endpoint": "main", "prompts": ["{{ question }}"], "temperature": 0.7}
    endpoint = {
        "base_url": f"http://127.0.0.1:{options.port}/v1",
        "model": "mock",
        "limits": {"max_concurrency": options.concurrency},
    }
    source = {"type": "jsonl", "path": "seeds.jsonl", "id": "id"}
    pipeline = {"endpoints": {"main": endpoint}, "source": source, "stages": [generate, *more]}
    (folder / "pipeline.yaml").write_text(json.dumps(pipeline))
    command = [sys.executable, "-c", program, "run", str(folder / "pipeline.yaml"), "--no-progress"]
    command += ["--out", str(folder / f"run-{time.monotonic_ns()}"), "--metrics-port", str(options.port + 1)]
    before, metrics = calls(options.port), b""
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    marks: list[tuple[float, int]] = []
    while True:
        pid, status, usage = os.wait4(process.pid, os.WNOHANG)
        marks.append((time.perf_counter(), calls(options.port) - before))
        if pid:
            break
        if len(marks) % 20 == 0:
            metrics = fetch(f"http://127.0.0.1:{options.port + 1}/metrics") or metrics
        time.sleep(0.05)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        sys.exit(f"{name} ended with {process.returncode}")
    one = Measured(steady_rate(marks), (usage.ru_utime + usage.ru_stime) / options.seeds * 1e6, p99(metrics.decode()))
    print(f"{name}: {one.rate:,.0f}/s, {one.cpu_us:,.0f} us, lag p99 below {one.lag_s} s", flush=True)
    return one


def p99(metrics: str) -> float:
    """Return the upper bound of the bucket that the 99th percentile of the loop's lag falls in."""
    found = re.findall(r'^tamis_event_loop_lag_seconds_bucket\{le="([^"]+)"\} (\S+)$', metrics, re.MULTILINE)
    buckets = [(float(le), float(count)) for le, count in found]
    return next(le for le, count in buckets if count >= 0.99 * buckets[-1][1])


def tell(rounds: list[dict[str, Measured]]) -> None:
    print("\n| | calls/s | by the first | CPU us/call | loop lag p99 below, ms |\n|---|---|---|---|---|")
    for name in CASES:
        ratio = statistics.median(one[name].rate / one["generate alone"].rate for one in rounds)
        rate, cpu, lag = (statistics.median(figures) for figures in zip(*(one[name] for one in rounds), strict=True))
        print(f"| {name} | {rate:,.0f} | {ratio:.2f} | {cpu:,.0f} | {lag * 1000:,.1f} |")
