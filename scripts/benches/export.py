"""How long exports of a large ledger take, and how much memory: seconds and peak RSS, each in a process of its own.

The ledger is synthetic, but written as a run writes it: four candidates of 120 words per seed, two of them accepted,
a twin in every tenth seed. One line is what reading and unpacking alone takes.
"""

from __future__ import annotations

import argparse
import asyncio
import random
import subprocess
import sys
import tempfile
import time
from collections import deque
from pathlib import Path

from benches.runs import peak_mb

from config.schema import Output
from queues.ledger import Ledger
from queues.ledger.reader import Reader
from service.exports.alike import NearRows
from stages.core.record import Candidate, Group, Seed, Verdict
from stages.io.outputs import derive, export
from stages.io.store import pack, unpack

PER_SEED = 4
WORDS = [f"word{number}" for number in range(5_000)]
OUTPUTS = {
    "sft jsonl": {"format": "sft"},
    "sft parquet": {"format": "sft", "file": "parquet"},
    "dpo parquet": {"format": "dpo", "file": "parquet"},
    "sft split": {"format": "sft", "split": {"validation": 0.05}},
    "sft best 20,000": {"format": "sft", "max_samples": [1_000, 5_000, 20_000], "order": "score"},
    "sft diverse": {"format": "sft", "max_samples": 20_000, "order": "score", "diverse": 0.9},
}


def main(argv: list[str]) -> None:
    parser = argparse.ArgumentParser(prog="scripts/bench export", description=__doc__)
    parser.add_argument("--candidates", type=int, default=1_000_000)
    parser.add_argument("--ledger", type=Path, help="keep it there, or take the one that is there")
    parser.add_argument("--only", help="measure this alone, in this process (for itself)")
    options = parser.parse_args(argv)
    if options.only:
        measure(options.ledger, options.only)
        return
    with tempfile.TemporaryDirectory() as name:
        path = options.ledger or Path(name) / "ledger.sqlite"
        if not path.exists():
            started = time.monotonic()
            asyncio.run(write(path, options.candidates // PER_SEED))
            print(f"{options.candidates:,} candidates written in {time.monotonic() - started:.0f} s", flush=True)
        print(f"{path.stat().st_size / 1e6:,.0f} MB on disk", flush=True)
        for what in ("read alone", "run files", *OUTPUTS):
            again = [sys.executable, "-c", "import sys; from benches.export import main; main(sys.argv[1:])"]
            subprocess.run([*again, "--ledger", str(path), "--only", what], check=True)


async def write(path: Path, seeds: int) -> None:
    ledger, chance = Ledger.open(path), random.Random(7)
    pending: deque[asyncio.Future[None]] = deque()
    for no in range(seeds):
        pending.append(asyncio.ensure_future(ledger.group(*pack(a_group(no, chance), "solved", 0))))
        if len(pending) > 2_000:
            await pending.popleft()
    await asyncio.gather(*pending)
    await ledger.close()


def a_group(no: int, chance: random.Random) -> Group:
    question = " ".join(chance.choices(WORDS, k=40))
    seed = Seed(no, f"s{no}", {"question": question, "answer": str(no), "level": no % 5}, f"topic {no % 12}")
    prompt = [{"role": "user", "content": f"Solve it step by step: {question}"}]
    return Group(seed, [a_candidate(no, n, prompt, chance) for n in range(PER_SEED)])


def a_candidate(no: int, n: int, prompt: list[dict[str, str]], chance: random.Random) -> Candidate:
    good = n < 2
    verdicts = {
        "verify": Verdict(good, reason="" if good else "wrong_answer", detail="" if good else "found 3, expected 4"),
        "judge": Verdict(True, chance.random(), data={"axes": {"clear": 4, "correct": 5}}),
    }
    if good and no % 10 == 0:
        verdicts["dedupe"] = Verdict(True, data={"twin": f"s{no // 2}/0", "similarity": 0.9, "how": "near"})
    lineage = {"endpoint": "main", "model": "m", "prompt": 0, "temperature": 0.7, "seed": no * 4 + n}
    text = " ".join(chance.choices(WORDS, k=120))
    more = {} if good else {"stage": "verify", "reason": "wrong_answer"}
    state = "accepted" if good else "rejected"
    scores = {"judge": round(chance.random(), 3)}
    return Candidate(n, text, "generated", lineage, None, "stop", None, prompt, {"answer": str(no)}, verdicts, scores,
                     state, **more)  # fmt: skip


def measure(path: Path, what: str) -> None:
    started = time.monotonic()
    with Reader(path) as reader, tempfile.TemporaryDirectory(dir=path.parent) as name:
        if what == "read alone":
            rows = sum(len(unpack(*one).group.candidates) for one in reader.groups())
        elif what == "run files":
            rows = sum(held.rows for held in derive(reader, Path(name), [], NearRows).values())
        else:
            output = Output(prompt="{{ question }}", **OUTPUTS[what])  # type: ignore[arg-type]
            rows = sum(held.rows for held in export(reader, output, Path(name) / f"x.{output.file}", NearRows).values())
        seconds = time.monotonic() - started
        size = sum(file.stat().st_size for file in Path(name).rglob("*")) / 1e6
    peak = peak_mb()
    cpu = time.process_time()
    print(
        f"{what:16} {seconds:6.1f} s  CPU {cpu:6.1f} s  peak {peak:6.0f} MB  {rows:9,} rows  {size:7,.0f} MB written",
        flush=True,
    )
