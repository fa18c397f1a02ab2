"""What the summary tells of a collapse: which stages began to repeat themselves, what was done, how it was at last."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from service.human import percent

Told = Sequence[tuple[str, Mapping[str, Any]]]
"""The ledger's rows of kind "collapse" in their order: the stage, and what happened (`dedupe/collapse.py`)."""


def in_a_line(told: Told) -> str:
    """Return all of it in one line; empty where no alarm was given."""
    alarmed = dict.fromkeys(stage for stage, row in told if row["what"] == "alarm")
    return " · ".join(_of_stage(stage, [row for name, row in told if name == stage]) for stage in alarmed)


def _of_stage(stage: str, rows: Sequence[Mapping[str, Any]]) -> str:
    first, last = next(row for row in rows if row["what"] == "alarm"), rows[-1]
    share, usual = percent(first["now"]["repeated"], 1), percent(first["usual"], 1)
    text = f"ALARM: {stage} repeats itself from output {first['began']:,} on, {share} (usual: up to {usual})"
    if taken := [row["step"] + " (undone)" * (row["what"] == "undone") for row in rows if "step" in row]:
        text += f"; answered: {', '.join(taken)}"
    if last is not first and last["now"]["repeated"] is not None:
        text += f"; at last {percent(last['now']['repeated'], 1)}"
    return text
