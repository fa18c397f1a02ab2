"""Templates and expressions: that they compile, and that something stands behind every variable."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

from config.problems import Finding, Loc
from config.schema import Annotate, Difficulty, Generate, Pipeline, Stage, Transform, Verify, Vote
from config.transforming import SPAN
from config.words import suggestion
from service.check.resources import Columns, columns_behind, no_column, unknown
from stages.core.record import Candidate, Group, Seed
from stages.prompts.builtin import builtin
from stages.prompts.template import Expression, Template, TemplateError

_GROUP = Group(Seed(0, "", {}))
OF_SEED = tuple(_GROUP.scope())
OF_CANDIDATE = tuple(_GROUP.scope(Candidate(0, "")))


class Scope(NamedTuple):
    """What a text sees. `columns` None: any variable may be there. `stages`: those whose verdicts are known."""

    columns: Columns
    names: tuple[str, ...] = OF_SEED
    stages: tuple[str, ...] = ()


class Place(NamedTuple):
    """A key with templates, and the built-in prompt that stands there otherwise: what that sees, any other sees too."""

    key: str
    builtin: str = ""


PLACES = {
    "annotate": (Place("prompt"),),
    "generate": (Place("prompts"), Place("system")),
    "verify": (Place("against"), Place("tests"), Place("entry_point"), Place("fallback.prompt", "equivalent")),
    "cross_check": (Place("prompt", "cross_check_{stage.sees}"),),
    "judge": (Place("prompt", "{stage.mode}"),),
    "rank": (Place("prompt", "rank"),),
    "difficulty": (Place("prompt"), Place("rating", "difficulty_rating")),
    "score": (Place("prompt", "rubric"), Place("features.partial_credit.reference")),
    "transform": (Place("prompt", "{stage.prompt_name}"), Place("style", "restyle")),
}


def problems(pipeline: Pipeline, columns: Columns) -> Iterator[Finding]:
    """Yield everything wrong with texts; variables are looked up only where the source's columns are known."""
    if isinstance(pipeline.source.candidates, tuple):
        yield from _look(("source", "candidates"), pipeline.source.candidates, Scope(columns))
    for number, stage in enumerate(pipeline.stages):
        loc: Loc = ("stages", number)
        known = columns_behind(columns, pipeline.stages[:number])
        of_seed, of_candidate = Scope(known), _of_candidate(pipeline, known, number)
        seen = of_seed if isinstance(stage, (Annotate, Generate)) or getattr(stage, "on_rows", False) else of_candidate
        yield from _look((*loc, "where"), stage.where, seen, Expression)
        for place in PLACES.get(stage.type, ()):
            keys, more = place.key.split("."), _shown_by(place, stage)
            scope = of_candidate if "response" in more else of_seed
            yield from _look((*loc, *keys), _value(stage, keys), scope._replace(names=(*scope.names, *more)))
    columns = columns_behind(columns, pipeline.stages)
    for number, output in enumerate(pipeline.outputs):
        loc = ("outputs", number)
        yield from _look((*loc, "where"), output.where, _of_candidate(pipeline, columns, None), Expression)
        yield from _look((*loc, "prompt"), output.prompt, Scope(columns))
        yield from _look((*loc, "ground_truth"), output.ground_truth, Scope(columns))
        for name, column in output.columns.items():
            yield from no_column((*loc, "columns", name), column, columns)


def _of_candidate(pipeline: Pipeline, columns: Columns, number: int | None) -> Scope:
    """Return what is to be seen of a candidate when it comes to stage `number`, or after the last."""
    before = pipeline.stages[:number]
    stages = tuple(stage.name for stage in before)
    checks = {stage.check for stage in before if isinstance(stage, Verify)}
    if isinstance(pipeline.source.candidates, str) or "plugin" in checks:
        return Scope(None, stages=stages)  # a column may bring fields of any name along, and a plugin may find some
    found = ["answer"] if checks & {"numeric", "math"} else []
    derived = (stage for stage in before if isinstance(stage, Transform) and stage.emit == "candidates")
    found += [name for stage in derived for name in SPAN if stage.evidence]
    found += ["difficulty"] if any(isinstance(stage, Difficulty) for stage in before) else []
    found += [stage.write for stage in before if isinstance(stage, Vote) and stage.write is not None]
    return Scope(columns, (*OF_CANDIDATE, *found), stages)


def _shown_by(place: Place, stage: Stage) -> tuple[str, ...]:
    if not place.builtin:
        return ()
    try:
        return tuple(Template(builtin(place.builtin.format(stage=stage))).variables)
    except FileNotFoundError:  # a reward model, or a prompt that must be written, sees task and response as they are
        return ("task", "response")


def _value(part: Any, keys: list[str]) -> Any:
    """Return what stands under a key such as `fallback.prompt`; None where a part of it is left out."""
    for key in keys:
        part = getattr(part, key, None)
    return part


def _look(
    loc: Loc, given: str | tuple[str, ...] | None, scope: Scope, kind: type[Template | Expression] = Template
) -> Iterator[Finding]:
    texts = {loc: given} if isinstance(given, str) else {(*loc, at): text for at, text in enumerate(given or ())}
    for place, text in texts.items():
        try:
            compiled = kind(text)
        except TemplateError as error:
            yield Finding(place, error.message, error.line)
        else:
            yield from (Finding(place, message, line) for message, line in _unknown(compiled, scope))


def _unknown(text: Template | Expression, scope: Scope) -> Iterator[tuple[str, int]]:
    """Yield every name in a text that nothing stands behind, as a message with its line."""
    columns, names, stages = scope
    for name, line in text.variables.items():
        if columns is not None and name not in columns and name not in names:
            yield unknown("variable", name, columns, names), line
    for (base, attribute), line in text.attributes.items():
        if base == "row" and columns is not None and attribute not in columns:
            yield unknown("column", attribute, columns), line
        if base == "verdicts" and attribute not in stages:
            how = suggestion(attribute, stages, "the stages before it are")
            yield f'no stage "{attribute}" stands before it; {how}', line
