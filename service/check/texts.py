"""Templates and expressions: that they compile, and that something stands behind every variable."""

from __future__ import annotations

from collections.abc import Iterator

from config.problems import Finding, Loc
from config.schema import Generate, Pipeline, Verify
from config.words import suggestion
from service.check.resources import Columns, unknown
from stages.core.record import Candidate, Group, Seed
from stages.prompts.template import Expression, Template, TemplateError

_GROUP = Group(Seed(0, "", {}))
OF_SEED = tuple(_GROUP.scope())
OF_CANDIDATE = tuple(_GROUP.scope(Candidate(0, "")))
Text = tuple[Loc, str, tuple[str, ...]]
"""A template's place, its text, and the variables it sees besides the columns."""
TEMPLATES: dict[tuple[str, str], tuple[str, ...]] = {
    ("generate", "prompts"): OF_SEED,
    ("generate", "system"): OF_SEED,
    ("verify", "against"): OF_SEED,
    ("judge", "prompt"): (*OF_CANDIDATE, "task", "principles"),
}
"""The templates of each stage, and the variables they see besides the columns."""


def problems(pipeline: Pipeline, columns: Columns) -> Iterator[Finding]:
    """Yield everything wrong with texts; variables are looked up only where the columns are known."""
    for loc, text, names in _templates(pipeline):
        yield from _template(loc, text, columns, names)
    for number, part in enumerate((*pipeline.stages, *pipeline.outputs)):
        if part.where is not None:
            yield from _where(_loc(pipeline, number, "where"), part.where, pipeline, columns, number)
    for number, output in enumerate(pipeline.outputs):
        for name, column in output.columns.items():
            if columns is not None and column not in columns:
                yield Finding(("outputs", number, "columns", name), unknown("column", column, columns, columns))


def _loc(pipeline: Pipeline, number: int, key: str) -> Loc:
    stages = len(pipeline.stages)
    return ("stages", number, key) if number < stages else ("outputs", number - stages, key)


def _templates(pipeline: Pipeline) -> Iterator[Text]:
    given = pipeline.source.candidates
    yield from _each(("source", "candidates"), given if isinstance(given, tuple) else (), OF_SEED)
    for number, stage in enumerate(pipeline.stages):
        for (kind, key), names in TEMPLATES.items():
            if stage.type == kind:
                yield from _each(("stages", number, key), getattr(stage, key), names)
    for number, output in enumerate(pipeline.outputs):
        yield from _each(("outputs", number, "prompt"), output.prompt, OF_SEED)


def _each(loc: Loc, value: str | tuple[str, ...] | None, names: tuple[str, ...]) -> Iterator[Text]:
    if isinstance(value, str):
        yield loc, value, names
    else:
        yield from (((*loc, place), text, names) for place, text in enumerate(value or ()))


def _template(loc: Loc, source: str, columns: Columns, names: tuple[str, ...]) -> Iterator[Finding]:
    try:
        template = Template(source)
    except TemplateError as error:
        yield Finding(loc, error.message, error.line)
    else:
        yield from _variables(loc, template, columns, names)


def _where(loc: Loc, source: str, pipeline: Pipeline, columns: Columns, number: int) -> Iterator[Finding]:
    """Look at the expression of stage `number`, which sees what the stages before it found; outputs see all."""
    try:
        expression = Expression(source)
    except TemplateError as error:
        yield Finding(loc, error.message, error.line)
        return
    before = pipeline.stages[:number]
    if number < len(pipeline.stages) and isinstance(pipeline.stages[number], Generate):
        yield from _variables(loc, expression, columns, OF_SEED)
        return
    # What `verify` reads from a text becomes a variable.
    extracted = any(isinstance(stage, Verify) and stage.check in ("numeric", "math") for stage in before)
    # Candidates of a column may bring fields of any name along.
    open_ended = isinstance(pipeline.source.candidates, str)
    names = (*OF_CANDIDATE, *(("answer",) if extracted else ()))
    yield from _variables(loc, expression, None if open_ended else columns, names)
    for (base, attribute), line in expression.attributes.items():
        stages = [stage.name for stage in before]
        if base == "verdicts" and attribute not in stages:
            how = suggestion(attribute, stages, "the stages before it are")
            yield Finding(loc, f'no stage "{attribute}" stands before it; {how}', line)


def _variables(
    loc: Loc, template: Template | Expression, columns: Columns, names: tuple[str, ...]
) -> Iterator[Finding]:
    if columns is None:
        return
    for name, line in template.variables.items():
        if name not in columns and name not in names:
            yield Finding(loc, unknown("variable", name, columns, (*columns, *names)), line)
    for (base, attribute), line in template.attributes.items():
        if base == "row" and attribute not in columns:
            yield Finding(loc, unknown("column", attribute, columns, columns), line)
