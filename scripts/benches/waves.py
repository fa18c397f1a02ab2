"""What adaptive K costs and finds beside a fixed K: whole runs against the simulator, the same draws for all of them.

Each seed is solved with a chance of its own, p ~ Beta(.5, .8), and its n-th candidate is the same in every run: the
request is the same, and the simulator answers by the request alone.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

TAMIS = Path(sys.executable).parent / "tamis"
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
    simulator = subprocess.Popen(
        [TAMIS, "simulate", "--port", "0", "--beta", "0.5,0.8"], stdout=subprocess.PIPE, text=True
    )
    assert simulator.stdout is not None
    try:
        base_url = simulator.stdout.readline().split()[-1]
        with tempfile.TemporaryDirectory() as folder:
            write_seeds(Path(folder), options.seeds)
            print(f"{options.seeds:,} seeds, p ~ Beta(.5, .8)\n")
            print("| | calls a seed | coverage | seeds with a pair |\n|---|---|---|---|")
            for name, generate in CASES.items():
                one = run(Path(folder), base_url, generate)
                print(f"| {name} | {one.calls:.2f} | {one.coverage:.1%} | {one.pairs:.1%} |", flush=True)
    finally:
        simulator.terminate()
        simulator.wait()


def run(folder: Path, base_url: str, generate: dict[str, Any]) -> Measured:
    out = folder / f"run-{time.monotonic_ns()}"
    (folder / "pipeline.yaml").write_text(json.dumps(pipeline(base_url, generate)))
    command = [TAMIS, "run", folder / "pipeline.yaml", "--out", out, "--no-progress"]
    subprocess.run([str(part) for part in command], check=True, stdout=subprocess.DEVNULL)
    manifest = json.loads((out / "manifest.json").read_text())
    counts = manifest["counts"]
    seeds = counts["seeds"]["read"]
    with (out / "exports" / "dpo.jsonl").open() as file:
        pairs = sum(1 for _ in file)
    made = counts["candidates"]["generated"]
    return Measured(made / seeds, counts["seeds"]["solved"] / seeds, pairs / seeds)


def write_seeds(folder: Path, count: int) -> None:
    with (folder / "seeds.jsonl").open("w") as file:
        for number in range(count):
            a, b = 11 + number // 97, 11 + number % 97
            file.write(json.dumps({"id": f"s{number}", "question": f"What is {a} + {b}?", "answer": a + b}) + "\n")


def pipeline(base_url: str, generate: dict[str, Any]) -> dict[str, Any]:
    stage = {"type": "generate", "endpoint": "main", "prompts": ["{{ question }}"], "candidates": 2, "temperature": 1}
    return {
        "name": "waves",
        "endpoints": {"main": {"base_url": base_url, "model": "simulated", "limits": {"max_concurrency": 500}}},
        "source": {"type": "jsonl", "path": "seeds.jsonl", "id": "id"},
        "stages": [stage | generate, {"type": "verify", "check": "numeric", "against": "{{ answer }}"}],
        "outputs": [{"format": "dpo", "pairs": {"rejected": ["verify"]}}],
    }
