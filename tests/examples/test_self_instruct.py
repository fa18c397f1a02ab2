"""The self-instruct example: its seeds are many different tasks; what repeats itself is noticed, answered, plotted."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

from needs import ROOT
from whole_runs import TAMIS, simulating

from queues.ledger import Reader
from service.runs.plan import checked
from service.runs.store import made

FOLDER = ROOT / "examples" / "self_instruct"
SEEDS = [json.loads(line) for line in (FOLDER / "seeds.jsonl").read_text().splitlines()]


def test_there_are_twenty_five_tasks_each_with_three_others_to_show_beside_it() -> None:
    tasks = {seed["task"] for seed in SEEDS}
    assert len(tasks) == len({seed["id"] for seed in SEEDS}) == len(SEEDS) == 25
    for seed in SEEDS:
        others = set(seed["others"])
        assert len(others) == 3
        assert others < tasks - {seed["task"]}


def test_the_pipeline_has_no_mistake() -> None:
    """`checked` raises with every problem it finds."""
    assert [stage.type for stage in checked(FOLDER / "pipeline.yaml").stages] == ["generate", "generate", "dedupe"]


def test_tasks_that_repeat_themselves_are_answered_and_no_two_alike_are_kept(tmp_path: Path) -> None:
    with simulating("--collapse", "1") as simulator:
        endpoint = f"endpoints.local={{base_url: '{simulator.base_url}', model: simulated}}"
        sets = ["--set", endpoint, "--set", "stages.0.candidates=24"]
        command = [TAMIS, "run", str(FOLDER / "pipeline.yaml"), "--out", str(tmp_path / "run"), "--no-progress", *sets]
        told = subprocess.run(command, check=True, capture_output=True, text=True, timeout=120).stdout
    assert "ALARM: ask repeats itself" in told
    assert "answered: temperature" in told
    with Reader(tmp_path / "run" / "ledger.sqlite") as reader:
        assert [body["texts"] for stage, body in made(reader, "diversity") if (stage, body["topic"]) == ("ask", None)]
    assert "Diversity of ask, " in (tmp_path / "run" / "report.html").read_text()
    kept = [json.loads(line) for line in (tmp_path / "run" / "accepted.jsonl").read_text().splitlines()]
    asked = [row["messages"][0]["content"] for row in kept]
    assert len(asked) == len(set(asked)) > 100
