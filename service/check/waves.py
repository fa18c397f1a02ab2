"""Rules for `until`: a wave can only be decided where every candidate has been judged by itself and none compared."""

from __future__ import annotations

from collections.abc import Iterator

from config.problems import Finding
from config.schema import Generate, Pipeline, Until
from stages.registry import ONE_AT_A_TIME, wave_end


def problems(pipeline: Pipeline) -> Iterator[Finding]:
    """Yield what would make waves meaningless or endless."""
    for number, stage in enumerate(pipeline.stages):
        if isinstance(stage, Generate) and stage.until is not None:
            at = ("stages", number, "until")
            for key, message in _sizes(stage, stage.until):
                yield Finding((*at, key), message)
            if (wrong := _place(pipeline, number, stage, stage.until)) is not None:
                yield Finding((*at, "after"), wrong)


def _sizes(stage: Generate, until: Until) -> Iterator[tuple[str, str]]:
    if until.max_candidates < stage.candidates:
        yield "max_candidates", f"the first wave has {stage.candidates} (`candidates`); write at least as many"
    if until.mean_candidates is not None and until.mean_candidates < stage.candidates:
        yield "mean_candidates", f"the first wave has {stage.candidates} (`candidates`); write at least as many"


def _place(pipeline: Pipeline, number: int, stage: Generate, until: Until) -> str | None:
    """Return what is wrong with the stage after which the waves are decided."""
    end = wave_end(pipeline.stages, stage)
    later = pipeline.stages[number + 1 :]
    names = [one.name for one in later]
    if end == stage.name:
        return "no stage after it judges candidates one at a time, so nothing can be counted; add a verify or a judge"
    if end not in names:
        return f'there is no stage "{until.after}" after {stage.name}; there are: {", ".join(names) or "none"}'
    for between in later[: names.index(end) + 1]:
        if between.type not in ONE_AT_A_TIME:
            return f'"{between.name}" ({between.type}) must see all waves at once; let `after` name a stage before it'
    return None
