"""How long a report takes, and how much memory, over a ledger of many candidates that is written by the ledger itself.

Eight candidates a seed, each with a judge's votes and axes, a check, a score and a reply. The ledger is made by another
process, so that the peak is the report's own; with --keep it stays, and is taken again by the next call.
"""

from __future__ import annotations

import argparse
import asyncio
import random
import resource
import tempfile
import time
from multiprocessing import get_context
from pathlib import Path

import orjson

from config.schema import Pipeline, resolved
from config.yamlfile import write
from queues.ledger import Ledger, Reader, ReplyRow
from service.report.report import report_run
from service.runs import rundir
from stages.core.record import Candidate, Group, Seed, Verdict
from stages.io.manifest import Run, write_manifest
from stages.io.store import pack, unpack

K = 8
PIPELINE = {
    "name": "bench",
    "endpoints": {alias: {"base_url": "http://127.0.0.1:9/v1", "model": alias} for alias in ("big", "small")},
    "source": {"type": "jsonl", "path": "seeds.jsonl", "topic": "topic"},
    "stages": [
        {"type": "generate", "endpoint": ["big", "small"], "prompts": ["{{ question }}"], "candidates": K},
        {"type": "judge", "endpoint": "big", "mode": "rubric", "action": "mark"},
        {"type": "verify", "check": "numeric", "against": "{{ answer }}"},
        {"type": "score", "features": {"steps": 0.1}},
    ],
}
TEXT = "The sum of both numbers is found by adding tens first, and then ones, so that nothing is lost on the way. "


def main(argv: list[str]) -> None:
    parser = argparse.ArgumentParser(prog="scripts/bench report", description=__doc__)
    parser.add_argument("--candidates", type=int, default=1_000_000)
    parser.add_argument("--keep", type=Path, help="the run's folder; left out: a temporary one")
    options = parser.parse_args(argv)
    with tempfile.TemporaryDirectory() as temporary:
        folder = options.keep or Path(temporary)
        folder.mkdir(parents=True, exist_ok=True)
        if not (folder / rundir.MANIFEST).exists():
            maker = get_context("spawn").Process(target=make, args=(folder, options.candidates // K))
            maker.start()
            maker.join()
        measure(folder)


def measure(folder: Path) -> None:
    report_run(folder)  # imports, and the file into the page cache
    took = {}
    for what, work in (("reading", read), ("report", report_run)):
        wall, cpu = time.perf_counter(), time.process_time()
        work(folder)
        took[what] = (time.perf_counter() - wall, time.process_time() - cpu)
    size, peak = (folder / rundir.LEDGER).stat().st_size / 1e6, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e3
    print(f"ledger {size:,.0f} MB, page {(folder / 'report.html').stat().st_size / 1e3:,.0f} kB, peak {peak:,.0f} MB")
    for what, (wall_s, cpu_s) in took.items():
        print(f"{what:8} {wall_s:6.1f} s, CPU {cpu_s:6.1f} s")


def read(folder: Path) -> None:
    """Read and unpack every group, and do nothing with it."""
    with Reader(folder / rundir.LEDGER) as reader:
        for rows in reader.groups():
            unpack(*rows)


def make(folder: Path, seeds: int) -> None:
    """Write a run of so many seeds."""
    asyncio.run(_fill(folder, seeds))
    (folder / rundir.RESOLVED).write_text(write(resolved(Pipeline.model_validate(PIPELINE))))
    with Reader(folder / rundir.LEDGER) as reader:
        write_manifest(reader, Run("bench", "complete", {}, seeds, 0, 1.0), folder / rundir.MANIFEST)


async def _fill(folder: Path, seeds: int) -> None:
    ledger, chance = Ledger.open(folder / rundir.LEDGER), random.Random(7)
    for start in range(0, seeds, 500):
        groups = [_group(no, chance) for no in range(start, min(start + 500, seeds))]
        replies = [ledger.reply(_reply(group, candidate)) for group in groups for candidate in group.candidates]
        settled = [ledger.group(*pack(group, _state(group), 0)) for group in groups]
        await asyncio.gather(*replies, *settled)
    await ledger.close()


def _group(no: int, chance: random.Random) -> Group:
    seed = Seed(no, f"q{no:07}", {"question": f"What is {no} + {no}?", "answer": 2 * no}, f"topic {no % 40}")
    easy = chance.random()
    return Group(seed, [_candidate(n, easy, chance) for n in range(K)])


def _candidate(n: int, easy: float, chance: random.Random) -> Candidate:
    right, text = chance.random() < easy, (TEXT * 7)[: chance.randint(300, 700)]
    marks = {axis: float(chance.randint(1, 5)) for axis in ("clear", "true", "short")}
    mark = sum(marks.values()) / 3
    votes = [{"judge": "big", "passed": True, "score": mark, "axes": marks}]
    reason = "" if right else "wrong_answer"
    return Candidate(
        n,
        text,
        lineage={"endpoint": "big", "model": ("big", "small")[n % 2], "prompt": 0, "temperature": 0.7, "seed": n},
        verdicts={
            "judge": Verdict(True, mark, data={"votes": votes, "axes": marks}),
            "verify": Verdict(right, reason=reason),
        },
        scores={"judge": mark},
        state="accepted" if right else "rejected",
        stage="" if right else "verify",
        reason=reason,
    )


def _state(group: Group) -> str:
    return "solved" if any(candidate.state == "accepted" for candidate in group.candidates) else "unsolved"


def _reply(group: Group, candidate: Candidate) -> ReplyRow:
    raw = orjson.dumps({"choices": [{"message": {"content": candidate.text}}]})
    key = f"{group.seed.no * K + candidate.n:032x}"
    return ReplyRow(group.seed.no, key, "generate", "big", raw, 60, 160, cost_usd=0.0001, duration_s=1.0)
