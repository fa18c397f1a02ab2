"""What a rule about one stage is told: where the stage stands, and what is around it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from config.problems import Finding
from config.schema import Pipeline, Stage
from service.check.resources import Columns


class At(NamedTuple):
    """Where a stage stands, and the source's columns."""

    pipeline: Pipeline
    columns: Columns
    before: Sequence[Stage]
    after: Sequence[Stage]


Rules = Mapping[str, Sequence[Callable[[Any, At], Iterator[Finding]]]]
