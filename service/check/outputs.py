"""Rules for outputs and for the answers to a collapse: keys that need or exclude each other, or that nobody reads."""

from __future__ import annotations

from collections.abc import Iterator

from config.problems import Finding, Loc
from config.schema import Collapse, Generate, Output, Pairs, Pipeline
from service.check.keys import Key, of_kind, tried
from service.check.resources import absent
from stages.io.exports.files import require_parquet

REJECTING = ("verify", "cross_check", "judge", "vote", "select")
PAIRED = ("dpo", "reward", "kto")
BY_FORMAT = (
    Key("pairs", (), PAIRED),
    Key("ground_truth", ("verl",), ("grpo",), "ground_truth: \"{{ answer | after('####') }}\""),
    Key("include", (), ("grpo", "verl")),
    Key("data_source", (), ("verl",)),
)
BY_PAIRING = (
    Key("rejected", (), ("stage",)),
    Key("strong", ("model",), (), "strong: [big]"),
    Key("weak", ("model",), (), "weak: [small]"),
)


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
    generates = any(stage.type == "generate" or getattr(stage, "on_rows", False) for stage in pipeline.stages)
    if output.prompt is None and not generates and pipeline.source.messages is None:
        message = 'missing; the candidates were given, so say what was asked: prompt: "{{ question }}"'
        yield Finding((*loc, "prompt"), message)
    yield from of_kind(loc, output, "format", BY_FORMAT)
    yield from _amount(loc, output)
    if output.file == "parquet":
        yield from tried((*loc, "file"), require_parquet)
    if output.format in PAIRED:
        yield from _pairs(loc, output, pipeline)


def _amount(loc: Loc, output: Output) -> Iterator[Finding]:
    """Yield what is wrong with how much is taken, and into which part."""
    if output.order != "source" and not output.max_samples and output.diverse is None:
        yield Finding((*loc, "order"), "it says who is taken first, and all are; add max_samples or diverse")
    if len(set(output.max_samples)) < len(output.max_samples):
        yield Finding((*loc, "max_samples"), "a size stands there twice; each gets a file of its own")


def _pairs(loc: Loc, output: Output, pipeline: Pipeline) -> Iterator[Finding]:
    pairs, at = output.pairs, (*loc, "pairs")
    yield from of_kind(at, pairs, "by", BY_PAIRING)
    if output.format == "kto" and pairs != Pairs(rejected=pairs.rejected):
        yield Finding(at, "`format: kto` makes no pairs; of these keys it reads `rejected` alone")
    if pairs.by == "stage" and not any(stage.type in REJECTING for stage in pipeline.stages):
        yield Finding(
            (*loc, "format"), "no stage tells good from bad, so there is nothing to pair; add a `verify` or `judge`"
        )
    stages, models = [stage.name for stage in pipeline.stages], pipeline.endpoints
    names = {"rejected": ("stage", stages), "strong": ("endpoint", models), "weak": ("endpoint", models)}
    for key, (kind, known) in names.items():
        for place, name in enumerate(getattr(pairs, key)):
            yield from absent((*at, key, place), kind, name, known)
