"""What adaptive K costs and finds beside a fixed K: whole runs against the simulator, the same draws for all of them.

Each seed is solved with a chance of its own, p ~ Beta(.5, .8), and its n-th candidate is the same in every run: the
request is the same, and the simulator answers by the request alone.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benches.runs import TAMIS, simulating, write_pipeline

CASES: dict[str, dict[str, Any]] = {
    "fixed K = 8": {"candidates": 8},
    "waves of 2, cap 8": {"until": {"accepted": 1, "max_candidates": 8}},
    "waves of 2, cap 8, `rejected: 1`": {"until": {"accepted": 1, "rejected": 1, "max_candidates": 8}},
    "waves of 2, cap 32": {"until": {"accepted": 1, "max_candidates": 32}},
}


@dataclass(frozen=True)
class Measured:
    """One run: calls for each seed, and the shares of seeds that are solved and that yield a pair."""

    calls: float
    coverage: float
    pairs: float


def main(argv: list[str]) -> None:
    parser = argparse.ArgumentParser(prog="scripts/bench waves", description=__doc__)
    parser.add_argument("--seeds", type=int, default=10_000)
    options = parser.parse_args(argv)
    print(f"{options.seeds:,} seeds, p ~ Beta(.5, .8)\n")
    print("| | calls a seed | coverage | seeds with a pair |\n|---|---|---|---|")
    with simulating("--beta", "0.5,0.8") as base_url, tempfile.TemporaryDirectory() as folder:
        for name, generate in CASES.items():
            one = run(Path(folder), base_url, generate, options.seeds)
            print(f"| {name} | {one.calls:.2f} | {one.coverage:.1%} | {one.pairs:.1%} |", flush=True)


def run(folder: Path, base_url: str, generate: dict[str, Any], seeds: int) -> Measured:
    stage = {"type": "generate", "endpoint": "main", "prompts": ["{{ question }}"], "candidates": 2, "temperature": 1}
    pipeline = write_pipeline(
        folder,
        (a_sum(n) for n in range(seeds)),
        {"base_url": base_url, "model": "simulated", "limits": {"max_concurrency": 500}},
        [stage | generate, {"type": "verify", "check": "numeric", "against": "{{ answer }}"}],
        outputs=[{"format": "dpo", "pairs": {"rejected": ["verify"]}}],
    )
    out = folder / f"run-{time.monotonic_ns()}"
    command = [TAMIS, "run", str(pipeline), "--out", str(out), "--no-progress"]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    counts = json.loads((out / "manifest.json").read_text())["counts"]
    with (out / "exports" / "dpo.jsonl").open() as file:
        pairs = sum(1 for _ in file)
    return Measured(counts["candidates"]["generated"] / seeds, counts["seeds"]["solved"] / seeds, pairs / seeds)


def a_sum(number: int) -> dict[str, Any]:
    a, b = 11 + number // 97, 11 + number % 97
    return {"id": f"s{number}", "question": f"What is {a} + {b}?", "answer": a + b}
