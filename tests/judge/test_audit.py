"""What is found out about judges whose errors are known, because they were made."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from simulated_judge import GOOD, TRUTH, audited, by_label, judge, said, simulated
from stored_groups import group

from stages.core.record import Candidate, Verdict
from stages.judge.audit import JudgeAudit

RUNS = 100


@pytest.fixture(scope="module")
def runs() -> list[dict[str, Any]]:
    return [simulated(seed) for seed in range(RUNS)]


@pytest.mark.parametrize(("figure", "truth"), TRUTH.items())
def test_intervals_cover_the_truth_in_at_least_ninety_of_a_hundred_runs(
    runs: list[dict[str, Any]], figure: str, truth: float
):
    found = [run[figure] for run in runs]
    assert sum(one["low"] <= truth <= one["high"] for one in found) >= 90
    assert max(one["high"] - one["low"] for one in found) < 0.4, "an interval that covers everything says nothing"
    assert np.mean([one["value"] for one in found]) == pytest.approx(truth, abs=0.02)


def test_what_such_a_judge_passes_is_not_the_yield(runs: list[dict[str, Any]]):
    assert all(run["passed"]["low"] > GOOD for run in runs)
    assert all(run["trust"].startswith("agrees with gold beyond chance (kappa 0.") for run in runs)


@pytest.mark.parametrize("passes", [lambda draw: draw.random() < 0.7, lambda _: True], ids=["a coin", "a yes-sayer"])
def test_a_judge_no_better_than_chance_is_called_so(passes: Any):
    draw = np.random.default_rng(3)
    found = audited(*(said(bool(passes(draw)), good=bool(at % 2)) for at in range(300)))
    assert found["trust"].startswith("UNRELIABLE: agreement with gold no better than chance (kappa ")
    assert found["kappa"]["low"] <= 0


def test_few_labels_prove_nothing_either_way():
    found = audited(*(said(at in (0, 1, 2), good=at in (1, 2, 3)) for at in range(6)))
    assert found["trust"].startswith("UNPROVEN: 6 labels do not tell it from chance")


@pytest.mark.parametrize(
    ("sees", "labels", "why", "known"),
    [
        ("all", [], "no gold; `tamis label` makes some", set()),
        ("all", [True], "all 4 of the gold are good", {"sensitivity", "precision"}),
        ("right", [True], "it stands after the check by gold and saw only right answers", {"sensitivity"}),
        ("passed", [True, False], "the check by gold stands after it and saw only what it passed", {"precision"}),
    ],
)
def test_what_gold_cannot_tell_is_not_computed(sees: str, labels: list[bool], why: str, known: set[str]):
    found = audited(*(said(True, good=label) for label in 4 // max(len(labels), 1) * labels), sees=sees)
    assert found["trust"] == f"unaudited: {why}"
    figures = ("sensitivity", "specificity", "precision", "kappa", "yield")
    assert {figure for figure in figures if found[figure] is not None} == known


def test_unreadable_verdicts_are_counted_and_nothing_else():
    unread = Candidate(0, "x", verdicts={"judge": Verdict(None, reason="unreadable")}, fields={"good": True})
    found = audited(said(True), unread, Candidate(0, "fell before"))
    assert (found["judged"], found["unreadable"], found["gold"]["good"]) == (1, 1, 0)


def test_a_judge_that_only_scores_is_taken_at_its_median():
    """Scores 1 to 5 that follow the truth but for one in ten."""
    candidates = [said(True, score=1 + at % 5, good=(at % 5 > 2) != (at % 10 == 0)) for at in range(100)]
    found = audited(*candidates, mode="rubric", canaries=[{"canary": "a", "passed": True, "score": 1.0}])
    assert (found["cut"], found["passed"]["value"]) == (3, 0.6)
    assert found["kappa"]["low"] > 0
    assert found["canaries"] == {"shown": ["a"], "passed": []}
    assert audited(*candidates, mode="rubric", threshold=4)["cut"] is None


def test_the_longer_one_wins_within_a_seed():
    audit = JudgeAudit(judge(), by_label)
    for no in range(30):
        short, long = said(no < 6, text="x"), said(no >= 6, text="x" * 9)
        audit.see(group(no, short, long))
    audit.see(group(30, said(True), said(True, text="xx")))
    found = audit.figures([])["longer_wins"]
    assert found["value"] == 0.8
    assert found["low"] > 0.5


def test_the_judges_of_a_panel_are_compared():
    """The first two say the same; the third tosses a coin; what was escalated is nobody's opinion of the panel."""
    draw = np.random.default_rng(1)
    candidates = []
    for at in range(200):
        votes = [(name, bool(at % 2) if name != "c" else bool(draw.random() < 0.5)) for name in "abc"]
        panel = [{"judge": name, "passed": passed, "score": float(passed)} for name, passed in votes]
        stronger = {"judge": "big", "passed": True, "score": 1.0, "escalated": True}
        candidates.append(said(True, votes=[*panel, stronger]))
    panel = audited(*candidates)["panel"]
    assert set(panel["kappa"]) == {"a b", "a c", "b c"}
    assert panel["kappa"]["a b"]["value"] == 1
    assert panel["kappa"]["a c"]["low"] < 0 < panel["kappa"]["a c"]["high"]
    assert panel["alpha"]["low"] < 1 / 3 < panel["alpha"]["high"]
    assert audited(said(True, votes=[{"judge": "a", "passed": True}]))["panel"] is None
