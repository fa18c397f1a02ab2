"""Rules for judges and votes: what judges go by, and what can be meant by their scores and panels."""

from __future__ import annotations

from collections.abc import Iterator

from config.problems import Finding, Loc
from config.schema import Judge, Pipeline, Verify, Vote
from service.check.resources import Columns, unknown

GOLD_CHECKS = ("numeric", "exact", "math")


def problems(pipeline: Pipeline, columns: Columns) -> Iterator[Finding]:
    """Yield what is wrong with each judge."""
    for number, stage in enumerate(pipeline.stages):
        loc: Loc = ("stages", number)
        if isinstance(stage, Judge):
            yield from _needs(loc, stage, pipeline, columns)
            yield from _threshold(loc, stage)
            yield from _panel(loc, stage)


def warnings(pipeline: Pipeline) -> Iterator[Finding]:
    """Yield what works and is hardly meant."""
    for number, stage in enumerate(pipeline.stages):
        if isinstance(stage, Vote):
            for earlier in pipeline.stages[:number]:
                if isinstance(earlier, Verify) and earlier.check in GOLD_CHECKS and earlier.action == "reject":
                    message = (
                        f'whoever comes past "{earlier.name}" has the right answer, so this vote decides nothing; '
                        f"move it before, or write `action: mark` there"
                    )
                    yield Finding(("stages", number, "type"), message)


def _needs(loc: Loc, stage: Judge, pipeline: Pipeline, columns: Columns) -> Iterator[Finding]:
    principles = stage.constitution or pipeline.constitution or stage.prompt
    if stage.mode == "eliminate" and not principles:
        message = "missing; a judge needs principles: write `constitution: constitution.yaml` here or at the top"
        yield Finding((*loc, "constitution"), message)
    if stage.mode == "rubric" and not (principles or stage.axes):
        message = "missing; write for example axes: {clarity: How easy it is to follow.}, or a `constitution`"
        yield Finding((*loc, "axes"), message)
    if stage.rubric is not None and columns is not None and stage.rubric not in columns:
        yield Finding((*loc, "rubric"), unknown("column", stage.rubric, columns, columns))


def _threshold(loc: Loc, stage: Judge) -> Iterator[Finding]:
    low, high = stage.scale if stage.mode == "rubric" else (0, 1)
    if stage.threshold is not None and stage.mode != "reward" and not low <= stage.threshold <= high:
        yield Finding((*loc, "threshold"), f"scores of `mode: {stage.mode}` go from {low} to {high}")
    near = stage.threshold is not None or stage.mode == "eliminate" or len(stage.endpoint) > 1
    if stage.escalate is not None and stage.escalate.when == "unsure" and not near:
        yield Finding((*loc, "threshold"), "missing; without one nothing is near it, so nobody is ever unsure")


def _panel(loc: Loc, stage: Judge) -> Iterator[Finding]:
    for place, alias in enumerate(stage.endpoint):
        if alias in stage.endpoint[:place]:
            yield Finding((*loc, "endpoint", place), f'"{alias}" sits in this panel already; ask it more by `samples`')
    if stage.escalate is None:
        return
    if stage.escalate.to in stage.endpoint:
        yield Finding((*loc, "escalate", "to"), f'"{stage.escalate.to}" has been asked already; name another endpoint')
    if stage.escalate.when == "split" and len(stage.endpoint) == 1:
        yield Finding((*loc, "escalate", "when"), "a single judge cannot be split; write `when: unsure`")
