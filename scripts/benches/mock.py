"""The mock server that benches ask, and a process measured against it.

The mock (nginx with Lua) and the bare aiohttp loop lie beside the project, in ../shared/bench, not in it. Every process
is measured alike: the steady rate is that of the middle 80 % of the calls, read off the mock's own counter; CPU per
call is user and system time of the whole process, imports and outputs included, by the number of calls.
"""

from __future__ import annotations

import json
import os
import re
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benches.runs import ROOT, TAMIS, write_pipeline

SHARED = ROOT.parent / "shared" / "bench"


@dataclass(frozen=True)
class Measured:
    """One process: its calls, calls per second in the middle 80 %, CPU in microseconds a call, peak memory in MB.

    `marks`: seconds since its start, calls so far, and what was scraped then.
    """

    calls: int
    steady: float
    cpu_us: float
    peak_mb: float
    marks: list[tuple[float, int, str]]


@contextmanager
def mock(latency_s: float, script: Path = SHARED / "mock") -> Iterator[int]:
    """Serve while the block runs; yield the port. `script`: a changed copy of the mock."""
    if not script.exists():
        sys.exit(f"{SHARED} is not there: the mock and the bare loop lie beside the project, not in it")
    port = free_port()
    server = subprocess.Popen(["bash", script, str(port)], env={**os.environ, "LAT": str(latency_s)})
    try:
        for _ in range(100):
            if fetch(f"http://127.0.0.1:{port}/stats"):
                break
            time.sleep(0.05)
        else:
            sys.exit("the mock did not start; it wants nginx with Lua: scripts/install-system")
        yield port
    finally:
        server.terminate()
        server.wait()


def measure(
    command: list[object],
    port: int,
    scrape: int | None = None,
    environment: Mapping[str, str] | None = None,
    quiet: bool = False,
) -> Measured:
    """Run a command and watch the mock's counter.

    `scrape`: fetch the metrics at this port once a second. `quiet`: what it draws on stderr would cost it time.
    """
    env = {**os.environ, "BASE_URL": f"http://127.0.0.1:{port}/v1", **(environment or {})}
    before, began = calls(port), time.perf_counter()
    process = subprocess.Popen(
        [str(part) for part in command],
        env=env,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL if quiet else None,
    )
    marks: list[tuple[float, int, str]] = []
    while True:
        pid, status, usage = os.wait4(process.pid, os.WNOHANG)
        due = scrape is not None and len(marks) % 20 == 19
        text = fetch(f"http://127.0.0.1:{scrape}/metrics").decode() if due else ""
        marks.append((time.perf_counter() - began, calls(port) - before, text))
        if pid:
            break
        time.sleep(0.05)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        sys.exit(f"{command} ended with {process.returncode}")
    total = marks[-1][1]
    cpu_us = (usage.ru_utime + usage.ru_stime) / total * 1e6
    return Measured(total, _steady_rate(marks), cpu_us, usage.ru_maxrss / 1024, marks)


def measure_bare(count: int, concurrency: int, port: int) -> Measured:
    return measure([sys.executable, SHARED / "bare_aiohttp.py", count, concurrency], port)


def measure_tamis(pipeline: Path, run_dir: Path, port: int) -> Measured:
    """Measure a run whose metrics are scraped once a second."""
    metrics = free_port()
    command = [TAMIS, "run", pipeline, "--out", run_dir, "--no-progress", "--metrics-port", metrics]
    return measure(command, port, scrape=metrics)


def mock_pipeline(folder: Path, seeds: int, port: int, concurrency: int, stages: list[dict[str, Any]]) -> Path:
    """Write a pipeline that asks the mock, with its source; return its file."""
    endpoint = {
        "base_url": f"http://127.0.0.1:{port}/v1",
        "model": "mock",
        "limits": {"max_concurrency": concurrency},
        "price": {"input_per_mtok": 0.1, "output_per_mtok": 0.4},
    }
    rows = ({"id": f"s{n}", "question": f"Solve question {n} step by step. " * 4} for n in range(seeds))
    return write_pipeline(folder, rows, endpoint, stages)


def generate(**more: Any) -> dict[str, Any]:
    """Return a generate stage that asks a seed's question."""
    stage = {"type": "generate", "endpoint": "main", "prompts": ["{{ question }}"], "temperature": 0.7}
    return {**stage, "max_tokens": 256, **more}


def lag_s(run: Measured) -> float:
    """Return the bound of the bucket that the 99th of 100 lags of the loop falls in, from the last scrape."""
    text = next(text for _, _, text in reversed(run.marks) if text)
    found = re.findall(r'^tamis_event_loop_lag_seconds_bucket\{le="([^"]+)"\} (\S+)$', text, re.MULTILINE)
    buckets = [(float(bound), float(count)) for bound, count in found]
    return next(bound for bound, count in buckets if count >= 0.99 * buckets[-1][1])


def _steady_rate(marks: list[tuple[float, int, str]]) -> float:
    """Return the rate between the first tenth and the last tenth of the calls."""
    total = marks[-1][1]
    middle = [(at, count) for at, count, _ in marks if total * 0.1 <= count <= total * 0.9]
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


def free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        port: int = one.getsockname()[1]
        return port
