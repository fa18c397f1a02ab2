"""What leaves a run: files in every format, and a folder that `datasets` loads."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import orjson
import pytest
import yaml
from whole_runs import Project, arithmetic, simulating

from config import yamlfile
from service.exports.reexport import export_run
from stages.core.errors import InputError

LOAD = """
import json, sys
import datasets
datasets.disable_progress_bars()
names = datasets.get_dataset_config_names(sys.argv[1])
loaded = {name: datasets.load_dataset(sys.argv[1], name, cache_dir=sys.argv[2]) for name in names}
default = datasets.load_dataset(sys.argv[1], cache_dir=sys.argv[2])
print(json.dumps({
    "default": {part: len(rows) for part, rows in default.items()},
    **{name: {part: len(rows) for part, rows in parts.items()} for name, parts in loaded.items()},
}))
"""


def loaded(folder: Path, cache: Path) -> dict[str, Any]:
    """Return what `datasets.load_dataset(folder)` finds, in a process of its own: it keeps modules and caches."""
    offline = {"HF_HUB_OFFLINE": "1", "HF_HOME": str(cache), "PATH": ""}
    done = subprocess.run(
        [sys.executable, "-c", LOAD, str(folder), str(cache)], env=offline, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = orjson.loads(done.stdout.splitlines()[-1])
    return found


def header(folder: Path) -> dict[str, Any]:
    _, text, _ = (folder / "README.md").read_text("utf-8").split("---\n", 2)
    found: dict[str, Any] = yaml.safe_load(text)
    return found


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with a run of 40 seeds in `run`, that wrote two outputs."""
    project = Project(tmp_path_factory.mktemp("finished"))
    with simulating("--accuracy", "0.6") as simulator:
        config = arithmetic(project, simulator.base_url, seeds=40)
        config["outputs"] = [
            {"format": "sft", "prompt": "{{ question }}", "split": {"validation": 0.3}, "shard_rows": 10},
            {"format": "dpo", "prompt": "{{ question }}", "file": "parquet", "pairs": {"rejected": ["verify"]}},
        ]
        project.write(config)
        project.tamis("run", "pipeline.yaml", "--out", "run")
    return project.folder


@pytest.fixture
def done(finished: Path, project: Project) -> Project:
    shutil.copytree(finished, project.folder, dirs_exist_ok=True)
    return project


def test_a_run_is_a_folder_that_datasets_loads(done: Project, tmp_path: Path) -> None:
    pytest.importorskip("datasets")
    run = done.folder / "run"
    found = loaded(run, tmp_path / "cache")
    accepted = len(done.lines("run", "accepted.jsonl"))
    assert found["default"] == found["accepted"] == {"train": accepted}
    assert set(found["sft"]) == {"train", "validation"} and sum(found["sft"].values()) == accepted
    assert list(loaded(run / "exports", tmp_path / "cache")) == ["default", "dpo"]

    text = (run / "README.md").read_text("utf-8")
    (run / "README.md").write_text(text.replace("tags:", "license: mit\ntags:"), encoding="utf-8")
    for file in ("jsonl", "parquet"):
        assert list(export_run(run, "kto", file=file).files) == [run / f"exports/kto.{file}"]
    assert set(loaded(run, tmp_path / "again")) == {"default", "accepted", "sft", "kto"}
    assert header(run / "exports")["configs"][1]["data_files"] == [{"split": "train", "path": "kto.parquet"}]
    assert header(run)["license"] == "mit", "what a person wrote into the card is kept"
    assert (run / "README.md").read_text("utf-8").endswith(text.split("---\n", 2)[2])


def test_the_card_tells_what_was_asked_and_how_far_it_can_be_trusted(done: Project) -> None:
    run = done.folder / "run"
    text = (run / "README.md").read_text("utf-8")
    manifest = done.manifest("run")
    for part in ("{{ question }}", f"{manifest['counts']['candidates']['accepted']:,} accepted", "wrong_answer: "):
        assert part in text
    assert manifest["fingerprint"]["source"]["content"] in text
    assert str(done.folder) not in text
    assert header(run)["size_categories"] == ["n<1K"]


def test_export_knows_every_format_and_keeps_the_pipelines_split(done: Project) -> None:
    run = done.folder / "run"
    for kind in ("reward", "prm", "grpo", "sharegpt"):
        assert sum(export_run(run, kind).files.values()) > 0
    with pytest.raises(InputError, match="--format verl: it needs what is right for a seed: --ground-truth "):
        export_run(run, "verl")
    done.tamis("export", "run", "--format", "verl", "--ground-truth", "{{ answer }}", "--file", "jsonl")
    assert all(row["reward_model"]["ground_truth"].isdigit() for row in done.lines("run/exports", "verl.jsonl"))
    written = export_run(run, "sft", done.folder / "mine.jsonl", where="true").files
    assert [path.name for path in written] == ["mine.train-*.jsonl", "mine.validation-*.jsonl"]
    assert not (done.folder / "README.md").exists()


def test_a_format_that_the_pipeline_does_not_write_has_the_prompt_of_one_that_it_does(done: Project) -> None:
    resolved = done.folder / "run/pipeline.resolved.yaml"
    ours = yamlfile.read_file(resolved)[0]
    ours["outputs"][0]["prompt"] = "Only the question: {{ question }}"
    resolved.write_text(yamlfile.write(ours), encoding="utf-8")
    export_run(done.folder / "run", "grpo")
    for row in done.lines("run/exports", "grpo.jsonl"):
        (turn,) = row["prompt"]
        assert turn["content"].startswith("Only the question: ")


def test_a_where_that_can_be_told_for_nobody_is_refused_and_the_old_export_stays(done: Project) -> None:
    export_run(done.folder / "run", "kto")
    before = (done.folder / "run/exports/kto.jsonl").read_bytes()
    told = done.tamis("export", "run", "--format", "kto", "--where", "scres.score > 3", code=2)
    assert "--where: it can be told for none of the samples: 'scres' is undefined" in told
    assert (done.folder / "run/exports/kto.jsonl").read_bytes() == before
