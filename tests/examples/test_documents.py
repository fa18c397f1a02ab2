"""The documents example: what its files say belongs together. That it runs is proved in runs/test_three_pipelines."""

from __future__ import annotations

import json

from needs import ROOT

from service.runs.plan import checked
from stages.io.sources import open_source

FOLDER = ROOT / "examples" / "documents"


def test_eight_documents_come_in_parts_under_headings() -> None:
    rows = [group.seed.row for group in open_source(checked(FOLDER / "pipeline.yaml").source).groups()]
    assert len({row["heading"] for row in rows}) == 24
    assert len({row["path"] for row in rows}) == 8
    assert max(len(row["text"].split()) for row in rows) <= 60  # what a small model can take in


def test_the_benchmark_has_words_of_one_document_and_questions_of_its_own() -> None:
    texts = [" ".join(path.read_text().split()) for path in (FOLDER / "texts").iterdir()]
    questions = [json.loads(line)["question"] for line in (FOLDER / "benchmark.jsonl").read_text().splitlines()]
    shared = [question for question in questions if any(question.split(". ")[0] in text for text in texts)]
    assert len(shared) == 1 < len(questions)
