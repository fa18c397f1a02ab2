from __future__ import annotations

from pathlib import Path
from typing import Any

import orjson
import pytest
from stored_groups import group
from watched_run import PIPELINE

from config.schema import Pipeline, resolved
from config.yamlfile import write
from queues.ledger import DecisionRow, Ledger
from service.audit.audit import audit_run, in_a_line
from stages.core.errors import InputError
from stages.core.record import Candidate, Verdict
from stages.io.store import pack

VERIFY, JUDGE = {"type": "verify", "check": "math", "against": "{{ answer }}"}, {"type": "judge", "endpoint": "strong"}
MARKS = {"action": "mark"}


async def audited(
    folder: Path,
    *stages: dict[str, Any],
    verdicts: list[tuple[bool | None, bool | None]],
    gold: dict[str, bool] | None = None,
    **models: str,
) -> tuple[str, list[dict[str, Any]]]:
    """Audit a run in which each seed has a candidate with the verdicts (right, passed); return words and figures."""
    ledger = Ledger.open(folder / "ledger.sqlite")
    await ledger.decision(DecisionRow("canary", "judge", b'{"canary": "generic", "passed": true, "score": 1}'))
    for no, said in enumerate(verdicts):
        given = {name: Verdict(passed) for name, passed in zip(("verify", "judge"), said, strict=True)}
        one = Candidate(
            0, "x", verdicts={name: verdict for name, verdict in given.items() if verdict.passed is not None}
        )
        last = ledger.group(*pack(group(no, one), "unsolved", 0))
    await last
    await ledger.close()
    endpoints = {
        alias: keys | {"model": models.get(alias, keys["model"])} for alias, keys in PIPELINE["endpoints"].items()
    }
    generate = {"type": "generate", "endpoint": "main", "prompts": ["{{ question }}"]}
    pipeline = Pipeline.model_validate(PIPELINE | {"endpoints": endpoints, "stages": [generate, *stages]})
    (folder / "pipeline.resolved.yaml").write_text(write(resolved(pipeline)))
    if gold is not None:
        rows = [orjson.dumps({"id": one, "label": label}) for one, label in gold.items()]
        (folder / "gold.jsonl").write_bytes(b"\n".join(rows))
    told = audit_run(folder, None)
    file = folder / "audit.json"
    return told, orjson.loads(file.read_bytes()) if file.exists() else []


BOTH = 30 * [(True, True), (False, False)] + 10 * [(True, False), (False, True)]


@pytest.mark.parametrize(
    ("stages", "trust"),
    [
        ([VERIFY | MARKS, JUDGE], "agrees with gold beyond chance (kappa 0.50, "),
        ([JUDGE | MARKS, VERIFY], "agrees with gold beyond chance (kappa 0.50, "),
        ([VERIFY, JUDGE], "unaudited: it stands after the check by gold and saw only right answers"),
        ([JUDGE, VERIFY], "unaudited: the check by gold stands after it and saw only what it passed"),
        ([VERIFY | {"check": "regex", "pattern": "x", "against": None}, JUDGE], "unaudited: no gold; "),
    ],
    ids=["marks before", "after one that marks", "rejects before", "after one that rejects", "no check by gold"],
)
async def test_a_check_by_gold_tells_what_its_place_allows(stages: list[Any], trust: str, tmp_path: Path) -> None:
    told, (found,) = await audited(tmp_path, *stages, verdicts=BOTH)
    assert found["trust"].startswith(trust)
    assert told.startswith(f"judge: {trust}")


async def test_labels_by_hand_come_before_a_check(tmp_path: Path) -> None:
    gold = {f"q{no}/0": no % 2 == 0 for no in range(40)}
    told, (found,) = await audited(tmp_path, VERIFY, JUDGE, verdicts=BOTH, gold=gold)
    assert found["source"] == str(tmp_path / "gold.jsonl")
    assert (found["gold"]["good"], found["gold"]["bad"], found["kappa"]["value"]) == (20, 20, 1)
    assert f"gold         20 good, 20 bad, by {tmp_path / 'gold.jsonl'}" in told


async def test_the_figures_are_told_with_their_intervals(tmp_path: Path) -> None:
    told, _ = await audited(tmp_path, VERIFY | MARKS, JUDGE, verdicts=[*BOTH, (True, None)])
    assert [line.split("(")[0].strip() for line in told.splitlines()] == [
        "judge: agrees with gold beyond chance",
        "judged       80",
        "passed       50 %",
        "gold         40 good, 40 bad, by verify",
        "sensitivity  75 %",
        "specificity  75 %",
        "precision    75 %",
        "yield        50 %",
        "canaries     passed 1 of 1 responses that hold nothing",
        "passed: generic",
    ]
    assert "sensitivity  75 % (60 to 86) of the good pass" in told


@pytest.mark.parametrize(
    ("judge", "maker", "family"),
    [
        ("Qwen/Qwen2.5-72B-Instruct", "qwen3-8b", ["qwen"]),
        ("gpt-4o-mini", "openai/gpt-5", ["gpt"]),
        ("meta-llama/Llama-3.1-70B-Instruct", "mistral-small-instruct", []),
        ("some-org/judge-7b", "some-org/maker-7b", []),
    ],
)
async def test_a_judge_of_the_generators_family_is_named(
    judge: str, maker: str, family: list[str], tmp_path: Path
) -> None:
    told, (found,) = await audited(tmp_path, JUDGE, verdicts=BOTH, strong=judge, main=maker)
    assert found["family"] == family
    assert ("it judges its own kind" in told) is bool(family)


async def test_a_run_without_a_judge_has_nothing_to_audit(tmp_path: Path) -> None:
    told, found = await audited(tmp_path, VERIFY, verdicts=BOTH)
    assert (told, found) == (f"{tmp_path}: no stage of it is a judge", [])


async def test_a_gold_file_that_is_none_is_refused(tmp_path: Path) -> None:
    await audited(tmp_path, JUDGE, verdicts=BOTH)
    with pytest.raises(InputError, match="a gold file is written by `tamis label`"):
        audit_run(tmp_path, tmp_path / "none.jsonl")


def test_the_summary_names_the_loudest_first() -> None:
    found = [
        {"stage": "a", "trust": "agrees with gold", "canaries": {"shown": ["x", "y"], "passed": []}},
        {"stage": "b", "trust": "UNRELIABLE: so", "canaries": {"shown": ["x", "y"], "passed": ["x"]}},
    ]
    assert in_a_line(found) == "b: UNRELIABLE: so · passed 1 of 2 responses that hold nothing · a: agrees with gold"
    assert in_a_line(found[1:]) == "UNRELIABLE: so · passed 1 of 2 responses that hold nothing"
    assert in_a_line([]) == ""
