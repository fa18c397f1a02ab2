"""A run through the Batch API, killed twice with SIGKILL, beside the same run live: what is sent, kept and accepted.

The first kill falls when the provider has made the first batch, the second while replies are being taken home. Nothing
may be in two batches, no reply committed twice, and both runs must accept the same. A quarter of the seeds,
undisturbed, shows whether memory grows with the requests that are under way.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import orjson

from queues.ledger import LedgerError, Reader

TAMIS = Path(sys.executable).parent / "tamis"
CANDIDATES = 4


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
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="tamis-batch-")))
        url = simulator(stack, options.batch_s)
        write(folder, url, options)
        parts = [
            run(folder, "batch", kill=lambda: stats(url)["batches"] >= 1),
            run(folder, "batch", "--resume", kill=lambda: committed(folder / "batch") > 0),
            run(folder, "batch", "--resume"),
        ]
        batches, live = stats(url)["batches"], run(folder, "live")
        small = run(folder, "quarter", "--limit", str(options.seeds // 4))
        tell(folder, parts, live, small, batches)


def simulator(stack: ExitStack, batch_s: float) -> str:
    command = [TAMIS, "simulate", "--port", "0", "--accuracy", "0.6", "--batch-s", str(batch_s)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    stack.callback(process.terminate)
    assert process.stdout is not None
    return process.stdout.readline().split()[-1]


def write(folder: Path, url: str, options: argparse.Namespace) -> None:
    """Write the seeds, and one pipeline for live calls and one for batches."""
    with (folder / "seeds.jsonl").open("w") as file:
        for n in range(options.seeds):
            file.write(json.dumps({"id": f"q{n}", "question": f"What is {n} + {n % 91}?", "answer": n + n % 91}) + "\n")
    (folder / "constitution.yaml").write_text("principles: [{id: steps, text: The answer shows its steps.}]\n")
    live = {"base_url": url, "model": "simulated", "limits": {"max_concurrency": 200}}
    in_batches = {**live, "mode": "batch", "batch": {"poll_s": 0.5, "max_requests": options.max_requests}}
    for name, endpoint in (("live", live), ("batch", in_batches), ("quarter", in_batches)):
        pipeline = {
            "name": name,
            "constitution": "constitution.yaml",
            "endpoints": {"main": endpoint},
            "source": {"type": "jsonl", "path": "seeds.jsonl", "id": "id"},
            "stages": [
                {"type": "generate", "endpoint": "main", "prompts": ["{{ question }}"], "candidates": CANDIDATES},
                {"type": "verify", "check": "numeric", "against": "{{ answer }}", "action": "mark"},
                {"type": "judge", "endpoint": "main", "mode": "eliminate", "audit": None},
                {"type": "select", "top": 2},
            ],
        }
        (folder / f"{name}.yaml").write_text(json.dumps(pipeline))


def run(folder: Path, name: str, *arguments: str, kill: Callable[[], bool] | None = None) -> Ran:
    """Run to the end, or until it is time to kill it."""
    command = [TAMIS, "run", folder / f"{name}.yaml", "--out", folder / name, "--no-progress", *arguments]
    began = time.perf_counter()
    process = subprocess.Popen(list(map(str, command)), stdout=subprocess.DEVNULL)
    if kill is not None:
        while not kill():
            time.sleep(0.01)
        os.kill(process.pid, signal.SIGKILL)
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode != (0 if kill is None else -signal.SIGKILL):
        sys.exit(f"{command} ended with {process.returncode}")
    return Ran(time.perf_counter() - began, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024)


def stats(url: str) -> dict[str, int]:
    with urllib.request.urlopen(url.removesuffix("/v1") + "/stats", timeout=60) as reply:
        told: dict[str, int] = json.load(reply)
        return told


def committed(run_dir: Path) -> int:
    try:
        with Reader(run_dir / "ledger.sqlite") as reader:
            return sum(spend.calls for spend in reader.spend())
    except LedgerError:
        return 0


def tell(folder: Path, parts: list[Ran], live: Ran, small: Ran, batches: int) -> None:
    with Reader(folder / "batch" / "ledger.sqlite") as reader:
        asked = [key for row in reader.decisions("batch") for key, _, _ in orjson.loads(row.body).get("asked", ())]
        replies = sum(spend.calls for spend in reader.spend())
        kept = sum(len(reader.replies(no)) for no in reader.numbers())
    same = (folder / "batch" / "accepted.jsonl").read_bytes() == (folder / "live" / "accepted.jsonl").read_bytes()
    print(f"{len(asked):,} requests in {batches} batches, killed twice")
    print(f"requests in two batches: {len(asked) - len(set(asked))}; replies committed twice: {replies - kept}")
    print(f"accepted.jsonl as that of the live run: {'yes' if same else 'NO'}\n")
    print("| | s | CPU s | peak MB |\n|---|---|---|---|")
    names = ["batches, killed at the first batch", "resumed, killed taking home", "resumed, to the end"]
    for name, ran in zip([*names, "live", "a quarter in batches"], [*parts, live, small], strict=True):
        print(f"| {name} | {ran.wall_s:.1f} | {ran.cpu_s:.1f} | {ran.peak_mb:.0f} |")
