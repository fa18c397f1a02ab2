"""A folder for a person's pipeline, and what it is to be refused there."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from pipeline_changes import KEY, Config
from whole_runs import Project, Simulator, arithmetic, simulating

from service.cli import main

Here = Callable[..., tuple[str, str]]
Refused = Callable[..., str]


@pytest.fixture
def project(tmp_path: Path) -> Project:
    return Project(tmp_path)


@pytest.fixture(scope="session")
def keyed_simulator() -> Iterator[Simulator]:
    """Return a simulator that wants KEY."""
    with simulating("--accuracy", "0.6", "--api-key", KEY) as running:
        yield running


@pytest.fixture
def config(project: Project, keyed_simulator: Simulator, monkeypatch: pytest.MonkeyPatch) -> Config:
    """Return a pipeline that would run as it is: its files are there, and the key is in SIM_KEY."""
    monkeypatch.setenv("SIM_KEY", KEY)
    config = arithmetic(project, keyed_simulator.base_url, seeds=10)
    config["endpoints"]["main"]["api_key_env"] = "SIM_KEY"
    return config


def contents(folder: Path) -> dict[str, bytes | None]:
    """Return every file below a folder with its bytes, and every folder.

    SQLite's `-shm` and an empty `-wal` are no contents: whoever only reads a ledger may not take them away again.
    """
    found = {str(path): path.read_bytes() if path.is_file() else None for path in folder.rglob("*")}
    beside = [path for path in found if path.endswith("-shm") or (path.endswith("-wal") and not found[path])]
    return {path: found[path] for path in found if path not in beside}


@pytest.fixture
def here(project: Project, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Here:
    """Return what runs `tamis` in this process, in the project's folder; it must end with `code`."""
    monkeypatch.chdir(project.folder)

    def here(*arguments: str, code: int = 0) -> tuple[str, str]:
        monkeypatch.setattr(sys, "argv", ["tamis", *arguments])
        with pytest.raises(SystemExit) as ended:
            main()
        out, err = capsys.readouterr()
        assert ended.value.code == code, f"code {ended.value.code}\n{out}{err}"
        assert "Traceback" not in err
        return out, err

    return here


@pytest.fixture
def refused(here: Here, monkeypatch: pytest.MonkeyPatch) -> Refused:
    """Return what runs `tamis` in a folder, in this process; it must end with 2 and leave every byte as it was."""

    def refused(folder: Path, *arguments: str) -> str:
        before = contents(folder)
        monkeypatch.chdir(folder)
        out, err = here(*arguments, code=2)
        assert out == ""
        assert contents(folder) == before, "a refusal changes nothing and leaves nothing behind"
        return err

    return refused
