"""The `tamis` command from end to end, from a user's folder, and its small Python face."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from needs import ROOT
from whole_runs import Project, arithmetic, calls_reach, simulating

import tamis
from config import yamlfile
from config.problems import ConfigError

OURS = ("config.py", "queues/__init__.py", "stages.py", "service/__init__.py", "tamis.py", "typer.py")


def given(project: Project, check: str, gold: str, *answers: str) -> dict[str, Any]:
    """Return a pipeline over candidates that exist already, and write them."""
    project.rows("seeds.jsonl", [{"id": "a", "question": "What is it?", "gold": gold, "answers": answers}])
    return {
        "name": "given",
        "source": {"type": "jsonl", "path": "seeds.jsonl", "id": "id", "candidates": "answers"},
        "stages": [{"type": "verify", "check": check, "against": "{{ gold }}"}],
        "outputs": [{"format": "sft", "prompt": "{{ question }}"}],
    }


def test_it_tells_its_version(project: Project) -> None:
    assert re.fullmatch(r"tamis \d+\.\d+\.\d+\n", project.tamis("--version"))


def test_it_works_from_a_folder_that_holds_a_users_own_modules(project: Project) -> None:
    """They raise when they are imported, by tamis or by the processes it starts."""
    for name in OURS:
        path = project.folder / name
        path.parent.mkdir(exist_ok=True)
        path.write_text("raise RuntimeError('this is not part of tamis')\n")
    only_a_worker_knows = given(project, "math", "$x^2 + 2x + 1$", r"\boxed{(x + 1)^2}", r"\boxed{(x + 2)^2}")
    project.write(only_a_worker_knows)
    assert "no problems" in project.tamis("check", "pipeline.yaml")
    assert "complete" in project.tamis("run", "pipeline.yaml", "--out", "run")
    assert [sample["id"] for sample in project.lines("run", "accepted.jsonl")] == ["a/0"]
    project.tamis("export", "run", "--format", "sft", "--out", "again.jsonl")
    project.tamis("schema")


def test_the_schema_holds_for_the_examples_and_not_for_mistakes(project: Project) -> None:
    schema = json.loads(project.tamis("schema"))
    validator = jsonschema.validators.validator_for(schema)
    validator.check_schema(schema)
    holds = validator(schema).is_valid
    examples = [yamlfile.read(path.read_text("utf-8"), "")[0] for path in ROOT.glob("examples/*/pipeline.yaml")]
    good = arithmetic(project, "http://127.0.0.1:1/v1")
    assert examples
    assert all(map(holds, [*examples, good, given(project, "exact", "4")]))
    assert not holds({**good, "stage": []})
    assert not holds({**good, "seed": "seven"})
    assert not holds({**good, "stages": [{"type": "generat"}]})


def test_init_writes_a_pipeline_to_start_from_and_overwrites_nothing(project: Project) -> None:
    project.tamis("init", "arithmetic", "--out", "new")
    assert "no problems" in project.tamis("check", "new/pipeline.yaml")
    (project.folder / "new/pipeline.yaml").write_text("mine")
    (project.folder / "new/seeds.jsonl").unlink()
    assert "new/pipeline.yaml: this file is there already" in project.tamis("init", "--out", "new", code=2)
    assert (project.folder / "new/pipeline.yaml").read_text() == "mine"
    assert not (project.folder / "new/seeds.jsonl").exists()
    assert "not available; write one of: arithmetic" in project.tamis("init", "algebra", code=2)


def test_export_works_on_a_running_an_interrupted_and_a_finished_run(project: Project) -> None:
    def export(name: str) -> list[bytes]:
        project.tamis("export", "run", "--format", "sft", "--out", name)
        return (project.folder / name).read_bytes().splitlines()

    with simulating("--latency", "0.15", "--accuracy", "1") as simulator:
        config = arithmetic(project, simulator.base_url, seeds=100)  # many more than will be done while it exports
        config["endpoints"]["main"]["limits"]["max_concurrency"] = 8
        config["stages"] = config["stages"][:2]  # no phase: a seed is settled as soon as its answers are in
        project.write(config)
        process = project.start("run", "pipeline.yaml", "--out", "run")
        calls_reach(simulator, 48)
        running = export("running.jsonl")
        assert process.poll() is None
        assert project.manifest("run")["state"] == "running"
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=30)
        assert process.returncode == 75, out + err
        interrupted = export("interrupted.jsonl")
    with simulating("--accuracy", "1") as fast:
        config["endpoints"]["main"] |= {"base_url": fast.base_url, "limits": {"max_concurrency": 100}}
        project.write(config)
        project.tamis("run", "pipeline.yaml", "--out", "run", "--resume")
    finished = export("finished.jsonl")
    assert 0 < len(running) < len(interrupted) < len(finished) == 400
    assert set(running) < set(interrupted) < set(finished)
    assert (project.folder / "finished.jsonl").read_bytes() == (project.folder / "run/exports/sft.jsonl").read_bytes()


def test_a_reader_that_goes_away_is_no_defect(project: Project) -> None:
    shown = subprocess.run(
        ["bash", "-c", f"'{project.tamis_program}' schema | head -c 10"], capture_output=True, text=True, check=True
    )
    assert shown.stderr == ""


def test_preview_whose_reader_goes_away_is_no_defect(project: Project) -> None:
    project.write(given(project, "exact", "4", *["4", "5"] * 500))
    command = f"'{project.tamis_program}' preview --full pipeline.yaml | head -c 1; exit ${{PIPESTATUS[0]}}"
    shown = subprocess.run(["bash", "-c", command], cwd=project.folder, capture_output=True, text=True, check=False)
    assert (shown.returncode, shown.stderr) == (0, "")


@pytest.mark.parametrize("closed", [">&-", "2>&-", "<&- >&- 2>&-"])
def test_a_run_whose_standard_streams_are_closed_is_a_run(project: Project, closed: str) -> None:
    """Else a socket or the ledger gets the number of one of them."""
    with simulating("--accuracy", "1") as simulator:
        project.write(arithmetic(project, simulator.base_url, seeds=3))
        command = f"'{project.tamis_program}' run pipeline.yaml --out run {closed}"
        subprocess.run(["bash", "-c", command], cwd=project.folder, check=True, capture_output=True)
    assert project.manifest("run")["state"] == "complete"


def test_a_terminal_that_lacks_a_character_is_no_defect(project: Project) -> None:
    project.write(given(project, "exact", "4", "4", "5"))
    told = subprocess.run(
        [project.tamis_program, "run", "pipeline.yaml", "--out", "run"],
        cwd=project.folder,
        env={**os.environ, "PYTHONIOENCODING": "latin-1"},
        capture_output=True,
        check=True,
    )
    assert rb"2 given \u2192 1" in told.stdout


def test_an_output_that_is_full_is_no_defect(project: Project) -> None:
    command = f"'{project.tamis_program}' schema >/dev/full"
    told = subprocess.run(["bash", "-c", command], capture_output=True, text=True, check=False)
    assert (told.returncode, told.stderr) == (
        75,
        "stopped: No space left on device. Make room; what is in the ledger is safe\n",
    )


def test_from_python_a_pipeline_is_a_file_or_plain_data(
    project: Project, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    pipeline = given(project, "numeric", "4", "It is 4.", "It is 5.")
    path = project.write(pipeline)
    monkeypatch.chdir(project.folder)
    done = tamis.run(pipeline, out="run")
    assert (done.code, done.path, done.manifest) == (0, Path("run"), project.manifest("run"))
    assert [sample["messages"][-1]["content"] for sample in done.accepted()] == ["It is 4."]
    assert [(row["id"], row["reason"]) for row in done.rejected()] == [("a/1", "wrong_answer")]
    assert list(done.unsolved()) == []
    assert list(tamis.run(path, out="again").accepted()) == list(done.accepted())
    with pytest.raises(ConfigError, match="unknown key"):
        tamis.run({**pipeline, "stage": []}, out="never")
    assert not (project.folder / "never").exists()
    assert capsys.readouterr() == ("", "")
