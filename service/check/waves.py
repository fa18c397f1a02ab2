"""Rules for waves: one can only be decided where every candidate has been judged by itself and none compared."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from config.problems import Finding
from config.schema import Generate, Pipeline, Stage, Until, Vote
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
        if isinstance(stage, Vote) and stage.stop and (wrong := _vote(pipeline.stages[:number])) is not None:
            yield Finding(("stages", number, "stop"), wrong)


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
    if (between := _needs_all(later[: names.index(end) + 1])) is not None:
        return f"{between} must see all waves at once; let `after` name a stage before it"
    return None


def _vote(before: Sequence[Stage]) -> str | None:
    """Return why a vote cannot ask for more candidates where it stands."""
    made = next((at for at, stage in enumerate(before) if isinstance(stage, Generate)), None)
    if made is None:
        return "nothing before it generates candidates, so it cannot ask for more; remove it"
    if (between := _needs_all(before[made + 1 :])) is not None:
        return f"{between} before it must see all waves at once; put the vote before that"
    return None


def _needs_all(stages: Sequence[Stage]) -> str | None:
    return next((f'"{stage.name}" ({stage.type})' for stage in stages if stage.type not in ONE_AT_A_TIME), None)
