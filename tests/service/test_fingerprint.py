"""What changes the meaning of a run, and what does not."""

from __future__ import annotations

from collections.abc import Callable
from copy import deepcopy
from pathlib import Path
from typing import Any

import orjson
import pytest

from config.schema import Pipeline
from service.runs.fingerprint import differences, fingerprint

CONSTITUTION = "principles:\n  - {id: clear, text: It is clear.}\n"


@pytest.fixture
def data(tmp_path: Path) -> dict[str, Any]:
    (tmp_path / "constitution.yaml").write_text(CONSTITUTION)
    return {
        "seed": 7,
        "constitution": str(tmp_path / "constitution.yaml"),
        "endpoints": {
            "main": {"base_url": "http://127.0.0.1:1/v1", "model": "m", "body": {"top_k": 5}},
            "spare": {"base_url": "http://127.0.0.1:2/v1", "model": "n"},
        },
        "source": {"type": "jsonl", "path": str(tmp_path / "seeds.jsonl"), "id": "id"},
        "stages": [
            {"type": "generate", "endpoint": "main", "prompts": ["{{ question }}"], "temperature": 0.7},
            {"type": "verify", "check": "numeric", "against": "{{ answer }}"},
            {"type": "judge", "endpoint": "main"},
            {"type": "select"},
        ],
    }


def taken(data: dict[str, Any], content: str = "c0") -> dict[str, Any]:
    return fingerprint(Pipeline.model_validate(data), content)


Change = Callable[[dict[str, Any]], Any]

SAME: dict[str, Change] = {
    "a url": lambda d: d["endpoints"]["main"].update(base_url=["http://127.0.0.1:9/v1", "http://127.0.0.1:8/v1"]),
    "keys": lambda d: d["endpoints"]["main"].update(api_key_env="KEY", headers={"x": "y"}, proxy="http://p:1"),
    "limits": lambda d: d["endpoints"]["main"].update(limits={"max_concurrency": 9, "requests_per_minute": 5}),
    "a price": lambda d: d["endpoints"]["main"].update(price={"input_per_mtok": 1, "output_per_mtok": 2}),
    "a time-out": lambda d: d["endpoints"]["main"].update(timeout_s=5),
    "an endpoint that no stage uses": lambda d: d["endpoints"]["spare"].update(model="o"),
    "a budget": lambda d: d.update(budget={"usd": 3}),
    "the name": lambda d: d.update(name="other"),
    "outputs": lambda d: d.update(outputs=[{"format": "sft", "prompt": "{{ question }}"}]),
    "where the source lies": lambda d: d["source"].update(path="/elsewhere/seeds.jsonl"),
    "an alarm that nothing answers": lambda d: d.update(collapse={"respond": []}),
    "a default written out": lambda d: d["stages"][2].update(mode="eliminate", action="reject", name="judge"),
}


@pytest.mark.parametrize("change", SAME.values(), ids=SAME.keys())
def test_what_does_not_alter_meaning_may_change(data: dict[str, Any], change: Change) -> None:
    before = taken(data)
    changed = deepcopy(data)
    change(changed)
    assert changed != data
    assert differences(before, taken(changed)) == []


OTHER: dict[str, tuple[Change, list[str]]] = {
    "seed": (lambda d: d.update(seed=8), ["seed changed"]),
    "model": (lambda d: d["endpoints"]["main"].update(model="n"), ["endpoints.main: model changed"]),
    "body": (lambda d: d["endpoints"]["main"].update(body={}), ["endpoints.main: body changed"]),
    "id": (lambda d: d["source"].pop("id"), ["source: id changed"]),
    "prompt": (
        lambda d: d["stages"][0].update(prompts=["Q: {{ question }}"]),
        ["stages[0] (generate): prompts changed"],
    ),
    "gold": (lambda d: d["stages"][1].update(against="{{ gold }}"), ["stages[1] (verify): against changed"]),
    "own judge prompt": (
        lambda d: d["stages"][2].update(prompt="{{ response }}"),
        ["stages[2] (judge): built-in prompt changed", "stages[2] (judge): prompt changed"],
    ),
    "another endpoint": (lambda d: d["stages"][2].update(endpoint="spare"), ["stages[2] (judge): endpoint changed"]),
    "a stage less": (lambda d: d["stages"].pop(2), ["stages[2] (judge) was removed"]),
    "a stage more": (lambda d: d["stages"].insert(1, {"type": "score"}), ["stages[1] (score) was added"]),
    "what answers a collapse": (
        lambda d: d.update(collapse={"respond": ["persona"]}),
        [f"collapse: {key} changed" for key in ("personas", "prompt", "respond")],
    ),
    "order": (lambda d: d["stages"].insert(1, d["stages"].pop(2)), ["stages: their order changed"]),
    "a stage of another type": (
        lambda d: d["stages"].__setitem__(3, {"type": "dedupe", "name": "select"}),
        ["stages[3] (select): type changed"],
    ),
}


@pytest.mark.parametrize(("change", "names"), OTHER.values(), ids=OTHER.keys())
def test_what_alters_meaning_is_named(data: dict[str, Any], change: Change, names: list[str]) -> None:
    before = taken(data)
    changed = deepcopy(data)
    change(changed)
    assert differences(before, taken(changed)) == names


def test_the_sources_content_is_part_of_the_meaning(data: dict[str, Any]) -> None:
    assert differences(taken(data), taken(data, "c1")) == ["source: content changed"]


def test_a_constitution_counts_by_its_principles_and_not_by_its_layout(data: dict[str, Any]) -> None:
    before = taken(data)
    path = Path(data["constitution"])
    path.write_text("# what we want\nprinciples:\n  - id: clear\n    text: It is clear.\n    weight: 1\n")
    assert differences(before, taken(data)) == []
    path.write_text(CONSTITUTION.replace("clear.", "right."))
    assert differences(before, taken(data)) == ["stages[2] (judge): constitution changed"]


def test_a_score_that_reads_no_constitution_does_not_depend_on_it(data: dict[str, Any]) -> None:
    data["stages"][2] = {"type": "score", "features": {"steps": 1}}
    before = taken(data)
    Path(data["constitution"]).write_text(CONSTITUTION.replace("clear.", "right."))
    assert differences(before, taken(data)) == []


def test_a_model_file_counts_by_its_name(data: dict[str, Any]) -> None:
    def embedded(path: str) -> dict[str, Any]:
        return taken({**data, "endpoints": {"main": {"embedded": {"gguf": path}}}})

    assert differences(embedded("/a/x.gguf"), embedded("/b/x.gguf")) == []
    assert differences(embedded("/a/x.gguf"), embedded("/a/y.gguf")) == ["endpoints.main: embedded changed"]


def test_a_fingerprint_survives_json(data: dict[str, Any]) -> None:
    assert orjson.loads(orjson.dumps(taken(data))) == taken(data)


def test_a_benchmark_counts_by_what_is_in_it_and_not_by_where_it_lies(data: dict[str, Any], tmp_path: Path) -> None:
    here, there = tmp_path / "bench.jsonl", tmp_path / "moved.jsonl"
    here.write_text('{"question": "Who?"}\n')
    there.write_text('{"question": "Who?"}\n')
    stage = {"type": "decontaminate", "against": [str(here)], "field": "question"}
    data["stages"].append(stage)
    before = taken(data)
    stage["against"] = [str(there)]
    assert taken(data) == before
    there.write_text('{"question": "Why?"}\n')
    assert differences(before, taken(data)) == ["stages[4] (decontaminate): against changed"]
