from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest

from config.load import Loaded, read_pipeline

DATA: dict[str, Any] = {
    "endpoints": {"Main": {"base_url": "http://x/v1", "model": "m"}},
    "source": {"type": "jsonl", "path": "x.jsonl"},
    "stages": [
        {"type": "generate", "endpoint": "Main", "prompts": ["a", "b"]},
        {"type": "select", "name": "best"},
    ],
}


def read(sets: Sequence[str] = (), env: dict[str, str] | None = None) -> Loaded:
    return read_pipeline(DATA, sets=sets, env=env or {})


def dumped(sets: Sequence[str] = (), env: dict[str, str] | None = None) -> dict[str, Any]:
    loaded = read(sets, env)
    assert not loaded.problems
    assert loaded.pipeline is not None
    return loaded.pipeline.model_dump()


def test_a_value_is_read_as_yaml() -> None:
    stage = dumped(["stages.0.candidates=8", "stages.0.temperature=[0.5, 1]"])["stages"][0]
    assert (stage["candidates"], stage["temperature"]) == (8, (0.5, 1.0))


def test_a_stage_can_be_named_by_its_name_or_type() -> None:
    stages = dumped(["stages.best.top=2", "stages.generate.prompts.1=c = d"])["stages"]
    assert stages[1]["top"] == 2
    assert stages[0]["prompts"] == ("a", "c = d")


def test_keys_that_were_not_there_are_made() -> None:
    assert dumped(["budget.usd=5"], {"TAMIS__COLLAPSE": "null"})["budget"]["usd"] == 5


def test_the_command_line_wins_over_the_environment_and_that_over_the_file() -> None:
    env = {"TAMIS__SEED": "1", "TAMIS__NAME": "env", "TAMISSEED": "9"}
    pipeline = dumped(["seed=2"], env)
    assert (pipeline["seed"], pipeline["name"]) == (2, "env")


def test_case_does_not_matter_in_the_environment() -> None:
    endpoint = dumped(env={"TAMIS__ENDPOINTS__MAIN__LIMITS__MAX_CONCURRENCY": "5"})["endpoints"]["Main"]
    assert endpoint["limits"]["max_concurrency"] == 5


def test_what_was_given_is_left_as_it_was() -> None:
    dumped(["stages.0.candidates=8", "name=x"])
    assert "candidates" not in DATA["stages"][0]
    assert "name" not in DATA


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("stages.7.top=1", '--set stages.7.top: `stages` has no "7"; it has 2 entries, from 0 to 1'),
        ("stages.jugde.top=1", '--set stages.jugde.top: `stages` has no "jugde"; it has 2 entries, from 0 to 1'),
        ("source.path.x=1", "--set source.path.x: `source.path` has no keys; it is a single value"),
        ("seed", "--set seed: write KEY=VALUE, for example stages.0.candidates=8"),
        ("=1", "--set : write KEY=VALUE, for example stages.0.candidates=8"),
        ("seed=[1", "--set seed: this is not YAML: expected ',' or ']', but got '<stream end>'"),
        ("seed=x", '--set seed: seed: must be a whole number, not "x"'),
        ("budgt.usd=1", '--set budgt.usd: budgt: unknown key "budgt"; did you mean "budget"?'),
        ("seeds=1", '--set seeds: seeds: unknown key "seeds"; did you mean "seed"?'),
        (
            "stages.best={type: slect}",
            '--set stages.best: stages[1].type: there is no type "slect"; did you mean "select"?',
        ),
    ],
)
def test_a_mistake_names_the_override_instead_of_a_line(override: str, message: str) -> None:
    assert [str(problem) for problem in read([override]).problems] == [message]


def test_a_mistake_in_the_environment_names_the_variable() -> None:
    found = read(env={"TAMIS__BUDGET__USD": "much"}).problems
    assert [str(problem) for problem in found] == ['TAMIS__BUDGET__USD: budget.usd: must be a number, not "much"']
