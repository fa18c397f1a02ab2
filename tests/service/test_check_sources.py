"""What is known of a source's columns before a run, and of those that stages make."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from config.load import read_pipeline
from service.check import check

LABEL = {"type": "annotate", "as": "kind", "endpoint": "main", "prompt": "{{ text }}", "choices": ["a", "b"]}
GENERATE = {"type": "generate", "endpoint": "main", "prompts": ["{{ text }}: {{ kind }}"]}


@pytest.fixture(autouse=True)
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    pq.write_table(pa.table({"text": ["x"]}), tmp_path / "rows.parquet")
    (tmp_path / "note.txt").write_text("x")


def found(source: dict[str, Any], *stages: dict[str, Any], **keys: Any) -> list[str]:
    endpoints = {"main": {"base_url": "http://127.0.0.1:1/v1", "model": "m"}}
    loaded = read_pipeline({"endpoints": endpoints, "source": source, "stages": list(stages), **keys}, env={})
    return [str(problem) for problem in (*loaded.problems, *check(loaded, {}))]


PARQUET = {"type": "parquet", "path": "rows.parquet"}
TEXT = {"type": "text", "path": "."}
HUB = {"type": "huggingface", "path": "nobody/has-this"}


@pytest.mark.parametrize("source", [PARQUET, TEXT])
def test_a_column_that_a_stage_makes_is_known_behind_it_and_not_before(source: dict[str, Any]) -> None:
    output = {"format": "sft", "prompt": "{{ text }} ({{ kind }})", "columns": ["kind"]}
    assert found(source, LABEL, GENERATE, outputs=[output]) == []
    (problem,) = found(source, GENERATE, {**LABEL, "where": "kind is defined"})
    assert problem.startswith('stages[0].prompts[0]: unknown variable "kind"; the source has: ')
    (problem,) = found(source, {**LABEL, "prompt": "{{ txt }}"}, GENERATE)
    assert problem.startswith('stages[0].prompt: unknown variable "txt"')


def test_of_a_dataset_on_the_hub_nothing_is_asked_and_any_column_may_be_there() -> None:
    assert found({**HUB, "topic": "subject"}, GENERATE) == []


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ({**PARQUET, "topic": "txt"}, 'source.topic: unknown column "txt"; the source has: text. Did you mean "text"?'),
        ({**PARQUET, "path": "no.parquet"}, "source.path: no.parquet: no such file or folder"),
        ({**TEXT, "glob": "*.md"}, "source.path: .: no file in this folder matches *.md"),
        ({"type": "huggingface", "path": "./no"}, "source.path: no: no such folder"),
    ],
)
def test_what_is_wrong_with_a_source_is_told_at_its_key(source: dict[str, Any], message: str) -> None:
    (problem,) = found(source, {**GENERATE, "prompts": ["{{ text }}"]})
    assert problem.startswith(message)
