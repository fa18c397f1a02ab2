"""What watching diversity and stopping duplicates cost a run: whole runs against the same mock, in turn.

The mock (../shared/bench/mock) says 150 words drawn anew for every call. Nobody can turn the watching off, so the
first case takes the monitor out from outside. The rate is that of the middle 80 % of the calls, the lag of the loop is
read off `/metrics`; where others use the machine too, the CPU per call is the figure to compare.
"""

from __future__ import annotations

import argparse
import re
import statistics
import sys
import tempfile
import time
from pathlib import Path
from typing import Any, NamedTuple

from benches.mock import SHARED, free_port, generate, lag_s, measure, mock, mock_pipeline

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


class Figures(NamedTuple):
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
    options = parser.parse_args(argv)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        script, changed = TEXT.subn(WORDS, (SHARED / "mock").read_text())
        assert changed == 1, "the mock has changed"
        (folder / "mock").write_text(script)
        with mock(options.latency, folder / "mock") as port:
            rounds = [{case: figures(folder, case, port, options) for case in CASES} for _ in range(options.rounds)]
    tell(rounds)


def figures(folder: Path, case: str, port: int, options: argparse.Namespace) -> Figures:
    program, more = CASES[case]
    pipeline = mock_pipeline(folder, options.seeds, port, options.concurrency, [generate(), *more])
    metrics = free_port()
    command = [sys.executable, "-c", program, "run", pipeline, "--out", folder / f"run-{time.monotonic_ns()}"]
    found = measure([*command, "--no-progress", "--metrics-port", metrics], port, scrape=metrics)
    one = Figures(found.steady, found.cpu_us, lag_s(found))
    print(f"{case}: {one.rate:,.0f}/s, {one.cpu_us:,.0f} us, lag p99 below {one.lag_s} s", flush=True)
    return one


def tell(rounds: list[dict[str, Figures]]) -> None:
    print("\n| | calls/s | by the first | CPU us/call | loop lag p99 below, ms |\n|---|---|---|---|---|")
    for name in CASES:
        ratio = statistics.median(one[name].rate / one["generate alone"].rate for one in rounds)
        rate, cpu, lag = (statistics.median(figures) for figures in zip(*(one[name] for one in rounds), strict=True))
        print(f"| {name} | {rate:,.0f} | {ratio:.2f} | {cpu:,.0f} | {lag * 1000:,.1f} |")
