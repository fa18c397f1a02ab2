"""What `tamis check` says of the answers to a collapse."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from whole_runs import Project, arithmetic

from config.load import read_pipeline
from service.check import check


@pytest.fixture
def pipeline(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    monkeypatch.chdir(tmp_path)
    config = arithmetic(Project(tmp_path), "http://127.0.0.1:1/v1", seeds=1)
    config["stages"][0]["prompts"] = ["{{ question }}", "Say what {{ question }} comes to"]
    return config


def problems(config: dict[str, Any]) -> list[str]:
    loaded = read_pipeline(config, env={})
    return [str(problem) for problem in (*loaded.problems, *check(loaded))]


def test_every_answer_may_be_asked_for(pipeline: dict[str, Any]) -> None:
    every = ["temperature", "prompt", "persona", "verbalized"]
    assert problems({**pipeline, "collapse": {"respond": every, "personas": ["a cook"]}}) == []
    assert problems({**pipeline, "collapse": {"respond": []}}) == []


def test_an_answer_that_nothing_could_follow_is_refused_at_its_place(pipeline: dict[str, Any]) -> None:
    twice = {"respond": ["persona", "persona"]}
    assert problems({**pipeline, "collapse": twice}) == [
        "collapse.respond[1]: `persona` stands there already; what can go further is taken again by itself"
    ]
    assert problems({**pipeline, "collapse": {"respond": ["prompt"], "personas": ["a cook"]}}) == [
        "collapse.personas: only `respond: [persona]` reads it"
    ]
    pipeline["stages"][0]["prompts"] = ["{{ question }}"]
    (problem,) = problems({**pipeline, "collapse": {"respond": ["temperature", "prompt"]}})
    assert problem.startswith("collapse.respond[1]: it goes on to the next of a stage's `prompts`")
    del pipeline["stages"][0]
    pipeline["source"]["candidates"] = ["{{ answer }}"]
    nothing = "collapse.respond[0]: no stage generates, so nothing can be steered; write respond: []"
    assert nothing in problems({**pipeline, "collapse": {"respond": ["temperature"]}})
