"""The figures of a report, from a small ledger whose numbers can be counted by hand."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import orjson
import pytest
from ledger_rows import a_reply
from stored_groups import group

from config.schema import Pipeline, resolved
from config.yamlfile import write
from queues.ledger import DecisionRow, Ledger, Reader
from service.report.passk import pass_at
from service.report.report import Report, Spared, report_run
from service.report.stream import Reservoir, Spread
from stages.core.errors import InputError
from stages.core.record import Candidate, Group, Verdict
from stages.io.manifest import Run, write_manifest
from stages.io.store import Stored, pack

PIPELINE: dict[str, Any] = {
    "name": "by-hand",
    "endpoints": {
        "main": {"base_url": "http://127.0.0.1:9/v1", "model": "small"},
        "strong": {"base_url": "http://127.0.0.1:9/v1", "model": "large"},
    },
    "source": {"type": "jsonl", "path": "seeds.jsonl"},
    "stages": [
        {"type": "generate", "endpoint": "main", "prompts": ["{{ question }}"], "candidates": 4},
        {"type": "judge", "endpoint": "strong", "action": "mark"},
        {"type": "verify", "check": "math", "against": "{{ answer }}"},
        {"type": "dedupe"},
    ],
}


def candidate(state: str, judged: bool | None, right: bool | None, stage: str = "", reason: str = "") -> Candidate:
    said = {"judge": judged, "verify": right, "dedupe": True if state == "accepted" else None}
    verdicts = {name: Verdict(passed) for name, passed in said.items() if passed is not None}
    if reason == "duplicate":
        verdicts["dedupe"] = Verdict(False, reason=reason)
    lineage = {"endpoint": "main", "model": "small", "prompt": 0, "temperature": 0.7}
    made = Candidate(0, state, lineage=lineage, verdicts=verdicts, stage=stage, reason=reason)
    made.state = state  # type: ignore[assignment]
    return made


def wrong(judged: bool) -> Candidate:
    return candidate("rejected", judged, False, "verify", "wrong_answer")


def truncated() -> Candidate:
    made = candidate("rejected", None, None, "generate", "truncated")
    made.finish_reason = "length"
    return made


def groups() -> list[tuple[Group, str]]:
    """Two solved seeds, an unsolved one, and one that is expanded. Of ten candidates three are accepted."""
    right, unsure = candidate("accepted", True, True), candidate("accepted", False, True)
    twin = candidate("rejected", True, True, "dedupe", "duplicate")
    found = [
        (group(0, right, unsure, wrong(False), truncated()), "solved"),
        (group(1, candidate("accepted", True, True), twin, wrong(True)), "solved"),
        (group(2, wrong(False), wrong(False), truncated()), "unsolved"),
        (group(3), "expanded"),
    ]
    for (made, _), topic, bucket in zip(
        found, ("sums", "sums", "products", ""), ("easy", "hard", "unsolved", ""), strict=True
    ):
        made.seed.topic = topic
        for one in made.candidates:
            one.fields["difficulty"] = bucket
    return found


@pytest.fixture
async def run_dir(tmp_path: Path) -> Path:
    """Return the folder of a run that ended, as `tamis run` leaves it but for the report."""
    ledger = Ledger.open(tmp_path / "ledger.sqlite")
    for no in range(3):
        for n in range(4):
            await ledger.reply(a_reply(no, key=f"{no}/{n}", cost_usd=0.5))
    await ledger.reply(a_reply(2, key="judge", stage="judge", endpoint="strong", cost_usd=1.0))
    await ledger.reply(a_reply(2, key="audit", stage="judge.audit", endpoint="strong", cost_usd=1.0))
    for at in (200, 400):
        window = {"at": at, "topic": None, "texts": 200, "repeated": 0.1, "distinct_2": 0.5, "self_repetition": 0.2}
        await ledger.decision(DecisionRow("diversity", "generate", orjson.dumps(window)))
    for made, state in groups():
        await ledger.group(*pack(made, state, 0))
    await ledger.close()
    (tmp_path / "pipeline.resolved.yaml").write_text(write(resolved(Pipeline.model_validate(PIPELINE))))
    with Reader(tmp_path / "ledger.sqlite") as reader:
        write_manifest(reader, Run("by-hand", "complete", {}, 4, 0, 61.0), tmp_path / "manifest.json")
    return tmp_path


def figures(run_dir: Path) -> dict[str, Any]:
    report_run(run_dir)
    found: dict[str, Any] = orjson.loads((run_dir / "report.json").read_bytes())
    return found


def test_the_numbers_at_the_top_and_the_funnel(run_dir: Path) -> None:
    found = figures(run_dir)
    assert found["counts"] == orjson.loads((run_dir / "manifest.json").read_bytes())["counts"]
    numbers = found["numbers"]
    assert (numbers["solved"], numbers["seeds"], numbers["accepted"], numbers["duplicates"]) == (2, 3, 3, 1)
    assert numbers["right"] == {"by": "verify", "right": 3, "known": 3}
    assert numbers["per_accepted"] == {"calls": 14 / 3, "tokens": 14 * 220 / 3, "cost_usd": 8 / 3}
    assert [(one["stage"], one["came"], one["went"]) for one in found["funnel"]] == [
        ("generate", 10, 8), ("judge", 8, 8), ("verify", 8, 4), ("dedupe", 4, 3)
    ]  # fmt: skip
    assert found["funnel"][1]["against"] == 4
    assert found["fallen"][0] == {"state": "rejected", "stage": "verify", "reason": "wrong_answer", "count": 4}
    assert found["cut_off"] == {"candidates": 10, "truncated": 2, "unreadable": 0, "failed": 0}
    (way,) = found["yield"]
    assert (way["model"], way["made"], way["accepted"], way["right"], way["known"]) == ("small", 10, 3, 4, 8)


def test_ablation_says_what_would_have_been_accepted_and_what_is_not_known(run_dir: Path) -> None:
    stages = {one["stage"]: one for one in figures(run_dir)["ablation"]["stages"]}
    judge, verify, dedupe, generate = (stages[name] for name in ("judge", "verify", "dedupe", "generate"))
    assert (judge["removed"], judge["right"], judge["wrong"], judge["lacking"]) == (4, 1, 3, 0)
    assert judge["with"] == {"samples": 2, "known": 2, "right": 2, "precision": 1.0}
    assert judge["without"]["samples"] == 3
    assert judge["spent"]["cost_usd"] == 2.0, "its audit counts with it"
    assert (verify["removed"], verify["wrong"], verify["lacking"]) == (4, 4, 4)
    assert verify["without"] == {"samples": 7, "known": 7, "right": 3, "precision": round(3 / 7, 4)}
    assert (dedupe["removed"], dedupe["right"], dedupe["lacking"], dedupe["without"]["samples"]) == (1, 1, 0, 4)
    assert (generate["removed"], generate["unknown"]) == (2, 2)


def test_pass_at_k_counts_what_was_cut_off_as_wrong(run_dir: Path) -> None:
    curve = figures(run_dir)["pass_at_k"]
    assert (curve["by"], curve["unknown"]) == ("verify", 0)
    one, two = curve["points"][:2]
    assert one["value"] == round((2 / 4 + 2 / 3 + 0) / 3, 4)
    assert two["value"] == round((5 / 6 + 1 + 0) / 3, 4)
    assert curve["points"][-1] == {"k": 4, "seeds": 1, "value": 1.0, "low": 1.0, "high": 1.0}
    assert pass_at(10, 3, 1) == pytest.approx(0.3)
    assert pass_at(10, 3, 8) == 1


def test_of_seeds_that_stop_at_a_success_it_is_told_how_soon_they_did(run_dir: Path) -> None:
    generate = PIPELINE["stages"][0] | {"until": {"accepted": 1}}
    adaptive = Pipeline.model_validate(PIPELINE | {"stages": [generate, *PIPELINE["stages"][1:]]})
    (run_dir / "pipeline.resolved.yaml").write_text(write(resolved(adaptive)))
    curve = figures(run_dir)["pass_at_k"]
    assert curve["adaptive"]
    assert [(one["k"], one["seeds"], one["value"]) for one in curve["points"]] == [
        (k, 3, round(2 / 3, 4)) for k in (1, 2, 3, 4)
    ]


def test_coverage_and_costs_go_by_topic_and_bucket(run_dir: Path) -> None:
    found = figures(run_dir)
    coverage = found["coverage"]
    assert coverage["buckets"] == ["easy", "hard", "unsolved"]
    assert [(row["topic"], row["cells"]) for row in coverage["topics"]] == [
        ("sums", {"easy": {"seeds": 1, "solved": 1}, "hard": {"seeds": 1, "solved": 1}}),
        ("products", {"unsolved": {"seeds": 1, "solved": 0}}),
    ]
    (unsolved,) = coverage["unsolved"]
    assert (unsolved["id"], unsolved["candidates"], unsolved["reason"]) == ("q2", 3, "wrong_answer")
    spent = {
        one["bucket"]: (one["seeds"], one["accepted"], one["calls"], one["cost_usd"])
        for one in found["costs"]["buckets"]
    }
    assert spent["easy"] == (1, 2, 4, 2.0)
    assert spent["unsolved"] == (1, 0, 6, 4.0)
    assert found["costs"]["models"]["large"]["calls"] == 2
    sizes = [(one["candidates"], one["solved"], one["unsolved"]) for one in found["candidates_per_seed"]]
    assert sizes == [(3, 1, 1), (4, 1, 0)]


def test_gold_by_hand_comes_before_a_check_and_knows_what_it_knows(run_dir: Path) -> None:
    rows = [{"id": "q0/0", "label": True}, {"id": "q0/1", "label": False}]
    (run_dir / "gold.jsonl").write_bytes(b"\n".join(map(orjson.dumps, rows)))
    found = figures(run_dir)
    assert found["numbers"]["right"] == {"by": "gold.jsonl", "right": 1, "known": 2}


def test_a_rewritten_text_is_not_known_to_be_right_any_more(run_dir: Path) -> None:
    from service.report.truth import Truth

    shorten = {"type": "transform", "name": "shorten", "kind": "succinct", "endpoint": "main"}
    truth = Truth(Pipeline.model_validate(PIPELINE | {"stages": [*PIPELINE["stages"], shorten]}), run_dir)
    one = candidate("accepted", True, True)
    assert truth.of(group(0, one), one) is True
    one.verdicts["shorten"] = Verdict(True, data={"before": "a longer text"})
    one.lineage["transforms"] = ["shorten"]
    assert truth.of(group(0, one), one) is None


def test_a_defect_of_the_report_is_told_and_spoils_nothing_else(run_dir: Path) -> None:
    with Reader(run_dir / "ledger.sqlite") as reader:
        spared = Spared(Report(Pipeline.model_validate(PIPELINE), reader, run_dir))
        spared.see(Stored(None, "solved", 0))  # type: ignore[arg-type]
        spared.write({}, [])
    assert spared.defect.startswith("AttributeError: ")
    assert not (run_dir / "report.html").exists()


def test_a_folder_without_a_manifest_is_refused(run_dir: Path) -> None:
    (run_dir / "manifest.json").unlink()
    with pytest.raises(InputError, match=r"manifest\.json"):
        report_run(run_dir)


def test_a_reservoir_takes_all_with_the_same_chance() -> None:
    taken = [0] * 20
    for seed in range(3_000):
        reservoir = Reservoir[int](seed, 5)
        for item in range(20):
            reservoir.add(item)
        assert (len(reservoir.items), reservoir.total) == (5, 20)
        for item in reservoir.items:
            taken[item] += 1
    assert all(650 < count < 850 for count in taken), taken


def test_a_spread_knows_the_mean_of_all_and_quantiles_of_a_sample() -> None:
    spread = Spread(7)
    for value in range(30_000):
        spread.add(value)
    found = spread.figures()
    assert (found["count"], found["mean"]) == (30_000, 14_999.5)
    assert found["median"] == pytest.approx(15_000, rel=0.05)
    assert Spread(7).figures() == {"count": 0}
