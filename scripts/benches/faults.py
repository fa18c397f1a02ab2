"""What faults cost a run, and how those end that cannot go on: whole runs of `tamis` against `tamis simulate`.

refusals  30 % of the first arrivals are refused with Retry-After 0.5 s, beside none, in turn, for the same work
faults    5 % of the calls are reset and 2 % never answered: what is lost
servers   one of three URLs dies after a third of the calls and is back after two thirds
ends      limits that no request can meet, a dead key, a daily quota: the exit code and the words
for-ever  every request is refused: the same, after ten minutes

Rates are of replies in the middle 80 % of a run. A call takes half a second, so that the machine is not measured.
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
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from benches.runs import TAMIS, simulating, stats, write_pipeline

CALM = ("--latency", "0.5", "--jitter", "0.3")
AT_ONCE = 20
POLL_S = 0.25
WINDOW_S = 5.0
"""A server's share is that of the arrivals in so many seconds."""


def main(argv: list[str]) -> None:
    cases = {"refusals": refusals, "faults": faults, "servers": servers, "ends": ends, "for-ever": for_ever}
    parser = argparse.ArgumentParser(
        prog="scripts/bench faults", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("cases", nargs="*", metavar="CASE", help=f"{', '.join(cases)}; left out: all")
    parser.add_argument("--seeds", type=int, default=2_000)
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args(argv)
    for name in options.cases or cases:
        print(f"\n## {name} (load {os.getloadavg()[0]:.0f})\n", flush=True)
        with tempfile.TemporaryDirectory() as folder:
            cases[name](Path(folder), options)


def refusals(folder: Path, options: argparse.Namespace) -> None:
    print("| round | none refused, replies/s | 30 % refused | refused | ratio |\n|---|---|---|---|---|")
    ratios = []
    for number in range(1, options.rounds + 1):
        with simulating(*CALM) as calm, simulating(*CALM, "--refuse", "0.3", "--retry-after", "0.5") as strict:
            one = Run(folder / f"calm-{number}", [calm], options.seeds).watched()
            other = Run(folder / f"strict-{number}", [strict], options.seeds).watched()
            refused = stats(strict)["refused"]["injected"] / options.seeds
        ratios.append(other.rate / one.rate)
        print(f"| {number} | {one.rate:.1f} | {other.rate:.1f} | {refused:.1%} | {ratios[-1]:.2f} |", flush=True)
    print(f"\nmedian {statistics.median(ratios):.2f} ({min(ratios):.2f} to {max(ratios):.2f})")


def faults(folder: Path, options: argparse.Namespace) -> None:
    with simulating(*CALM) as calm, simulating(*CALM, "--reset", "0.05", "--hang", "0.02") as faulty:
        one = Run(folder / "calm", [calm], options.seeds).watched()
        other = Run(folder / "faulty", [faulty], options.seeds, timeout_s=5).watched()
        struck = stats(faulty)["faults"]
    print(f"{struck['reset']} resets and {struck['hang']} hangs, timeout_s 5")
    print(f"{other.rate:.1f} replies/s beside {one.rate:.1f} without; {other.told()}")


def servers(folder: Path, options: argparse.Namespace) -> None:
    with ExitStack() as stack:
        two, three = (stack.enter_context(simulating(*CALM)) for _ in range(2))
        with simulating(*CALM) as mortal:
            run = Run(folder / "run", [mortal, two, three], options.seeds)
            run.watch(until=options.seeds // 3)
            before = run.share(mortal, run.times[0], run.times[-1])
            died = time.monotonic()
        run.watch(until=2 * options.seeds // 3)
        meanwhile = run.share(mortal, died, run.times[-1])
        port = mortal.rpartition(":")[2].removesuffix("/v1")
        stack.enter_context(simulating(*CALM, "--port", port))
        run.watched()
    back = run.servers[mortal].back_at
    again = next((at for at in run.times if at > back and run.share(mortal, at - WINDOW_S, at) > 0.3), float("nan"))
    after = run.share(mortal, again, run.times[-1])
    print("| | before | while it was away | from when it had its share |\n|---|---|---|---|")
    print(f"| share of the arrivals | {before:.2f} | {meanwhile:.3f} | {after:.2f} |")
    print(f"\n{again - back:.1f} s after it was back, the last {WINDOW_S:.0f} s gave it more than 0.30; {run.told()}")


def ends(folder: Path, options: argparse.Namespace) -> None:
    stories: dict[str, tuple[Sequence[str], dict[str, Any]]] = {
        "a tokens_per_minute that no request can meet": ((), {"limits": {"tokens_per_minute": 100}}),
        "the same at the server, and tamis not told": (("--tpm", "100"), {}),
        "a key that dies after 50 replies": (
            ("--api-key", "sk-bench", "--revoke-after", "50"),
            {"api_key_env": "BENCH_KEY"},
        ),
        "a quota of 50 requests a day": (("--rpd", "50"), {}),
    }
    for number, (story, (simulator, endpoint)) in enumerate(stories.items()):
        end(folder / str(number), story, simulator, endpoint)


def for_ever(folder: Path, options: argparse.Namespace) -> None:
    end(folder / "run", "a 429 for ever", ("--max-concurrency", "0"), {})


def end(folder: Path, story: str, simulator: Sequence[str], endpoint: dict[str, Any]) -> None:
    """Tell how a run ends, in its own words."""
    with simulating(*CALM, *simulator) as url:
        run = Run(folder, [url], 200, **endpoint)
        said = run.process.communicate()[0]
        seconds, sent = time.monotonic() - run.began, stats(url)["calls"]
    print(f"### {story}: exit {run.process.returncode} after {seconds:.0f} s and {sent} requests\n\n{said}", flush=True)


class Run:
    """A run of one generate stage over so many seeds, and what its servers had seen at each moment."""

    def __init__(self, folder: Path, urls: list[str], seeds: int, **endpoint: Any) -> None:
        self.folder, self.seeds = folder, seeds
        self.servers = {url: Server(url) for url in urls}
        self.times: list[float] = []
        folder.mkdir()
        rows = ({"id": f"s{n}", "question": f"What is {n} + 1?"} for n in range(seeds))
        main = {"base_url": urls, "model": "simulated", "limits": {"max_concurrency": AT_ONCE}, **endpoint}
        stage = {"type": "generate", "endpoint": "main", "prompts": ["{{ question }}"], "max_tokens": 256}
        write_pipeline(folder, rows, main, [stage])
        self.began = time.monotonic()
        command = [TAMIS, "run", "pipeline.yaml", "--out", "run", "--no-progress"]
        pipes: dict[str, Any] = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "text": True}
        self.process = subprocess.Popen(command, cwd=folder, env={**os.environ, "BENCH_KEY": "sk-bench"}, **pipes)

    def watch(self, until: float = float("inf")) -> None:
        """Look at the servers until so many calls were answered, or the run has ended."""
        while self.process.poll() is None and self.answered() < until:
            time.sleep(POLL_S)
            self.times.append(time.monotonic())
            for server in self.servers.values():
                server.look()

    def watched(self) -> Run:
        self.watch()
        said = self.process.communicate()[0]
        if self.process.returncode:
            sys.exit(f"the run ended with {self.process.returncode}: {said}")
        return self

    def answered(self, at: int = -1) -> int:
        return sum(server.answered[at] for server in self.servers.values() if server.answered)

    @property
    def rate(self) -> float:
        """Replies per second in the middle 80 %."""
        counts = [(self.answered(at), time) for at, time in enumerate(self.times)]
        middle = [one for one in counts if 0.1 <= one[0] / self.seeds <= 0.9]
        (first, began), (last, ended) = middle[0], middle[-1]
        return (last - first) / (ended - began)

    def share(self, url: str, since: float, until: float) -> float:
        """Return a server's share of what arrived in a time."""
        within = [at for at, time in enumerate(self.times) if since <= time <= until]
        came = {one: server.calls[within[-1]] - server.calls[within[0]] for one, server in self.servers.items()}
        return came[url] / max(1, sum(came.values()))

    def told(self) -> str:
        manifest = json.loads((self.folder / "run" / "manifest.json").read_text())
        counts, calls = manifest["counts"], manifest["calls"]["calls"]
        made, failed = counts["candidates"]["generated"], counts["candidates"]["failed"]
        seeds = ", ".join(f"{state} {number}" for state, number in counts["seeds"].items() if number)
        return f"exit 0; {calls:,} calls in the ledger, {made:,} candidates, {failed} failed; seeds: {seeds}"


class Server:
    """What a server has seen, summed over its lives."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.calls: list[int] = []
        self.answered: list[int] = []
        self.back_at = float("nan")
        self._away, self._before, self._now = False, (0, 0), (0, 0)

    def look(self) -> None:
        try:
            told = stats(self.url)
        except OSError:
            self._away = True
        else:
            if self._away:  # a new life, counted from 0
                self._away, self.back_at = False, time.monotonic()
                self._before = self._before[0] + self._now[0], self._before[1] + self._now[1]
            self._now = told["calls"], told["answered"]
        self.calls.append(self._before[0] + self._now[0])
        self.answered.append(self._before[1] + self._now[1])
