"""Rules for outputs and for the answers to a collapse: keys that need or exclude each other, or that nobody reads."""

from __future__ import annotations

from collections.abc import Iterator

from config.problems import Finding, Loc
from config.schema import Collapse, Generate, Output, Pairs, Pipeline
from config.words import suggestion

REJECTING = ("verify", "cross_check", "judge", "vote", "select")


def problems(pipeline: Pipeline) -> Iterator[Finding]:
    """Yield what is wrong inside each output, and the answers to a collapse."""
    if pipeline.collapse is not None:
        yield from _collapse(pipeline.collapse, pipeline)
    files: set[tuple[str, str]] = set()
    for number, output in enumerate(pipeline.outputs):
        loc: Loc = ("outputs", number)
        if (output.format, output.file) in files:
            yield Finding((*loc, "format"), f"a second output writes exports/{output.format}.{output.file} too")
        files.add((output.format, output.file))
        yield from _output(loc, output, pipeline)


def _collapse(collapse: Collapse, pipeline: Pipeline) -> Iterator[Finding]:
    prompts = [len(stage.prompts) for stage in pipeline.stages if isinstance(stage, Generate)]
    for place, step in enumerate(collapse.respond):
        at: Loc = ("collapse", "respond", place)
        if not prompts:
            yield Finding(at, "no stage generates, so nothing can be steered; write respond: []")
        elif step in collapse.respond[:place]:
            yield Finding(at, f"`{step}` stands there already; what can go further is taken again by itself")
        elif step == "prompt" and max(prompts) < 2:
            yield Finding(
                at, "it goes on to the next of a stage's `prompts`, and no stage has two; add one or remove it"
            )
    if collapse.personas and "persona" not in collapse.respond:
        yield Finding(("collapse", "personas"), "only `respond: [persona]` reads it")


def _output(loc: Loc, output: Output, pipeline: Pipeline) -> Iterator[Finding]:
    names = [stage.name for stage in pipeline.stages]
    generates = any(stage.type == "generate" for stage in pipeline.stages)
    if output.prompt is None and not generates and pipeline.source.messages is None:
        message = 'missing; the candidates were given, so say what was asked: prompt: "{{ question }}"'
        yield Finding((*loc, "prompt"), message)
    if output.format not in ("dpo", "reward", "kto"):
        if output.pairs != Pairs():
            yield Finding((*loc, "pairs"), f"`format: {output.format}` has no pairs; remove it")
        return
    if not any(stage.type in REJECTING for stage in pipeline.stages):
        yield Finding(
            (*loc, "format"), "no stage tells good from bad, so there is nothing to pair; add a `verify` or `judge`"
        )
    for place, name in enumerate(output.pairs.rejected):
        if name not in names:
            how = suggestion(name, names, "the stages are")
            yield Finding((*loc, "pairs", "rejected", place), f'there is no stage "{name}"; {how}')
