"""The constitution example: what its files say belongs together, and the whole of it runs."""

from __future__ import annotations

import subprocess
from pathlib import Path

import orjson
from needs import ROOT
from whole_runs import TAMIS, simulating

from service.runs.plan import checked
from stages.judge.constitution import load_constitution
from stages.judge.expand import KINDS

FOLDER = ROOT / "examples" / "constitution"


def tamis(*arguments: str | Path) -> str:
    return subprocess.run([TAMIS, *map(str, arguments)], capture_output=True, text=True, timeout=120, check=True).stdout


def test_the_constitution_is_the_principles_with_every_list_filled() -> None:
    before = load_constitution(FOLDER / "principles.yaml").principles
    after = load_constitution(FOLDER / "constitution.yaml").principles
    kept = ("id", "text", "weight", "applies_if")
    assert [[getattr(one, key) for key in kept] for one in before] == [
        [getattr(one, key) for key in kept] for one in after
    ]
    assert not any(getattr(one, kind) for one in before for kind in KINDS)
    assert all(getattr(one, kind) for one in after for kind in KINDS)


def test_there_are_twenty_different_requests() -> None:
    seeds = [orjson.loads(line) for line in (FOLDER / "seeds.jsonl").read_bytes().splitlines()]
    assert len(seeds) == len({seed["id"] for seed in seeds}) == len({seed["request"] for seed in seeds}) == 20


def test_the_pipeline_has_no_mistake() -> None:
    """`checked` raises with every problem it finds."""
    stages = [stage.type for stage in checked(FOLDER / "pipeline.yaml").stages]
    assert stages == ["generate", "judge", "rank", "select"]


def test_all_of_it_runs_from_the_principles_to_the_audit(tmp_path: Path) -> None:
    with simulating() as simulator:
        endpoint = f"endpoints.local={{base_url: '{simulator.base_url}', model: simulated}}"
        out = tmp_path / "run"
        tamis("run", FOLDER / "pipeline.yaml", "--set", endpoint, "--out", out, "--no-progress")
    accepted = [orjson.loads(line) for line in (out / "accepted.jsonl").read_bytes().splitlines()]
    assert len(accepted) == len({row["seed_id"] for row in accepted}) == 20
    assert "canaries" in tamis("audit", out)
