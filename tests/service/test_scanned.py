"""What of the outputs is tried on every row of the source before anything is paid."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from config.schema import Pipeline
from service.runs.plan import scanned
from stages.core.errors import InputError


def pipeline(folder: Path, **output: Any) -> Pipeline:
    (folder / "seeds.jsonl").write_text('{"text": "a", "gold": "1"}\n{"text": "b"}\n', encoding="utf-8")
    asks = {"type": "generate", "endpoint": "main", "prompts": ["{{ text }}"], "emit": "seeds", "as": "question"}
    data = {"source": {"type": "jsonl", "path": str(folder / "seeds.jsonl")}, "stages": [asks], "outputs": [output]}
    return Pipeline.model_validate(data)


def test_a_ground_truth_that_a_row_cannot_fill_is_told_with_its_line(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"seeds\.jsonl:2: a template of the outputs cannot be made .*'gold' is undef"):
        scanned(pipeline(tmp_path, format="grpo", prompt="{{ text }}", ground_truth="{{ gold }}"))


def test_what_only_seeds_have_that_come_of_the_rows_is_not_asked_of_the_rows(tmp_path: Path) -> None:
    assert scanned(pipeline(tmp_path, format="sft", prompt="{{ question }} {{ text }}"))[1].rows == 2
