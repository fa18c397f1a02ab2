"""Whoever is refused on a run that is there already has not touched it."""

from __future__ import annotations

import shutil
import socket
import sqlite3
from collections.abc import Callable
from contextlib import closing

import pytest
import yaml
from pipeline_changes import KEY, Change, Config, put, seed, seeds
from whole_runs import Project, Simulator, arithmetic

Refused = Callable[..., str]


@pytest.fixture(scope="module")
def done(tmp_path_factory: pytest.TempPathFactory, keyed_simulator: Simulator) -> Project:
    """Return a folder with a finished run in it. Nothing may change it: `refused` sees to that."""
    project = Project(tmp_path_factory.mktemp("done"))
    config = arithmetic(project, keyed_simulator.base_url, seeds=10)
    config["endpoints"]["main"]["api_key_env"] = "SIM_KEY"
    project.write(config)
    seeds(*map(seed, range(5)), name="other.jsonl")(project, {"source": {}})
    project.tamis("run", "pipeline.yaml", "--out", "run", env={"SIM_KEY": KEY})
    return project


@pytest.fixture
def its_config(done: Project, monkeypatch: pytest.MonkeyPatch) -> Config:
    monkeypatch.setenv("SIM_KEY", KEY)
    config: Config = yaml.safe_load((done.folder / "pipeline.yaml").read_text())
    return config


@pytest.mark.usefixtures("its_config")
def test_a_folder_that_holds_a_run_is_not_taken_for_another(done: Project, refused: Refused) -> None:
    said = refused(done.folder, "run", "pipeline.yaml", "--out", "run")
    assert said == "--out run: this folder holds a run already; go on with --resume, or name another folder\n"


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (put("seed", 8), "seed changed"),
        (put("stages.0.prompts", ["Solve: {{ question }}"]), "stages[0] (generate): prompts changed"),
        (put("stages.4.near.threshold", 0.9), "stages[4] (dedupe): near changed"),
        (lambda _, config: config["stages"].pop(3), "stages[3] (select) was removed"),
        (put("source.path", "other.jsonl"), "source: content changed"),
    ],
    ids=["seed", "prompt", "threshold", "stages", "source"],
)
def test_a_resume_under_another_meaning_is_refused_by_name(
    change: Change, says: str, done: Project, its_config: Config, refused: Refused
) -> None:
    change(done, its_config)
    done.write(its_config, "changed.yaml")
    said = refused(done.folder, "run", "changed.yaml", "--out", "run", "--resume")
    assert said == (
        f"--resume: this is another run than the one in run: {says}; start it in another --out, with --reuse run "
        "to take every reply it can\n"
    )


def test_a_resume_that_cannot_reach_its_endpoint(done: Project, its_config: Config, refused: Refused) -> None:
    with closing(socket.create_server(("127.0.0.1", 0))) as gone:
        put("endpoints.main.base_url", f"http://127.0.0.1:{gone.getsockname()[1]}/v1")(done, its_config)
    done.write(its_config, "changed.yaml")
    assert "cannot be reached" in refused(done.folder, "run", "changed.yaml", "--out", "run", "--resume")


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("nowhere", "--format", "sft"), "nowhere: there is no run here (ledger.sqlite is missing)"),
        (("run", "--format", "csv"), "--format csv: not available; write one of: dpo, grpo, kto, prm, "),
        (("run", "--format", "sft", "--where", "score >"), "--where score >: unexpected end\n"),
        (("run", "--format", "grpo", "--ground-truth", "{{ answer"), "--ground-truth {{ answer: unexpected end"),
        (("run", "--format", "sft", "--out", "pipeline.yaml/x"), "cannot write pipeline.yaml/x: "),
        (("run",), "Missing option '--format'"),
    ],
    ids=["no run", "format", "where", "truth", "out", "no format"],
)
def test_an_export_that_cannot_be(arguments: tuple[str, ...], says: str, done: Project, refused: Refused) -> None:
    assert says in refused(done.folder, "export", *arguments)


@pytest.mark.parametrize(
    ("content", "words"),
    [(b"garbage" * 1000, "is damaged"), (b"", "is empty; no run has written")],
    ids=["no database", "empty"],
)
def test_a_damaged_ledger_is_not_read_for_its_replies_or_samples(
    content: bytes, words: str, project: Project, config: Config, done: Project, refused: Refused
) -> None:
    shutil.copytree(done.folder / "run", project.folder / "old")
    (project.folder / "old/ledger.sqlite").write_bytes(content)
    project.write(config)
    assert words in refused(project.folder, "run", "pipeline.yaml", "--out", "run", "--reuse", "old")
    assert words in refused(project.folder, "export", "old", "--format", "sft")


def test_somebody_elses_database_is_not_taken_for_a_ledger(project: Project, config: Config, refused: Refused) -> None:
    (project.folder / "old").mkdir()
    (project.folder / "old/ledger.lock").touch()
    with closing(sqlite3.connect(project.folder / "old/ledger.sqlite")) as database:
        database.execute("CREATE TABLE song (title TEXT)")
    project.write(config)
    said = refused(project.folder, "run", "pipeline.yaml", "--out", "old", "--resume")
    assert "old/ledger.sqlite is an SQLite file but no ledger of tamis; use another folder" in said
