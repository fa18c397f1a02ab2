"""Keys of one part that need each other, exclude each other, or would be read by nobody."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from config.problems import Finding, Loc
from config.schema import Collapse, CrossCheck, Dedupe, Generate, Output, Pairs, Pipeline, Score, Verify
from config.words import suggestion

REJECTING = ("verify", "cross_check", "judge", "vote", "select")


def problems(pipeline: Pipeline) -> Iterator[Finding]:
    """Yield what is wrong inside each stage, each output, and the answers to a collapse."""
    for number, stage in enumerate(pipeline.stages):
        if stage.type in RULES:
            yield from RULES[stage.type](("stages", number), stage, pipeline)
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


def _generate(loc: Loc, stage: Generate, pipeline: Pipeline) -> Iterator[Finding]:
    if not stage.prompts and pipeline.source.messages is None:
        message = 'missing; write for example prompts: ["{{ question }}"], or `messages: COLUMN` in the source'
        yield Finding((*loc, "prompts"), message)


def _verify(loc: Loc, stage: Verify, _: Pipeline) -> Iterator[Finding]:
    if stage.check == "plugin" and (stage.against is None) != (stage.fallback is None):
        message = "only its `fallback` reads it" if stage.fallback is None else "`fallback` needs: against: ..."
        yield Finding((*loc, "against"), message)


def _cross_check(loc: Loc, stage: CrossCheck, _: Pipeline) -> Iterator[Finding]:
    voices = stage.samples * (stage.endpoint is not None) + (stage.function is not None)
    if not voices:
        yield Finding((*loc, "endpoint"), "missing; name the model that is asked (or a program: `function`)")
    elif stage.min_agree > voices:
        yield Finding((*loc, "min_agree"), f"{stage.min_agree} can never agree, only {voices}; ask for more `samples`")


def _dedupe(loc: Loc, stage: Dedupe, _: Pipeline) -> Iterator[Finding]:
    if not (stage.exact or stage.near or stage.semantic):
        yield Finding((*loc, "exact"), "nothing is left to compare by; remove it, or write `near: {threshold: 0.8}`")


def _score(loc: Loc, stage: Score, _: Pipeline) -> Iterator[Finding]:
    if stage.axes is None and stage.features.steps is None and stage.features.explanation is None:
        yield Finding((*loc, "features"), "missing; write for example features: {steps: 0.05, explanation: 0.02}")


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


RULES: dict[str, Callable[[Loc, Any, Pipeline], Iterator[Finding]]] = {
    "generate": _generate,
    "verify": _verify,
    "cross_check": _cross_check,
    "dedupe": _dedupe,
    "score": _score,
}
