"""What groups that wait cost in memory: a million of them through a real ledger, store and pipeline.

canonical: every group is parked until the last one is there, then decided. online: all wait for one, which claims their
text and whose fate is open until the last of the others is parked. Memory is the resident set of this process, read as
the groups come; each is a seed with a text of 40 words. Nothing else runs: no calls, no models.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import tempfile
import time
from collections.abc import AsyncIterator
from pathlib import Path

from config.schema import Dedupe
from queues.ledger import Ledger, Reader
from service.runs.lifecycle import collect_garbage_rarely
from service.runs.store import LedgerDecisions, LedgerStore
from stages.core.base import Outcome, Place, Stage
from stages.core.record import Candidate, Group, Seed
from stages.dedupe.dedupe import dedupe_stage
from stages.pipeline import Pipeline, SeedState, Sizes

SIZES = Sizes(in_flight=256, workers=64, queue=64)
WORDS = " ".join(["what is said here takes about as many words"] * 4)
MODES = ("canonical", "online")


class Watched(LedgerStore):
    """Tells how large the process is while groups are parked and settled, and when all but one are parked."""

    def __init__(self, ledger: Ledger, reader: Reader, groups: int) -> None:
        super().__init__(ledger, reader)
        self._groups, self.parked, self.settled = groups, 0, 0
        self.others_wait = asyncio.Event()

    async def park(self, group: Group, phase: int) -> None:
        await super().park(group, phase)
        self.parked += 1
        if self.parked == self._groups - 1:
            self.others_wait.set()
        if self.parked % (self._groups // 5) == 0:
            tell(f"{self.parked:,} parked")

    async def settle(self, group: Group, state: SeedState, phase: int) -> None:
        await super().settle(group, state, phase)
        self.settled += 1
        if self.settled % (self._groups // 5) == 0:
            tell(f"{self.settled:,} settled")


class Later(Stage):
    """Stands behind the dedupe stage. Lets the first group go when all others are parked, and the others at once."""

    def __init__(self, place: Place, others_wait: asyncio.Event) -> None:
        super().__init__(place)
        self._others_wait = others_wait

    async def process(self, group: Group) -> Outcome:
        if group.seed.no == 0:
            await self._others_wait.wait()
        return None


def main(argv: list[str]) -> None:
    parser = argparse.ArgumentParser(prog="scripts/bench parked", description=__doc__)
    parser.add_argument("mode", choices=MODES)
    parser.add_argument("--groups", type=int, default=1_000_000)
    options = parser.parse_args(argv)
    collect_garbage_rarely()
    began = time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        asyncio.run(run(options.mode, options.groups, Path(folder) / "ledger.sqlite"))
    tell(f"all settled after {time.monotonic() - began:,.0f} s")


async def run(mode: str, groups: int, path: Path) -> None:
    ledger = Ledger.open(path)
    try:
        with Reader(path) as reader:
            store = Watched(ledger, reader, groups)
            config = Dedupe.model_validate({"mode": mode, "on": "response"})
            dedupe = dedupe_stage(Place("dedupe", 0), config, LedgerDecisions(ledger, reader))
            stages = [dedupe]
            if mode == "online":
                stages.append(Later(Place("later", 1), store.others_wait))
            tell("nothing parked")
            await Pipeline(stages, store, SIZES).run(made(groups, same=mode == "online"))
            assert store.settled == groups
    finally:
        await ledger.close()


async def made(groups: int, *, same: bool) -> AsyncIterator[Group]:
    """Yield groups; `same`: all with one text, else a tenth with a twin."""
    for no in range(groups):
        word = "" if same else str(no - no % 10 * (no % 10 == 1))
        yield Group(Seed(no, f"s{no}", {}), [Candidate(0, f"{WORDS} {word}")])


def tell(when: str) -> None:
    gc.collect()
    resident = next(line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmRSS"))
    print(f"{int(resident.split()[1]) / 1000:7,.0f} MB  {when}", flush=True)
