"""What is not available yet, in one table: whoever builds a feature deletes its rows; till then nothing is ignored.

A row: the kind of thing (`source`, a stage's type, `output`, `endpoint`, `pipeline`), the key in it, and the values
that cannot be used yet: a set of them, or ANY for a key that must be left out (or at its default).
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from typing import Any, Final, NamedTuple

from config.problems import Finding, Loc
from config.schema import Pipeline

ANY: Final = None


class Row(NamedTuple):
    """One thing that is not available yet."""

    kind: str
    key: str
    values: Collection[object] | None = ANY


NOT_YET: tuple[Row, ...] = ()


def missing(pipeline: Pipeline) -> Iterator[Finding]:
    """Yield what the pipeline asks for and tamis cannot do yet."""
    for kind, loc, part in _parts(pipeline):
        for row in NOT_YET:
            if row.kind == kind:
                yield from _asked(row, loc, part)


def _asked(row: Row, loc: Loc, part: Any) -> Iterator[Finding]:
    keys = row.key.split(".")
    holder = part
    for key in keys[:-1]:
        holder = getattr(holder, key)
    value, default = getattr(holder, keys[-1]), type(holder).model_fields[keys[-1]].default
    if row.values is not ANY and value in row.values:
        yield Finding((*loc, *keys), f"`{keys[-1]}: {value}` is not available yet")
    elif row.values is ANY and value != default:
        yield Finding((*loc, *keys), f"`{keys[-1]}` is not available yet; leave it out")


def _parts(pipeline: Pipeline) -> Iterator[tuple[str, Loc, Any]]:
    yield "pipeline", (), pipeline
    yield "source", ("source",), pipeline.source
    for alias, endpoint in pipeline.endpoints.items():
        yield "endpoint", ("endpoints", alias), endpoint
    for number, stage in enumerate(pipeline.stages):
        yield stage.type, ("stages", number), stage
    for number, output in enumerate(pipeline.outputs):
        yield "output", ("outputs", number), output
