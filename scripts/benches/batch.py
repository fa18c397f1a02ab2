"""A run through the Batch API, killed twice with SIGKILL, beside the same run live: what is sent, kept and accepted.

The first kill falls when the provider has made the first batch, the second while replies are being taken home. Nothing
may be in two batches, no reply committed twice, and both runs must accept the same. A quarter of the seeds,
undisturbed, shows whether memory grows with the requests that are under way.
"""

from __future__ import annotations

import argparse
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson
from benches.runs import TAMIS, simulating, stats, write_pipeline

from queues.ledger import LedgerError, Reader

CANDIDATES = 4
STAGES: list[dict[str, Any]] = [
    {"type": "generate", "endpoint": "main", "prompts": ["{{ question }}"], "candidates": CANDIDATES},
    {"type": "verify", "check": "numeric", "against": "{{ answer }}", "action": "mark"},
    {"type": "judge", "endpoint": "main", "mode": "eliminate", "audit": None},
    {"type": "select", "top": 2},
]


@dataclass(frozen=True)
class Ran:
    """One process: wall and CPU seconds, peak memory in MB."""

    wall_s: float
    cpu_s: float
    peak_mb: float


def main(argv: list[str]) -> None:
    parser = argparse.ArgumentParser(prog="scripts/bench batch", description=__doc__)
    parser.add_argument("--seeds", type=int, default=1_250, help=f"with {CANDIDATES} candidates each, and a judge")
    parser.add_argument("--batch-s", type=float, default=5.0, help="seconds that the provider takes for a batch")
    parser.add_argument("--max-requests", type=int, default=2_000, help="of one batch")
    options = parser.parse_args(argv)
    with simulating("--accuracy", 0.6, "--batch-s", options.batch_s) as url, tempfile.TemporaryDirectory() as name:
        write(Path(name), url, options)
        in_batches, at_once = Path(name) / "batch", Path(name) / "live"
        parts = [
            run(in_batches, kill=lambda: stats(url)["batches"] >= 1),
            run(in_batches, "--resume", kill=lambda: committed(in_batches / "run") > 0),
            run(in_batches, "--resume"),
        ]
        batches, live = stats(url)["batches"], run(at_once)
        small = run(in_batches, "--limit", str(options.seeds // 4), out="quarter")
        tell(in_batches / "run", at_once / "run", batches)
        names = ["batches, killed at the first batch", "resumed, killed taking home", "resumed, to the end"]
        for title, ran in zip([*names, "live", "a quarter in batches"], [*parts, live, small], strict=True):
            print(f"| {title} | {ran.wall_s:.1f} | {ran.cpu_s:.1f} | {ran.peak_mb:.0f} |")


def write(folder: Path, url: str, options: argparse.Namespace) -> None:
    """Write a pipeline for live calls and one for batches, each into a folder with its seeds."""
    live = {"base_url": url, "model": "simulated", "limits": {"max_concurrency": 200}}
    in_batches = {**live, "mode": "batch", "batch": {"poll_s": 0.5, "max_requests": options.max_requests}}
    for name, endpoint in (("live", live), ("batch", in_batches)):
        (folder / name).mkdir()
        (folder / name / "constitution.yaml").write_text(
            "principles: [{id: steps, text: The answer shows its steps.}]\n"
        )
        rows = (
            {"id": f"q{n}", "question": f"What is {n} + {n % 91}?", "answer": n + n % 91} for n in range(options.seeds)
        )
        write_pipeline(folder / name, rows, endpoint, STAGES, constitution="constitution.yaml")


def run(folder: Path, *arguments: str, out: str = "run", kill: Callable[[], bool] | None = None) -> Ran:
    """Run to the end, or until it is time to kill it."""
    command = [TAMIS, "run", str(folder / "pipeline.yaml"), "--out", str(folder / out), "--no-progress", *arguments]
    began = time.perf_counter()
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    if kill is not None:
        while not kill():
            time.sleep(0.01)
        os.kill(process.pid, signal.SIGKILL)
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode != (0 if kill is None else -signal.SIGKILL):
        sys.exit(f"{command} ended with {process.returncode}")
    return Ran(time.perf_counter() - began, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024)


def committed(run_dir: Path) -> int:
    try:
        with Reader(run_dir / "ledger.sqlite") as reader:
            return sum(spend.calls for spend in reader.spend())
    except LedgerError:
        return 0


def tell(in_batches: Path, live: Path, batches: int) -> None:
    with Reader(in_batches / "ledger.sqlite") as reader:
        asked = [key for row in reader.decisions("batch") for key, _, _ in orjson.loads(row.body).get("asked", ())]
        replies = sum(spend.calls for spend in reader.spend())
        kept = sum(len(reader.replies(no)) for no in reader.numbers())
    same = (in_batches / "accepted.jsonl").read_bytes() == (live / "accepted.jsonl").read_bytes()
    print(f"{len(asked):,} requests in {batches} batches, killed twice")
    print(f"requests in two batches: {len(asked) - len(set(asked))}; replies committed twice: {replies - kept}")
    print(f"accepted.jsonl as that of the live run: {'yes' if same else 'NO'}\n")
    print("| | s | CPU s | peak MB |\n|---|---|---|---|")
