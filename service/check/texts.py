"""Templates and expressions: that they compile, and that something stands behind every variable."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from config.problems import Finding, Loc
from config.schema import Generate, Pipeline, Verify
from config.words import suggestion
from service.check.resources import Columns, unknown
from stages.core.record import Candidate, Group, Seed
from stages.prompts.template import Expression, Template, TemplateError

_GROUP = Group(Seed(0, "", {}))
OF_SEED = tuple(_GROUP.scope())
OF_CANDIDATE = tuple(_GROUP.scope(Candidate(0, "")))
Scope = tuple[Columns, tuple[str, ...]]
"""The columns and the other variables that a text sees; columns None: any name may be there."""
TEMPLATES: dict[tuple[str, str], tuple[str, ...] | None] = {
    ("generate", "prompts"): None,
    ("generate", "system"): None,
    ("verify", "against"): None,
    ("verify", "tests"): None,
    ("verify", "entry_point"): None,
    ("verify", "fallback.prompt"): ("task", "reference"),
    ("cross_check", "prompt"): ("task",),
    ("judge", "prompt"): ("task", "principles"),
}
"""The templates of each stage: None if they see the seed alone, else what they see besides a candidate's variables."""


def problems(pipeline: Pipeline, columns: Columns) -> Iterator[Finding]:
    """Yield everything wrong with texts; variables are looked up only where the columns are known."""
    for loc, text, scope in _templates(pipeline, columns):
        yield from _template(loc, text, scope)
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


def _templates(pipeline: Pipeline, columns: Columns) -> Iterator[tuple[Loc, str, Scope]]:
    seed: Scope = (columns, OF_SEED)
    given = pipeline.source.candidates
    yield from _each(("source", "candidates"), given if isinstance(given, tuple) else (), seed)
    for number, stage in enumerate(pipeline.stages):
        for (kind, key), more in TEMPLATES.items():
            if stage.type == kind:
                if more is None or getattr(stage, "sees", "") == "question":
                    scope = columns, (*OF_SEED, *(more or ()))
                else:
                    scope = _of_candidate(pipeline, columns, number, more)
                yield from _each(("stages", number, *key.split(".")), _value(stage, key), scope)
    for number, output in enumerate(pipeline.outputs):
        yield from _each(("outputs", number, "prompt"), output.prompt, seed)


def _value(part: Any, key: str) -> Any:
    """Return what stands under a key such as `fallback.prompt`; None where a part of it is left out."""
    for name in key.split("."):
        part = getattr(part, name, None)
    return part


def _each(loc: Loc, value: str | tuple[str, ...] | None, scope: Scope) -> Iterator[tuple[Loc, str, Scope]]:
    if isinstance(value, str):
        yield loc, value, scope
    else:
        yield from (((*loc, place), text, scope) for place, text in enumerate(value or ()))


def _of_candidate(pipeline: Pipeline, columns: Columns, number: int, more: tuple[str, ...] = ()) -> Scope:
    """Return what is to be seen of a candidate when it comes to stage `number`."""
    checks = {stage.check for stage in pipeline.stages[:number] if isinstance(stage, Verify)}
    if isinstance(pipeline.source.candidates, str) or "plugin" in checks:
        return None, ()  # candidates of a column may bring fields of any name along, and a plugin may find some
    extracted = checks & {"numeric", "math"}
    return columns, (*OF_CANDIDATE, *(("answer",) if extracted else ()), *more)


def _template(loc: Loc, source: str, scope: Scope) -> Iterator[Finding]:
    try:
        template = Template(source)
    except TemplateError as error:
        yield Finding(loc, error.message, error.line)
    else:
        yield from _variables(loc, template, scope)


def _where(loc: Loc, source: str, pipeline: Pipeline, columns: Columns, number: int) -> Iterator[Finding]:
    """Look at the expression of stage `number`, which sees what the stages before it found; outputs see all."""
    try:
        expression = Expression(source)
    except TemplateError as error:
        yield Finding(loc, error.message, error.line)
        return
    if number < len(pipeline.stages) and isinstance(pipeline.stages[number], Generate):
        yield from _variables(loc, expression, (columns, OF_SEED))
        return
    yield from _variables(loc, expression, _of_candidate(pipeline, columns, number))
    before = [stage.name for stage in pipeline.stages[:number]]
    for (base, attribute), line in expression.attributes.items():
        if base == "verdicts" and attribute not in before:
            how = suggestion(attribute, before, "the stages before it are")
            yield Finding(loc, f'no stage "{attribute}" stands before it; {how}', line)


def _variables(loc: Loc, template: Template | Expression, scope: Scope) -> Iterator[Finding]:
    columns, names = scope
    if columns is None:
        return
    for name, line in template.variables.items():
        if name not in columns and name not in names:
            yield Finding(loc, unknown("variable", name, columns, (*columns, *names)), line)
    for (base, attribute), line in template.attributes.items():
        if base == "row" and attribute not in columns:
            yield Finding(loc, unknown("column", attribute, columns, columns), line)
