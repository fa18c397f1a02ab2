"""How much of a server's limit a run uses, known to it or not, and how often it is refused.

Each row is a whole `tamis run` against a `tamis simulate` of its own, both real processes on loopback; what the server
counted is read off its `/stats` once a second. Limits per minute are enforced by a bucket of one second's worth.
"""

from __future__ import annotations

import argparse
import math
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benches.runs import TAMIS, simulating, stats, write_pipeline

RPM, TPM, SLOTS = 6_000, 300_000, 64
LATENCY, JITTER = 0.5, 0.3
SEEDS = 40_000
UNKNOWN = ["--retry-after", "0.5"]


@dataclass(frozen=True)
class Seen:
    """What the server had counted at one moment, in seconds since its first call."""

    at: float
    answered: int
    tokens: int
    refused: int
    in_flight: int


@dataclass(frozen=True)
class Row:
    """A run of `seconds` against a server with `server`'s options; `limits` as the pipeline states them."""

    name: str
    server: Sequence[object]
    limits: dict[str, Any]
    seconds: float
    tell: Callable[[Sequence[Seen]], str]


def over(seen: Sequence[Seen], start: float, end: float) -> tuple[float, float, float, float]:
    """Return calls and tokens served in a second between two times, the share refused, and the mean in flight."""
    inside = [one for one in seen if start <= one.at <= end]
    first, last = inside[0], inside[-1]
    passed, served, refused = last.at - first.at, last.answered - first.answered, last.refused - first.refused
    busy = sum(one.in_flight for one in inside) / len(inside)
    return served / passed, (last.tokens - first.tokens) / passed, refused / max(1, served + refused), busy


def known(per_minute: float, tokens: bool) -> Callable[[Sequence[Seen]], str]:
    def tell(seen: Sequence[Seen]) -> str:
        windows = [
            over(seen, start, start + 60)[tokens] * 60 / per_minute for start in range(10, int(seen[-1].at) - 60)
        ]
        refused = seen[-1].refused
        return f"{min(windows):.1%} to {max(windows):.1%} over any 60 s after the first 10; {refused} refused"

    return tell


def unknown(per_minute: float, tokens: bool) -> Callable[[Sequence[Seen]], str]:
    def tell(seen: Sequence[Seen]) -> str:
        def used(start: float, end: float) -> float:
            return over(seen, start, end)[tokens] * 60 / per_minute

        reached = next((at for at in range(int(seen[-1].at) - 10) if used(at, at + 10) >= 0.85), math.inf)
        end = seen[-1].at
        after = over(seen, 60, end)
        return f"85 % from {reached:.0f} s on; then, after 60 s, {used(60, end):.1%} and {after[2]:.1%} refused"

    return tell


def halved(per_minute: float, tokens: bool, at: float) -> Callable[[Sequence[Seen]], str]:
    def tell(seen: Sequence[Seen]) -> str:
        def well(start: float) -> bool:
            found = over(seen, start, start + 15)
            return found[tokens] * 120 / per_minute >= 0.85 and found[2] < 0.02

        begin = int(at) + 2
        back = next((start - at for start in range(begin, int(seen[-1].at) - 15) if well(start)), math.inf)
        after = over(seen, at + 30, seen[-1].at)
        share = after[tokens] * 120 / per_minute
        return f"found again after {back:.0f} s; from 30 s after it {share:.1%} and {after[2]:.1%} refused"

    return tell


def queues(seen: Sequence[Seen]) -> str:
    best = SLOTS / (LATENCY * math.exp(JITTER**2 / 2))
    served, _, _, busy = over(seen, 60, seen[-1].at)
    return f"{served / best:.1%} of the best throughput at {busy / SLOTS:.2f} times the concurrency needed, after 60 s"


def rows() -> list[Row]:
    calls = ["--latency", LATENCY, "--jitter", JITTER]
    slow = ["--latency", 2]
    return [
        Row("requests", ["--rpm", RPM, *calls], {"requests_per_minute": RPM}, 100, known(RPM, False)),
        Row("tokens", ["--tpm", TPM, *slow], {"tokens_per_minute": TPM}, 100, known(TPM, True)),
        Row("requests-unknown", ["--rpm", RPM, *calls, *UNKNOWN], {}, 150, unknown(RPM, False)),
        Row("tokens-unknown", ["--tpm", TPM, *slow, *UNKNOWN], {}, 150, unknown(TPM, True)),
        Row("requests-halved", ["--rpm", RPM, *calls, *UNKNOWN, "--halve-after", 60], {}, 170, halved(RPM, False, 60)),
        Row("tokens-halved", ["--tpm", TPM, *slow, *UNKNOWN, "--halve-after", 60], {}, 170, halved(TPM, True, 60)),
        Row("queues", ["--slots", SLOTS, *calls], {}, 180, queues),
    ]


def main(argv: list[str]) -> None:
    every = rows()
    parser = argparse.ArgumentParser(prog="scripts/bench limits", description=__doc__)
    parser.add_argument("rows", nargs="*", metavar="ROW", help=", ".join(row.name for row in every) + "; none: all")
    wanted = parser.parse_args(argv).rows
    if unheard := set(wanted) - {row.name for row in every}:
        parser.error(f"there is no row {', '.join(sorted(unheard))}")
    print(f"{RPM:,} requests or {TPM:,} tokens a minute; load {os.getloadavg()[0]:.1f}\n\n| | |\n|---|---|", flush=True)
    for row in every:
        if not wanted or row.name in wanted:
            print(f"| {row.name} | {row.tell(watched(row))} |", flush=True)


def watched(row: Row) -> list[Seen]:
    """Run a row and return what its server counted."""
    with simulating(*row.server) as base_url, tempfile.TemporaryDirectory() as folder:
        prompt = "Tell me about item {:06} of the catalogue, in a few plain sentences. " * 4
        rows = ({"id": f"s{n}", "question": prompt.format(n, n, n, n)[:240]} for n in range(SEEDS))
        endpoint = {"base_url": base_url, "model": "simulated", "limits": row.limits}
        stage = {"type": "generate", "endpoint": "main", "prompts": ["{{ question }}"], "max_tokens": 128}
        return watch(write_pipeline(Path(folder), rows, endpoint, [stage]), base_url, row.seconds)


def watch(pipeline: Path, base_url: str, seconds: float) -> list[Seen]:
    command = [TAMIS, "run", str(pipeline), "--out", str(pipeline.with_name("run")), "--no-progress"]
    run = subprocess.Popen(command, stderr=subprocess.DEVNULL)
    seen: list[Seen] = []
    started = 0.0
    try:
        while not seen or seen[-1].at < seconds:
            if run.poll() is not None:
                sys.exit(f"the run ended too early, with {run.returncode}")
            time.sleep(1 if seen else 0.05)
            now, counted = time.monotonic(), stats(base_url)
            if counted["calls"]:
                started = started or now
                refused = sum(counted["refused"].values())
                told = (counted["answered"], counted["tokens"], refused, counted["in_flight"])
                seen.append(Seen(now - started, *told))
    finally:
        run.send_signal(signal.SIGINT)
        run.send_signal(signal.SIGKILL)
        run.wait()
    return seen
