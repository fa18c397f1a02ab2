"""How fast a run goes beside other tools that ask a model for each row: the same mock, in turn, in one sitting.

The scripts that drive them lie beside the project, in ../shared/bench/peers; each tool lives in a virtual environment
of its own (--environments), made if it is not there. Each is first tried at several concurrencies, and then measured
at the one that suited it best. Rates are of the middle 80 % of the calls, by the mock's own counter, so
a tool's start and end count for nothing. CPU is that of the processes that the tool has waited for.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
from dataclasses import dataclass
from pathlib import Path

from benches.mock import SHARED, Measured, generate, measure, measure_bare, measure_tamis, mock, mock_pipeline
from benches.runs import environment
from benches.throughput import load, row


@dataclass(frozen=True)
class Peer:
    """A tool: what to install (words), the script that drives it, and the environment variables that suit it best."""

    package: str
    script: str
    environment: dict[str, str]


PEERS = {
    "curator": Peer("bespokelabs-curator", "run_curator.py", {}),
    "distilabel": Peer("distilabel[openai] requests", "run_distilabel.py", {"TUNED": "1", "NO_CACHE_WRITES": "1"}),
    "data-designer": Peer("data-designer", "run_datadesigner.py", {}),
}


def main(argv: list[str]) -> None:
    parser = argparse.ArgumentParser(prog="scripts/bench peers", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="PEER", help=f"of {', '.join(PEERS)}; none: all")
    parser.add_argument("--environments", type=Path, required=True, help="a folder for their virtual environments")
    parser.add_argument("--calls", type=int, default=10_000)
    parser.add_argument("--ours", type=int, default=100_000, help="calls of tamis and of the bare loop")
    parser.add_argument("--concurrency", type=int, nargs="+", default=[256, 1_000, 2_000], help="what peers try")
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args(argv)
    names = options.names or list(PEERS)
    pythons = {name: environment(options.environments / name, *PEERS[name].package.split()) for name in names}
    measured: dict[str, list[Measured]] = {name: [] for name in ("bare aiohttp", "tamis", *names)}
    with mock(0.25) as port, tempfile.TemporaryDirectory() as folder:
        best = {name: suits(name, pythons[name], port, options) for name in names}
        pipeline = mock_pipeline(Path(folder), options.ours, port, 2_000, [generate()])
        for number in range(options.rounds):
            measured["bare aiohttp"].append(measure_bare(options.ours, 2_000, port))
            measured["tamis"].append(measure_tamis(pipeline, Path(folder) / f"run-{number}", port))
            for name in names:
                measured[name].append(ask(name, pythons[name], port, options.calls, best[name]))
            print(f"round {number + 1}: " + told(measured), flush=True)
    tell(measured, best)


def suits(name: str, python: Path, port: int, options: argparse.Namespace) -> int:
    """Return the concurrency at which a peer is fastest."""
    rates = {many: ask(name, python, port, options.calls, many).steady for many in options.concurrency}
    print(f"{name}: " + ", ".join(f"{rate:,.0f}/s at {many:,}" for many, rate in rates.items()), flush=True)
    return max(rates, key=lambda many: rates[many])


def ask(name: str, python: Path, port: int, calls: int, concurrency: int) -> Measured:
    peer = PEERS[name]
    given = {**peer.environment, "N": str(calls), "CONCURRENCY": str(concurrency)}
    return measure([python, SHARED / "peers" / peer.script], port, environment=given, quiet=True)


def told(measured: dict[str, list[Measured]]) -> str:
    return ", ".join(f"{name} {runs[-1].steady:,.0f}/s" for name, runs in measured.items())


def tell(measured: dict[str, list[Measured]], best: dict[str, int]) -> None:
    ours = statistics.median(run.steady for run in measured["tamis"])
    print(f"\nmock at 0.25 s, medians of {len(measured['tamis'])}, load {load()}")
    print("| | calls | calls/s | CPU us/call | peak MB | tamis is faster by |\n|---|---|---|---|---|---|")
    for name, runs in measured.items():
        at = f"{name}, {best.get(name, 2_000):,} concurrent"
        print(f"{row(at, runs)} {ours / statistics.median(run.steady for run in runs):.1f} |")
