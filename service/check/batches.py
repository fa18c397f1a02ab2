"""What batches are not for: routes that no Batch API has, and seeds that ask again and again."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from config.problems import Finding
from config.schema import Generate, Judge, Pipeline, Stage, Vote
from service.check.at import At
from stages.registry import wave_end


def routes(stage: Judge, at: At) -> Iterator[Finding]:
    """Yield the reward models of a panel that would be asked in batches."""
    for place, alias in enumerate(stage.endpoint):
        if stage.mode == "reward" and _batched(at.pipeline, alias):
            message = f'a Batch API takes no reward models; write `mode: live` for "{alias}"'
            yield Finding(("endpoint", place), message)


def waves(stage: Generate, at: At) -> Iterator[Finding]:
    """Yield that each wave of a seed takes as long as the batches in it."""
    if stage.until is not None:
        end = wave_end(at.pipeline.stages, stage)
        names = [one.name for one in at.after]
        within = at.after[: names.index(end) + 1] if end in names else ()
        yield from _slow(("until",), [stage, *within], at.pipeline, "more `candidates` in the first wave")


def stops(stage: Vote, at: At) -> Iterator[Finding]:
    """Yield the same of votes that ask for more."""
    if stage.stop is not None:
        yield from _slow(("stop",), [*at.before, stage], at.pipeline, "more `candidates` and no `stop`")


def _slow(loc: tuple[str], stages: Sequence[Stage], pipeline: Pipeline, instead: str) -> Iterator[Finding]:
    used = {alias: None for stage in stages for _, alias in stage.aliases() if _batched(pipeline, alias)}
    if used:
        named = ", ".join(f'"{alias}"' for alias in used)
        window = max(pipeline.endpoints[alias].batch.window for alias in used)
        yield Finding(loc, f"each wave waits for batches of {named}, up to {window} each time; {instead} may be faster")


def _batched(pipeline: Pipeline, alias: str) -> bool:
    return alias in pipeline.endpoints and pipeline.endpoints[alias].mode == "batch"
