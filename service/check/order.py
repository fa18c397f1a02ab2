"""Orders of stages that cannot work."""

from __future__ import annotations

from collections.abc import Iterator

from config.problems import Finding
from config.schema import Dedupe, Generate, Pipeline, Select
from config.schema import Stage as StageConfig

NEEDS = {"rank": "rank", "vote": "vote", "score": "score"}
"""What `by:` may ask for -> the type of stage that makes it."""


def problems(pipeline: Pipeline) -> Iterator[Finding]:
    """Yield what no order of seeds and replies could make work."""
    yield from _names(pipeline)
    yield from _generators(pipeline)
    for number, stage in enumerate(pipeline.stages):
        before = {earlier.type for earlier in pipeline.stages[:number]}
        for keys, by in _asked(stage):
            needed = NEEDS.get(by)
            if needed is not None and needed not in before:
                yield Finding(("stages", number, *keys), f'"{by}" needs a {needed} stage before it')


def _asked(stage: StageConfig) -> Iterator[tuple[tuple[str | int, ...], str]]:
    if isinstance(stage, Select):
        yield ("by",), stage.by
        for place, by in enumerate(stage.agree.with_ if stage.agree else ()):
            yield ("agree", "with", place), by
    elif isinstance(stage, Dedupe):
        yield ("keep", "by"), stage.keep.by


def _names(pipeline: Pipeline) -> Iterator[Finding]:
    seen: dict[str, int] = {}
    for number, stage in enumerate(pipeline.stages):
        if stage.name in seen and stage.type != "generate":  # of a second one more is said below
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
        if not isinstance(stage, Generate) or not before:
            continue
        if isinstance(before[0], Generate):
            message = "a second `generate`; give the first one more `prompts`, and `endpoint` a list"
        else:
            message = f'"{before[0].name}" before it would never see its candidates; move `generate` up'
        yield Finding(("stages", number, "type"), message)
