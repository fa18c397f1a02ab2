"""Where the candidates of a job fell, stage by stage and reason by reason, whoever ran it and however often.

One read of the ledger's counts beside the writer: what is settled is in it, what is on its way is not.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path

from queues.ledger import CandidateCount
from queues.ledger.browse import Browser
from service.runs import rundir
from service.serve.samples import read
from service.serve.shapes import Fallen, Funnel, FunnelStage
from stages.core.errors import InputError

FELL = ("rejected", "failed")


async def funnel(run_dir: Path) -> Funnel:
    """Return the funnel of a job; an empty one where it has hardly begun."""
    return await read(run_dir, lambda browser: _counted(run_dir, browser)) or funnel_of((), (), {})


async def settled(run_dir: Path, stages: Sequence[tuple[str, str]]) -> dict[str, FunnelStage]:
    """Return each stage by name with what is settled; without any where there is no ledger yet."""
    rows = await read(run_dir, lambda browser: browser.candidate_counts())
    return {stage.id: stage for stage in funnel_of(stages, rows or (), {}).stages}


def _counted(run_dir: Path, browser: Browser) -> Funnel:
    seeds: Counter[str] = Counter()
    for row in browser.seed_counts():
        seeds[row.state] += row.total
    try:
        stages = stages_of(run_dir)
    except InputError:  # it is about to begin
        stages = ()
    return funnel_of(stages, browser.candidate_counts(), seeds)


@lru_cache(maxsize=256)
def stages_of(run_dir: Path) -> tuple[tuple[str, str], ...]:
    """Return name and type of each stage; they are never others, so the file is read once. Raises InputError."""
    return tuple((stage.name, str(stage.type)) for stage in rundir.pipeline_of(run_dir).stages)


def funnel_of(stages: Sequence[tuple[str, str]], rows: Sequence[CandidateCount], seeds: dict[str, int]) -> Funnel:
    """Return how many candidates came to each stage and why some went no further."""
    states: Counter[str] = Counter()
    fell: Counter[tuple[str, str, str]] = Counter()
    for row in rows:
        states[row.state] += row.total
        if row.state in FELL:
            fell[row.stage, row.state, row.reason] += row.total
    left = states.total() - states["live"]
    shown = []
    for name, kind in stages:
        reasons = [
            Fallen(state=state, reason=reason, count=count)
            for (stage, state, reason), count in fell.most_common()
            if stage == name
        ]
        rejected, failed = (sum(one.count for one in reasons if one.state == state) for state in FELL)
        went = left - rejected - failed
        shown.append(
            FunnelStage(id=name, type=kind, came=left, rejected=rejected, failed=failed, went=went, reasons=reasons)
        )
        left = went
    return Funnel(stages=shown, accepted=states["accepted"], pending=states["live"], seeds=seeds)
