"""Rules for judges, rankings and votes: what each mode reads and needs, and where a vote can ask for waves."""

from __future__ import annotations

from collections.abc import Iterator

from config.problems import Finding, Loc
from config.schema import Generate, Judge, Pipeline, Verify, Vote
from service.check.resources import Columns, unknown
from stages.core.errors import InputError
from stages.registry import ONE_AT_A_TIME
from stages.verify.maths import require_package

READ_BY = {
    "axes": ("rubric",),
    "scale": ("rubric",),
    "rubric": ("checklist",),
    "reward": ("reward",),
    "principles": ("eliminate", "rubric"),
    "per_call": ("eliminate", "rubric", "checklist"),
    "samples": ("eliminate", "rubric", "checklist"),
}
"""The keys of a judge that only some modes read."""
GOLD_CHECKS = ("numeric", "exact", "math")


def problems(pipeline: Pipeline, columns: Columns) -> Iterator[Finding]:
    """Yield what is wrong with each judge and each vote."""
    for number, stage in enumerate(pipeline.stages):
        loc: Loc = ("stages", number)
        if isinstance(stage, Judge):
            yield from _unread(loc, stage)
            yield from _needs(loc, stage, pipeline, columns)
            yield from _threshold(loc, stage)
            yield from _panel(loc, stage)
        elif isinstance(stage, Vote):
            yield from _vote(loc, stage)
            yield from _waves(loc, stage, pipeline, number)


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


def _unread(loc: Loc, stage: Judge) -> Iterator[Finding]:
    for key, modes in READ_BY.items():
        if getattr(stage, key) != Judge.model_fields[key].default and stage.mode not in modes:
            yield Finding((*loc, key), f"`mode: {stage.mode}` does not read it; remove it")


def _needs(loc: Loc, stage: Judge, pipeline: Pipeline, columns: Columns) -> Iterator[Finding]:
    principles = stage.constitution or pipeline.constitution or stage.prompt
    if stage.mode == "eliminate" and not principles:
        message = "missing; a judge needs principles: write `constitution: constitution.yaml` here or at the top"
        yield Finding((*loc, "constitution"), message)
    if stage.mode == "rubric" and not (principles or stage.axes):
        message = "missing; write for example axes: {clarity: How easy it is to follow.}, or a `constitution`"
        yield Finding((*loc, "axes"), message)
    if stage.mode == "checklist" and stage.rubric is None:
        yield Finding((*loc, "rubric"), "missing; write the column that holds each seed's criteria: `rubric: COLUMN`")
    if stage.rubric is not None and columns is not None and stage.rubric not in columns:
        yield Finding((*loc, "rubric"), unknown("column", stage.rubric, columns, columns))


def _threshold(loc: Loc, stage: Judge) -> Iterator[Finding]:
    low, high = stage.scale if stage.mode == "rubric" else (0, 1)
    if stage.threshold is not None and stage.mode != "reward" and not low <= stage.threshold <= high:
        yield Finding((*loc, "threshold"), f"scores of `mode: {stage.mode}` go from {low} to {high}")
    if stage.escalate is not None and stage.escalate.when == "unsure":
        if stage.threshold is None and stage.mode != "eliminate" and len(stage.endpoint) == 1:
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


def _vote(loc: Loc, stage: Vote) -> Iterator[Finding]:
    if stage.extract == "model" and stage.endpoint is None:
        yield Finding((*loc, "endpoint"), "missing; name the model that compares two responses")
    elif stage.extract != "model" and stage.endpoint is not None:
        yield Finding((*loc, "endpoint"), f"`extract: {stage.extract}` asks no model; remove it")
    if stage.extract == "math":
        try:
            require_package()
        except InputError as error:
            yield Finding((*loc, "extract"), str(error))


def _waves(loc: Loc, stage: Vote, pipeline: Pipeline, number: int) -> Iterator[Finding]:
    """Look at whether the vote can ask for more candidates where it stands."""
    if stage.stop is None:
        return
    before = pipeline.stages[:number]
    made = next((at for at, earlier in enumerate(before) if isinstance(earlier, Generate)), None)
    if made is None:
        yield Finding((*loc, "stop"), "nothing before it generates candidates, so it cannot ask for more; remove it")
        return
    for between in before[made + 1 :]:
        if between.type not in ONE_AT_A_TIME:
            message = f'"{between.name}" ({between.type}) before it must see all waves at once; put the vote before that'
            yield Finding((*loc, "stop"), message)
