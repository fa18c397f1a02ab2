"""How fast a run goes beside a bare aiohttp loop against the same mock, in turn, in one sitting.

One generate stage; with --sieve generate K = 4, a judge, a vote, dedupe and a score.
"""

from __future__ import annotations

import argparse
import os
import statistics
import tempfile
from pathlib import Path
from typing import Any

from benches.mock import Measured, generate, measure_bare, measure_tamis, mock, mock_pipeline


def rubric(**more: Any) -> dict[str, Any]:
    """Return a judge that the mock's reply answers, {"pass": true, "score": 4}."""
    return {"type": "judge", "endpoint": "main", "mode": "rubric", "axes": {"right": "How right it is."}, **more}


SIEVE: list[dict[str, Any]] = [
    generate(candidates=4),
    rubric(),
    {"type": "vote", "extract": "text"},
    {"type": "dedupe"},
    {"type": "score", "features": {"length": {"target": 120, "weight": 1}}},
]
CALLS_A_SEED = 8


def main(argv: list[str]) -> None:
    parser = argparse.ArgumentParser(prog="scripts/bench throughput", description=__doc__)
    parser.add_argument("--seeds", type=int, default=40_000, help="with --sieve an eighth of them: as many calls")
    parser.add_argument("--concurrency", type=int, default=2_000)
    parser.add_argument("--latency", type=float, default=0.25, help="seconds")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--sieve", action="store_true")
    options = parser.parse_args(argv)
    stages = SIEVE if options.sieve else [generate()]
    seeds = options.seeds // CALLS_A_SEED if options.sieve else options.seeds
    rounds = []
    with mock(options.latency) as port, tempfile.TemporaryDirectory() as folder:
        pipeline = mock_pipeline(Path(folder), seeds, port, options.concurrency, stages)
        for number in range(options.rounds):
            bare = measure_bare(options.seeds, options.concurrency, port)
            run = measure_tamis(pipeline, Path(folder) / f"run-{number}", port)
            print(f"round {number + 1}: bare {bare.steady:,.0f}/s, tamis {run.steady:,.0f}/s", flush=True)
            rounds.append((bare, run))
    tell(rounds, options)


def tell(rounds: list[tuple[Measured, Measured]], options: argparse.Namespace) -> None:
    ratios = sorted(run.steady / bare.steady for bare, run in rounds)
    print(f"\n{options.concurrency:,} concurrent, mock at {options.latency} s, medians of {len(rounds)}, load {load()}")
    print("| | calls | calls/s | CPU us/call | peak MB |\n|---|---|---|---|---|")
    for name, side in (("bare aiohttp", 0), ("tamis", 1)):
        print(row(name, [pair[side] for pair in rounds]))
    print(f"\nratio, round by round: median {statistics.median(ratios):.2f} ({ratios[0]:.2f} to {ratios[-1]:.2f})")


def row(name: str, measured: list[Measured]) -> str:
    """Return a row of the table: medians, and of the rate its spread."""
    fields = ("calls", "steady", "cpu_us", "peak_mb")
    calls, steady, cpu_us, peak_mb = (statistics.median(getattr(one, field) for one in measured) for field in fields)
    low, high = min(one.steady for one in measured), max(one.steady for one in measured)
    rate = f"{steady:,.0f} ({low:,.0f} to {high:,.0f})" if len(measured) > 1 else f"{steady:,.0f}"
    return f"| {name} | {calls:,.0f} | {rate} | {cpu_us:,.0f} | {peak_mb:,.0f} |"


def load() -> str:
    return " ".join(f"{one:.0f}" for one in os.getloadavg())
