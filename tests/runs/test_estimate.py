"""`tamis estimate` beside the run that it foretells, and without a call."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Callable
from typing import Any

import pytest
from needs import ROOT
from pipeline_changes import Config
from whole_runs import Project, committed

from service.dryrun.estimate import estimate_run

Here = Callable[..., tuple[str, str]]
PRICE = {"input_per_mtok": 1.0, "output_per_mtok": 2.0}


@pytest.fixture
def priced(config: Config) -> Config:
    config["endpoints"]["main"] |= {"price": PRICE}
    config["source"] |= {"path": "seeds.jsonl"}
    return config


def within(interval: dict[str, float], truth: float) -> bool:
    return interval["low"] * 0.999 <= truth <= interval["high"] * 1.001


def test_a_probe_foretells_calls_tokens_and_cost_and_leaves_nothing(
    project: Project,
    priced: Config,
    here: Here,
    tmp_path_factory: pytest.TempPathFactory,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    del priced["stages"][2]  # canaries would be half the calls of so small a run
    project.rows("seeds.jsonl", [{"id": str(n), "question": f"What is {n} + {n}?", "answer": 2 * n} for n in range(60)])
    project.write(priced)
    elsewhere = tmp_path_factory.mktemp("temporary")
    monkeypatch.setattr(tempfile, "tempdir", str(elsewhere))
    found: dict[str, Any] = json.loads(here("estimate", "pipeline.yaml", "--probe", "12", "--json")[0])
    assert list(elsewhere.iterdir()) == []
    assert [path.name for path in project.folder.iterdir() if path.is_dir()] == []
    here("run", "pipeline.yaml", "--out", "run", "--no-progress")
    manifest = project.manifest("run")
    assert found["probe"]["calls"] == 48
    assert found["total"]["calls"]["mid"] == committed(project, "run") == 240
    assert within(found["total"]["tokens"], manifest["tokens"]["prompt"] + manifest["tokens"]["completion"])
    assert within(found["total"]["cost_usd"], manifest["cost_usd"])
    assert within(found["accepted"], manifest["counts"]["candidates"]["accepted"])


def test_without_a_call_it_tells_the_most_there_can_be_and_needs_no_server(
    project: Project, priced: Config, here: Here
) -> None:
    priced["endpoints"]["main"] |= {"base_url": "http://127.0.0.1:1/v1"}
    priced["stages"][0] |= {"until": {"accepted": 1, "max_candidates": 16}, "max_tokens": 200}
    priced["stages"][2] |= {"audit": None}
    project.write(priced | {"budget": {"usd": 0.01}})
    found = json.loads(here("estimate", "pipeline.yaml", "--probe", "0", "--json")[0])
    generate, judge = found["stages"]
    assert generate["calls"]["mid"] == judge["calls"]["mid"] == 10 * 16
    assert generate["completion_tokens"]["mid"] == 10 * 16 * 200
    assert judge["prompt_tokens"]["mid"] > 10 * 16 * 200
    cost = (found["total"]["prompt_tokens"]["mid"] * 1.0 + found["total"]["completion_tokens"]["mid"] * 2.0) / 1e6
    assert found["total"]["cost_usd"]["mid"] == pytest.approx(cost)
    assert found["time_s"] is found["accepted"] is None
    told = here("estimate", "pipeline.yaml", "--probe", "0")[0]
    assert "the most they can take" in told
    assert "usd $0.01 ends the run after about" in told


def test_without_a_call_a_row_is_taken_to_give_as_many_rows_as_it_may() -> None:
    found = estimate_run(ROOT / "examples" / "documents" / "pipeline.yaml", ("stages.0.per_input=3",), None, 0)
    rows = found["seeds"]
    assert [stage["calls"]["mid"] for stage in found["stages"]] == [rows, rows * 3 * 8]


def test_a_price_that_is_not_known_is_said(project: Project, config: Config, here: Here) -> None:
    project.write(config)
    told = here("estimate", "pipeline.yaml", "--probe", "3")[0]
    assert "price unknown" in told
    assert "the price of main: set `price` there; it is not taken as 0" in told
    assert "$0" not in told


def test_a_budget_that_ends_the_probe_is_no_estimate(project: Project, config: Config, here: Here) -> None:
    project.write(config | {"budget": {"calls": 2}})
    assert "the budget of 2 calls is spent before 8 seeds were done" in project.tamis(
        "estimate", "pipeline.yaml", code=2
    )
