"""How fast near duplicates are found, and in how much memory, beside datasketch and text-dedup, in one sitting.

All read the same JSONL file of texts of 250 words, of which a tenth are edits of others (one word in 50 changed), and
look for a Jaccard similarity of 0.8 over word 5-grams. Ours goes from the line to the verdict: groups through the stage
of a pipeline, canonical or online. CPU is user and system time of the whole process, so rates are per core; memory is
the peak of the process, its libraries included. The peers live in a virtual environment of their own (--peers).
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import random
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from benches.runs import environment

THRESHOLD = 0.8
WORKERS = 64
SIDE = Path(__file__).parent / "sides" / "datasketch_side.py"
QUIET = {"HF_HUB_OFFLINE": "1", "COLUMNS": "200"}  # text-dedup breaks its lines at the terminal's width
DROPPED = re.compile(rb"dropped (\d+)|Before\s*: (\d+)|After\s*: (\d+)")


class Measured(NamedTuple):
    """One process: CPU seconds, peak memory in MB, documents it dropped."""

    cpu_s: float
    peak_mb: float
    dropped: int


def main(argv: list[str]) -> None:
    parser = argparse.ArgumentParser(prog="scripts/bench dedupe", description=__doc__)
    parser.add_argument("--documents", type=int, default=100_000)
    parser.add_argument("--peers", type=Path, help="a virtual environment with the peers, made if it is not there")
    parser.add_argument("--side", nargs=2, metavar=("MODE", "FILE"), help=argparse.SUPPRESS)
    options = parser.parse_args(argv)
    if options.side:
        print(f"dropped {asyncio.run(ours(*options.side))}")
        return
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder, "texts.jsonl")
        edits = write_texts(file, options.documents)
        own = [sys.executable, "-m", "benches.dedupe", "--side"]
        contestants = {f"tamis, {mode}": [*own, mode, file] for mode in ("canonical", "online")}
        if options.peers:
            contestants |= peers(options.peers, file)
        print(f"{options.documents:,} texts of 250 words, {edits:,} of them edits of others\n")
        print("| | texts/s per core | peak MB | dropped |\n|---|---|---|---|")
        for name, command in contestants.items():
            found = measure([str(part) for part in command], Path(folder))
            print(
                f"| {name} | {options.documents / found.cpu_s:,.0f} | {found.peak_mb:,.0f} | {found.dropped:,} |",
                flush=True,
            )


def write_texts(file: Path, documents: int) -> int:
    """Write the texts; return how many are edits."""
    draw = random.Random(17)
    vocabulary = ["".join(draw.choices("abcdefghijklmnopqrstuvwxyz", k=draw.randint(2, 9))) for _ in range(30_000)]
    recent: list[list[str]] = []
    edits = 0
    with file.open("w") as out:
        for number in range(documents):
            if edit := bool(recent) and draw.random() < 0.1:
                words = [draw.choice(vocabulary) if draw.random() < 0.01 else word for word in draw.choice(recent)]
            else:
                words = draw.choices(vocabulary, k=250)
                recent = [*recent[-999:], words]
            edits += edit
            out.write(json.dumps({"id": f"d{number}", "text": " ".join(words)}) + "\n")
    return edits


async def ours(mode: str, file: str) -> int:
    """Take every line through the stage; return how many were dropped."""
    from config.schema import Dedupe
    from stages.core.base import PhaseStage, Place
    from stages.core.record import Group
    from stages.dedupe.dedupe import dedupe_stage

    class Nowhere:
        def made(self, _kind: str) -> Iterator[tuple[str, Any]]:
            return iter(())

        async def make(self, kind: str, scope: str, body: Any) -> None:
            """Keep nothing."""

    stage = dedupe_stage(Place("dedupe", 0), Dedupe.model_validate(settings(mode)), Nowhere())
    dropped = 0

    async def take(groups: Iterator[Group]) -> None:
        nonlocal dropped
        for group in groups:
            outcome = await stage.process(group)
            assert outcome is None, "no claim is open while another group is decided"
            dropped += not group.live
            stage.left(group)

    if isinstance(stage, PhaseStage):
        for group in groups_of(file):
            await stage.survey(group)
        await take(groups_of(file))
    else:
        lines = groups_of(file)
        async with asyncio.TaskGroup() as tasks:
            for _ in range(WORKERS):
                tasks.create_task(take(lines))
    return dropped


def settings(mode: str) -> dict[str, Any]:
    return {"on": "response", "near": {"threshold": THRESHOLD}, "mode": mode, "memory_mb": 100_000}


def groups_of(file: str) -> Iterator[Any]:
    import orjson

    from stages.core.record import Candidate, Group, Seed

    with Path(file).open("rb") as lines:
        for no, line in enumerate(lines):
            row = orjson.loads(line)
            yield Group(Seed(no, row["id"], {}), [Candidate(0, row["text"])])


def peers(folder: Path, file: Path) -> dict[str, list[object]]:
    """Return the commands of the peers; their environment is made where there is none."""
    python = environment(folder, "datasketch", "text-dedup")
    text_dedup = [python, "-m", "text_dedup.minhash", "--path", "json", "--data_files", file, "--split", "train"]
    text_dedup += ["--output", file.parent / "out", "--column", "text", "--threshold", THRESHOLD, "--ngram", 5]
    text_dedup += ["--num_perm", 128, "--hash_func", "xxh3", "--num_proc", 1, "--cache_dir", file.parent / "cache"]
    return {"datasketch": [python, SIDE, file, THRESHOLD], "text-dedup": text_dedup}


def measure(command: list[str], folder: Path) -> Measured:
    """Run a command to its end. Raises CalledProcessError where it fails."""
    with (folder / "said").open("w+b") as said:
        process = subprocess.Popen(command, stdout=said, stderr=said, env=os.environ | QUIET)
        _, status, usage = os.wait4(process.pid, 0)
        said.seek(0)
        words = said.read()
    if code := os.waitstatus_to_exitcode(status):
        raise subprocess.CalledProcessError(code, command, words[-2000:])
    counts = [int(number) for found in DROPPED.findall(words) for number in found if number]
    dropped = counts[0] - counts[1] if len(counts) > 1 else counts[0]
    return Measured(usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024, dropped)


if __name__ == "__main__":
    main(sys.argv[1:])
