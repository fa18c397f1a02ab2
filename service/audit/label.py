"""Labelling by hand: a blind, stratified sample of what a run's judges saw, into the run's gold file.

The sample is proportional: candidates are sorted by what the judges said, topic and score, and taken at even steps, so
that rates measured on it are those of the run. It is shown in another order, and nothing of what sorted it is shown.
"""

from __future__ import annotations

import heapq
import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from queues.ledger import Reader
from service.audit.gold import FILE, Gold
from service.human import visible
from service.runs import rundir
from stages.core import chance
from stages.core.errors import InputError
from stages.core.task import task_text
from stages.io.store import unpack

POOL = 20_000
"""The sample is taken from so many candidates, drawn evenly from all: what fits in memory."""
_HELP = "good?  y yes · n no · s skip · b back · q quit"


class Item(NamedTuple):
    """A candidate to label. `stratum` is what the sample is even over."""

    id: str
    stratum: tuple[str, str, float]
    question: str
    response: str


def label_run(run_dir: Path, count: int, keys: Iterator[str], show: Callable[[str], None]) -> str:
    """Ask for labels by single keys until the sample is labelled or the keys end; return what to tell at the end."""
    judges = [stage.name for stage in rundir.pipeline_of(run_dir).stages if stage.type == "judge"]
    with rundir.open_reader(run_dir) as reader:
        items = sample(_judged(reader, judges), count)
    if not items:
        raise InputError(f"{run_dir}: nothing was judged yet, so there is nothing to label")
    path = run_dir / FILE
    gold = Gold.load(path) if path.exists() else Gold({})
    _ask([item for item in items if item.id not in gold.rows], gold, path, keys, show)
    done = sum(item.id in gold.rows for item in items)
    return f"{done} of {len(items)} are labelled: {path}\nnext: tamis audit {run_dir}"


def _judged(reader: Reader, judges: Sequence[str]) -> Iterator[Item]:
    """Yield every candidate that a judge could judge; of a run without judges, every one that was made."""
    for rows in reader.groups():
        group = unpack(*rows).group
        for candidate in group.candidates:
            given = [verdict for name in judges if (verdict := candidate.verdicts.get(name)) is not None]
            if candidate.text and (not judges or any(verdict.passed is not None for verdict in given)):
                said = " ".join(str(verdict.passed) for verdict in given)
                stratum = (said, group.seed.topic, candidate.score or 0.0)
                yield Item(group.candidate_id(candidate), stratum, task_text(group, candidate), candidate.text)


def sample(items: Iterable[Item], count: int) -> list[Item]:
    """Return `count` items, even over their strata, in an order that tells nothing. The same items give the same."""

    def mixed(item: Item) -> int:
        return chance.draw(0, "label", item.id)

    pool = sorted(heapq.nsmallest(POOL, items, mixed), key=lambda item: (item.stratum, mixed(item)))
    count = min(count, len(pool))
    taken = [pool[math.floor((number + 0.5) * len(pool) / count)] for number in range(count)]
    return sorted(taken, key=mixed)


def _ask(todo: Sequence[Item], gold: Gold, path: Path, keys: Iterator[str], show: Callable[[str], None]) -> None:
    at = 0
    while at < len(todo):
        item = todo[at]
        show(f"\n── {at + 1} of {len(todo)} ──\n{visible(item.question)}\n")
        show(f"── response ──\n{visible(item.response)}\n\n{_HELP}")
        key = next((key for key in keys if key in "ynsbq"), "q")
        if key == "q":
            return
        if key in "yn":
            gold.rows[item.id] = {"id": item.id, "label": key == "y"}
            gold.save(path)
        at = max(0, at - 1) if key == "b" else at + 1
