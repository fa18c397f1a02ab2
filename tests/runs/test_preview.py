"""`tamis preview` as a person uses it: everything about a few seeds, and nothing left behind."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from pathlib import Path

import pytest
from pipeline_changes import KEY, Config
from whole_runs import Project

Here = Callable[..., tuple[str, str]]


def below(folder: Path) -> dict[str, bytes | None]:
    return {str(path): path.read_bytes() if path.is_file() else None for path in folder.rglob("*")}


@pytest.fixture
def elsewhere(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return the folder that temporary ones are made in."""
    folder = tmp_path_factory.mktemp("temporary")
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    return folder


def test_every_prompt_candidate_and_verdict_is_shown_and_nothing_stays(
    project: Project, config: Config, here: Here, elsewhere: Path
) -> None:
    config["stages"][0] |= {"system": "You are careful.", "prompts": ["Solve: {{ question }}"]}
    project.write(config)
    before = below(project.folder)
    shown = here("preview", "pipeline.yaml", "-n", "2")[0]
    assert below(project.folder) == before
    assert below(elsewhere) == {}
    lines = [line.split() for line in shown.splitlines()]
    assert ["system", "You", "are", "careful."] in lines
    assert ["user", "Solve:", "What", "is", "3", "+", "0?"] in lines
    assert all(any(line[:1] == [f"{seed}/{n}"] for line in lines) for seed in ("q0000", "q0001") for n in range(4))
    fates = [line[1] for line in lines if line and line[0].startswith("q000") and "/" in line[0]]
    assert {"accepted", "rejected"} <= set(fates)
    assert "by verify: wrong answer · found" in shown
    assert "judge to main: eliminate" in shown
    assert "A response fails if" in shown
    assert "2 of 10 seeds" in shown
    assert ["generate", "main", "8", "calls"] in [line[:4] for line in lines]
    assert "q0002" not in shown
    assert KEY not in shown


def test_texts_are_cut_to_fit_or_whole_and_a_kept_run_is_a_run(project: Project, config: Config, here: Here) -> None:
    config["stages"][0]["prompts"] = ["{{ question }}" + " Take your time." * 200 + " This is the end of it."]
    project.write(config)
    assert "characters more (--full)" in here("preview", "pipeline.yaml", "-n", "1")[0]
    shown = here("preview", "pipeline.yaml", "-n", "1", "--full", "--keep", "kept")[0]
    assert "characters more" not in shown
    assert "the end of it." in shown
    assert project.manifest("kept")["counts"]["seeds"]["read"] == 1
    here("export", "kept", "--format", "sft")
    assert "this folder holds a run already" in here("preview", "pipeline.yaml", "--keep", "kept", code=2)[1]


def test_what_cannot_run_is_refused_as_a_run_is(project: Project, config: Config, refused: Callable[..., str]) -> None:
    project.write({**config, "stages": [{"type": "generat"}]})
    assert "pipeline.yaml:" in refused(project.folder, "preview", "pipeline.yaml")


def test_a_spent_budget_ends_it_with_its_code_and_shows_what_there_is(
    project: Project, config: Config, here: Here
) -> None:
    project.write({**config, "budget": {"calls": 3}})
    shown = here("preview", "pipeline.yaml", code=3)[0]
    assert "ended early: the budget of 3 calls is spent" in shown
