from __future__ import annotations

from typing import get_args

import pytest
from pydantic import BaseModel

from config import availability, yamlfile
from config.availability import NOT_YET, Row, missing
from config.load import read_pipeline
from config.schema import Endpoint, Output, Pipeline, Stage, TextSource


def minimal(**keys: object) -> dict[str, object]:
    return {"source": {"type": "jsonl", "path": "x.jsonl"}, **keys}


KINDS: dict[str, type[BaseModel]] = {
    "pipeline": Pipeline,
    "source": TextSource,
    "endpoint": Endpoint,
    "output": Output,
    **{str(model.model_fields["type"].default): model for model in get_args(get_args(Stage)[0])},
}


@pytest.mark.parametrize("row", NOT_YET, ids=lambda row: f"{row.kind}.{row.key}")
def test_every_row_speaks_of_a_key_and_of_values_that_there_are(row: Row) -> None:
    """A row about a misspelt key or value would let through what it is there to refuse."""
    model = KINDS[row.kind]
    for key in filter(None, row.key.split(".")):
        annotation = model.model_fields[key].annotation
        model = annotation if isinstance(annotation, type) else model
    if row.values is not None and row.kind != "source":
        assert set(row.values) <= set(get_args(annotation))


def test_nothing_in_the_catalogue_is_for_later(catalogue: str) -> None:
    assert not list(missing(Pipeline.model_validate(yamlfile.read(catalogue, "")[0])))


def test_what_is_not_available_is_refused_at_its_place(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(availability, "NOT_YET", (Row("endpoint", "limits.reserve", {"p95"}),))
    data = minimal(endpoints={"m": {"embedded": "smollm2", "limits": {"reserve": "p95"}}})
    [problem] = read_pipeline(data, env={}).problems
    assert str(problem) == "endpoints.m.limits.reserve: `reserve: p95` is not available yet"


def test_a_later_key_may_be_written_with_the_value_that_it_has_anyway() -> None:
    stages = [{"type": "generate", "endpoint": "m", "per_request": 1, "on_truncated": "keep", "until": None}]
    assert not read_pipeline(minimal(stages=stages), env={}).problems
