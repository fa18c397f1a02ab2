"""`tamis.load`: the same rows whether a run has ended or not, from its ledger."""

from __future__ import annotations

import sys
from pathlib import Path

import orjson
import pytest
from pipeline_changes import Config
from whole_runs import Project

import tamis
from stages.core.errors import InputError


@pytest.fixture
def cut_short(project: Project, config: Config, monkeypatch: pytest.MonkeyPatch) -> tamis.Run:
    """Return a run that a budget ended in its midst."""
    monkeypatch.chdir(project.folder)
    # of 86 calls: the first seeds have come to their end, the last have not
    config["endpoints"]["main"]["limits"] = {"max_concurrency": 2}
    return tamis.run({**config, "budget": {"calls": 75}}, out="run")


def test_rows_are_those_of_the_files(project: Project, cut_short: tamis.Run) -> None:
    run = tamis.load("run")
    assert run == cut_short
    assert run.code == 3
    for kind in ("accepted", "rejected", "failed", "unsolved"):
        assert list(getattr(run, kind)()) == project.lines("run", f"{kind}.jsonl")
    counts = run.manifest["counts"]["candidates"]
    candidates = list(run.candidates())
    assert len(candidates) == counts["generated"]
    assert sum(one["state"] == "accepted" for one in candidates) == counts["accepted"]
    fallen = next(one for one in candidates if one["reason"] == "not_selected")
    assert fallen["verdicts"]["select"]["passed"] is False
    assert fallen["prompt"][-1]["content"] == fallen["row"]["question"]


def test_a_run_that_has_not_ended_is_read_from_its_ledger(project: Project, cut_short: tamis.Run) -> None:
    """What a killed process leaves: no derived file, and the manifest of its beginning."""
    before = list(cut_short.accepted())
    for path in Path("run").glob("*.jsonl"):
        path.unlink()
    Path("run/manifest.json").write_bytes(orjson.dumps(cut_short.manifest | {"state": "running"}))
    run = tamis.load(project.folder / "run")
    assert (run.code, list(run.accepted())) == (None, before)


def test_a_dataset_has_a_row_for_each_sample(cut_short: tamis.Run) -> None:
    pytest.importorskip("datasets")
    samples = list(cut_short.accepted())
    data = cut_short.dataset()
    assert data["id"][:] == [sample["id"] for sample in samples]
    assert data[0]["messages"][-1]["role"] == "assistant"


def test_without_the_library_it_says_what_to_type(cut_short: tamis.Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "datasets", None)
    with pytest.raises(InputError, match=r"pip install 'tamis\[huggingface\]'"):
        cut_short.dataset()


def test_an_export_is_the_commands(project: Project, cut_short: tamis.Run) -> None:
    (path,) = cut_short.export("sft", "mine.jsonl", where="scores.score >= 0")
    rows = [orjson.loads(line) for line in path.read_bytes().splitlines()]
    assert len(rows) == len(list(cut_short.accepted()))


def test_a_folder_without_a_run_is_said_to_be_one(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="there is no run here"):
        tamis.load(tmp_path)
