"""Orders of stages that cannot work."""

from __future__ import annotations

from collections.abc import Iterator

from config.problems import Finding
from config.schema import Dedupe, Generate, Judge, Pipeline, Select, Verify, Vote
from config.schema import Stage as StageConfig

NEEDS = {"rank": "a rank stage", "vote": "a vote stage", "score": "a score stage or a judge that scores"}
"""What `by:` may ask for, and what makes it."""


def problems(pipeline: Pipeline) -> Iterator[Finding]:
    """Yield what no order of seeds and replies could make work."""
    yield from _names(pipeline)
    yield from _generators(pipeline)
    for number, stage in enumerate(pipeline.stages):
        made = {_makes(earlier) for earlier in pipeline.stages[:number]}
        for keys, by in _asked(stage):
            if by in NEEDS and by not in made:
                yield Finding(("stages", number, *keys), f'"{by}" needs {NEEDS[by]} before it')


def _makes(stage: StageConfig) -> str:
    scores = isinstance(stage, Judge) and stage.mode != "eliminate"
    scores = scores or (isinstance(stage, Verify) and stage.check == "plugin")
    return "score" if scores else stage.type


def _asked(stage: StageConfig) -> Iterator[tuple[tuple[str | int, ...], str]]:
    if isinstance(stage, Select):
        yield ("by",), stage.by
        for place, by in enumerate(stage.agree.with_ if stage.agree else ()):
            yield ("agree", "with", place), by
    elif isinstance(stage, Vote) and stage.weights is not None:
        yield ("weights",), stage.weights
    elif isinstance(stage, Dedupe):
        yield ("keep", "by"), stage.keep.by


def _names(pipeline: Pipeline) -> Iterator[Finding]:
    seen: dict[str, int] = {}
    for number, stage in enumerate(pipeline.stages):
        if stage.name in seen:
            other = f"stages[{seen[stage.name]}]"
            message = f'{other} is named "{stage.name}" too; write a `name:` of its own, such as {stage.name}_2'
            yield Finding(("stages", number, "name"), message)
        seen.setdefault(stage.name, number)


def _generators(pipeline: Pipeline) -> Iterator[Finding]:
    if not any(stage.type == "generate" for stage in pipeline.stages) and pipeline.source.candidates is None:
        message = "nothing makes candidates; add a `generate` stage, or name those of the source with `candidates:`"
        yield Finding(("stages",), message)
    for number, stage in enumerate(pipeline.stages):
        before = [earlier for earlier in pipeline.stages[:number] if earlier.type != "annotate"]
        emitting = [at for at, earlier in enumerate(before) if getattr(earlier, "emit", "") == "seeds"]
        before = before[emitting[-1] + 1 :] if emitting else before
        if not isinstance(stage, Generate) or not before:
            continue
        if isinstance(before[0], Generate):
            message = "a second `generate`; give the first one more `prompts`, and `endpoint` a list (or `emit: seeds`)"
        else:
            message = f'"{before[0].name}" before it would never see its candidates; move `generate` up'
        yield Finding(("stages", number, "type"), message)
