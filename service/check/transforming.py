"""Rules for transforms: what each kind cannot do without, gates that cannot hold, and where a transform can stand."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from config.problems import Finding
from config.schema import Generate, Stage, Transform
from config.transforming import Gate
from service.check.at import At
from service.check.resources import no_column


def needs(stage: Transform, at: At) -> Iterator[Finding]:
    if stage.kind == "critique_revise" and not (stage.constitution or at.pipeline.constitution):
        message = "missing; a critic needs principles: write `constitution: constitution.yaml` here or at the top"
        yield Finding(("constitution",), message)
    if stage.keep == "both" and stage.on_failure == "drop":
        yield Finding(("on_failure",), "`keep: both` keeps the original whatever comes; remove it")
    yield from no_column(("column",), stage.column, at.columns)
    if stage.to == "schema" and stage.emit == "seeds" and stage.schema_ is not None and not stage.new_columns:
        yield Finding(("schema",), "its `properties` become the columns of rows, and it has none")


def gates(stage: Transform, _: At) -> Iterator[Finding]:
    gate = stage.gate
    if gate.extract != "math" and not gate.same_answer:
        yield Finding(("gate", "extract"), "only `same_answer: true` reads it")
    if stage.schema_ is not None and gate.schema_ is not None:
        yield Finding(("gate", "schema"), "the `schema` beside `to` holds already; remove it")
    if stage.kind == "backtranslate" and gate != Gate():
        yield Finding(("gate",), "the text stays as it is and only an instruction is added; remove it")
    elif stage.kind == "convert":
        for key in ("same_answer", "keeps", "equivalent"):
            if getattr(gate, key):
                yield Finding(("gate", key), "compares a text with its rewrite, and `kind: convert` makes another one")


def place(stage: Transform, at: At) -> Iterator[Finding]:
    """Find a transform that has nothing to work on, or that comes after what it should come before."""
    before = same_seeds(at)
    made_by = [f'"{one.name}"' for one in before if makes(one)]
    if at.pipeline.source.candidates is not None and len(before) == len(at.before):
        made_by.append("the source")
    if stage.on_rows and made_by:
        message = f"`kind: {stage.kind}` works on rows, and {made_by[0]} has given them candidates; move it up"
        yield Finding(("type",), message)
    elif not stage.on_rows and not made_by:
        yield Finding(("type",), "nothing before it makes candidates, so there is nothing to rewrite; move it down")


def makes(stage: Stage) -> bool:
    """Tell whether a stage makes candidates of seeds that have none."""
    return isinstance(stage, Generate) or (isinstance(stage, Transform) and stage.on_rows and stage.emit != "seeds")


def chats(stage: Stage) -> bool:
    """Tell whether the rows that a stage makes are conversations, which ask for an answer by themselves."""
    return isinstance(stage, Transform) and stage.to == "chat" and stage.emit == "seeds"


def same_seeds(at: At) -> Sequence[Stage]:
    """Return the stages before this one that see the same seeds: those since the last one that emits seeds."""
    emitting = [number for number, earlier in enumerate(at.before) if getattr(earlier, "emit", "") == "seeds"]
    return at.before[emitting[-1] + 1 :] if emitting else at.before
