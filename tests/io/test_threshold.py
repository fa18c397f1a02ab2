"""Thresholds moved after the run, on a real ledger."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import orjson
import pytest
from stored_groups import LedgerOf, accepted, exported, group, rejected

from config.schema import Output, Pairs
from stages.core.errors import InputError
from stages.core.record import Candidate, Verdict
from stages.io.threshold import Threshold

STAGES = ["generate", "verify", "judge", "judge.strict", "select"]
SFT = Output(format="sft", prompt="{{ question }}")
DPO = Output(format="dpo", prompt="{{ question }}", pairs=Pairs(rejected=("judge",)))


def judged(score: float, passed: bool = True, **data: Any) -> dict[str, Verdict]:
    return {"judge": Verdict(passed, score, "" if passed else "eliminated", data=data)}


def answers(path: Path) -> list[str]:
    return [orjson.loads(line)["messages"][-1]["content"] for line in path.read_bytes().splitlines()]


def names(folder: Path) -> list[str]:
    return [path.name for path in folder.iterdir()]


def candidates() -> list[Candidate]:
    return [
        accepted("0.9", verdicts=judged(0.9)),
        accepted("0.5", verdicts=judged(0.5)),
        accepted("not asked"),
        rejected("0.4", "judge", "eliminated", verdicts=judged(0.4, passed=False)),
        rejected("0.2", "judge", "eliminated", verdicts=judged(0.2, passed=False)),
        rejected("0.8", "select", "not_selected", verdicts=judged(0.8)),
        rejected("wrong", "verify"),
        Candidate(0, "unreadable", state="failed", stage="judge", verdicts={"judge": Verdict(None)}),
    ]


@pytest.mark.parametrize(
    ("least", "kept", "counts"),
    [
        (0.4, ["0.9", "0.5", "0.4"], {"back": 1}),
        (0.1, ["0.9", "0.5", "0.4", "0.2"], {"back": 2}),
        (0.6, ["0.9"], {"gone": 1}),
        (2, [], {"gone": 2}),
    ],
)
async def test_whom_a_stage_judged_goes_or_comes_back_by_its_value(
    least: float, kept: list[str], counts: dict[str, int], ledger_of: LedgerOf, tmp_path: Path
) -> None:
    """What another stage took stays out: a threshold speaks for its own stage."""
    reader = await ledger_of([(group(0, *candidates()), "solved")])
    moved = Threshold("judge", "score", least)
    written = exported(reader, SFT, tmp_path / "out.jsonl", [moved])
    assert answers(tmp_path / "out.jsonl") == kept
    assert written.rows == len(kept)
    assert moved.counts == counts | {"known": 5, "unjudged": 1, "fell_before": 2}


async def test_where_a_stage_only_marked_its_marks_can_be_obeyed(ledger_of: LedgerOf, tmp_path: Path) -> None:
    marked = [accepted("good", verdicts=judged(0.9)), accepted("bad", verdicts=judged(0.3, passed=False))]
    reader = await ledger_of([(group(0, *marked), "solved")])
    exported(reader, SFT, tmp_path / "out.jsonl", [Threshold("judge", "passed", 1)])
    assert answers(tmp_path / "out.jsonl") == ["good"]


async def test_where_sees_who_is_left(ledger_of: LedgerOf, tmp_path: Path) -> None:
    reader = await ledger_of([(group(0, *candidates()), "solved")])
    narrow = SFT.model_copy(update={"where": "verdicts.judge.score < 0.5"})
    exported(reader, narrow, tmp_path / "out.jsonl", [Threshold("judge", "score", 0.3)])
    assert answers(tmp_path / "out.jsonl") == ["0.4"]


async def test_pairs_follow_the_moved_threshold(ledger_of: LedgerOf, tmp_path: Path) -> None:
    """At 0.45 the one of 0.5 is the worse one no longer by 0.6, but the one of 0.4 is."""
    pair = [accepted("0.9", verdicts=judged(0.9)), accepted("0.5", verdicts=judged(0.5))]
    reader = await ledger_of([(group(0, *pair), "solved")])
    exported(reader, DPO, tmp_path / "out.jsonl", [Threshold("judge", "score", 0.6)])
    (row,) = map(orjson.loads, (tmp_path / "out.jsonl").read_bytes().splitlines())
    assert (row["chosen"][0]["content"], row["rejected"][0]["content"]) == ("0.9", "0.5")
    assert row["margin"] == pytest.approx(0.4)


async def test_a_number_inside_the_verdict_is_named_through_dots(ledger_of: LedgerOf, tmp_path: Path) -> None:
    scored = [accepted(str(n), verdicts=judged(0.5, axes={"harmless": n})) for n in range(5)]
    reader = await ledger_of([(group(0, *scored), "solved")])
    exported(reader, SFT, tmp_path / "out.jsonl", [Threshold.parse("judge.axes.harmless=3", STAGES)])
    assert answers(tmp_path / "out.jsonl") == ["3", "4"]


async def test_a_number_that_no_verdict_has_writes_nothing(ledger_of: LedgerOf, tmp_path: Path) -> None:
    reader = await ledger_of([(group(0, *candidates()), "solved")])
    with pytest.raises(InputError, match="no verdict of judge in this run has a number scroe"):
        exported(reader, SFT, tmp_path / "out.jsonl", [Threshold("judge", "scroe", 1)])
    assert names(tmp_path) == []


@pytest.mark.parametrize(
    ("text", "read"),
    [
        ("judge.score=0.5", ("judge", "score", 0.5)),
        ("judge.strict.score=-1", ("judge.strict", "score", -1)),
        ("judge.axes.a=b=1e3", ("judge", "axes.a=b", 1000)),
    ],
)
def test_the_form_on_the_command_line(text: str, read: tuple[str, str, float]) -> None:
    moved = Threshold.parse(text, STAGES)
    assert (moved.stage, moved.name, moved.least) == read


@pytest.mark.parametrize("text", ["judge.score", "judge.score=high", "jugde.score=1", "score=1", "judge=1", ""])
def test_another_form_is_refused_with_the_right_one(text: str) -> None:
    with pytest.raises(InputError, match=r"--threshold .*: write STAGE\.FIELD=NUMBER.*the stages are: generate, "):
        Threshold.parse(text, STAGES)
