from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from watched_run import PIPELINE

from config.schema import Pipeline
from queues.ledger import CandidateCount
from service.observe.summary import Ended, stopped, summary
from stages.core.errors import RunStopped

AGAIN = "tamis run pipeline.yaml --out runs/x --resume"
FALLEN = [
    ("rejected", "generate", "truncated", 12),
    ("failed", "generate", "timeout", 3),
    ("rejected", "verify", "wrong_answer", 300),
    ("rejected", "verify", "no_answer", 26),
    ("rejected", "judge", "eliminated", 16),
    ("failed", "judge", "unreadable", 2),
    ("rejected", "select", "not_selected", 57),
    ("rejected", "dedupe", "duplicate", 5),
]


def ended(
    fallen: list[tuple[str, str, str, int]] | None = None,
    accepted: int = 31,
    pending: int = 0,
    skipped: int = 0,
    cost: float | None = 0.0,
    quotas: dict[str, Any] | None = None,
    **stage: dict[str, Any],
) -> Ended:
    """A run of the small pipeline; `verify={"action": "mark"}` changes a stage of it."""
    fallen = FALLEN if fallen is None else fallen
    config = PIPELINE | {"stages": [one | stage.get(one["type"], {}) for one in PIPELINE["stages"]]}
    rejected: dict[str, int] = {}
    for state, _, reason, number in fallen:
        if state == "rejected":
            rejected[reason] = rejected.get(reason, 0) + number
    failed = sum(number for state, *_, number in fallen if state == "failed")
    made = accepted + pending + failed + sum(rejected.values())
    candidates = {
        "generated": made,
        "derived": 0,
        "given": 0,
        "accepted": accepted,
        "rejected": rejected,
        "failed": failed,
        "pending": pending,
    }
    seeds = {"read": 40, "derived": 0, "solved": 31, "unsolved": 9, "failed": 0, "expanded": 0, "pending": 0}
    if pending:
        seeds |= {"unsolved": 4, "pending": 5}
    return Ended(
        {
            "wall_s": 111.2,
            "quotas": quotas or {},
            "skipped_rows": skipped,
            "counts": {"candidates": candidates, "seeds": seeds},
            "calls": {"calls": 513, "reused": 0, "unpriced": 0 if cost is not None else 513},
            "tokens": {"prompt": 14_000, "completion": 10_000, "reasoning": 0, "cached": 0},
            "cost_usd": cost,
        },
        [CandidateCount(state, where, reason, "generated", number) for state, where, reason, number in fallen]
        + [CandidateCount("accepted", "", "", "generated", accepted)],
        Pipeline.model_validate(config),
        Path("runs/x"),
    )


def line(text: str, label: str) -> str | None:
    return next((line[11:] for line in text.splitlines() if line.startswith(f"{label:<11}")), None)


def test_a_complete_run_tells_what_went_where() -> None:
    assert summary(ended()).splitlines() == [
        "complete in 1m 51s                              runs/x",
        "seeds      40 read · 31 solved · 9 unsolved (unsolved.jsonl)",
        "yield      452 generated → 437 complete → 111 right → 93 past the judge → 36 selected → 31 after dedupe "
        "→ 31 accepted",
        "rejected   wrong answer 300 · not selected 57 · no answer 26 · eliminated 16 · truncated 12 · duplicate 5",
        "failed     timeout 3 · unreadable 2",
        "quality    raw answers right 25 % → accepted right 100 % (31 of 31, by gold)",
        "cost       513 calls · 24k tokens · 16.5 calls per accepted sample",
        "next       open runs/x/report.html · tamis export runs/x --format dpo",
    ]


def test_what_fails_candidates_is_told_in_the_words_of_one() -> None:
    text = summary(replace(ended(), failure="main did not answer within timeout_s (5 attempts)"))
    assert line(text, "e.g.") == "main did not answer within timeout_s (5 attempts)"
    assert line(summary(ended()), "e.g.") is None


def test_where_nothing_fell_nothing_is_said_of_it() -> None:
    text = summary(ended(fallen=[]))
    assert line(text, "rejected") is None
    assert line(text, "failed") is None
    assert line(text, "yield") == (
        "31 generated → 31 right → 31 past the judge → 31 selected → 31 after dedupe → 31 accepted"
    )


def test_where_nothing_was_made_yet_no_yield_is_told() -> None:
    assert line(summary(ended(accepted=0, fallen=[])), "yield") is None


def test_broken_rows_that_were_skipped_are_counted() -> None:
    assert line(summary(ended(skipped=1_200)), "seeds") == (
        "40 read (1,200 broken rows left out) · 31 solved · 9 unsolved (unsolved.jsonl)"
    )


def test_quotas_tell_what_was_taken_and_what_there_was_too_little_of() -> None:
    counts = {"there": {"easy": 210, "hard": 36, "unsolved": 4}, "taken": {"easy": 24, "hard": 36}}
    quotas = {"difficulty": {**counts, "target": {"easy": 0.4, "hard": 0.6}}}
    assert line(summary(ended(quotas=quotas)), "quota") == "easy 24 of 210 · hard 36 of 36, no more"


def test_raw_quality_counts_the_answers_that_were_cut_off() -> None:
    """100 made, 50 of them truncated, 25 of the rest right: 25 %, not 50."""
    fallen = [("rejected", "generate", "truncated", 50), ("rejected", "verify", "wrong_answer", 25)]
    assert line(summary(ended(fallen, accepted=25)), "quality") == (
        "raw answers right 25 % → accepted right 100 % (25 of 25, by gold)"
    )


@pytest.mark.parametrize(
    "verify",
    [{"action": "mark"}, {"where": "true"}, {"check": "regex", "against": None, "pattern": "x"}],
    ids=["only marks", "looks at some", "knows no gold"],
)
def test_no_quality_is_claimed_that_nothing_proves(verify: dict[str, Any]) -> None:
    assert line(summary(ended(verify=verify)), "quality") is None


def test_a_run_that_accepts_nothing_says_so() -> None:
    text = summary(ended(accepted=0))
    assert line(text, "quality") == "raw answers right 19 % → none accepted"
    assert line(text, "cost") == "513 calls · 24k tokens"


def test_a_reason_of_several_stages_is_told_by_stage() -> None:
    fallen = [("rejected", "verify", "eliminated", 2), ("rejected", "judge", "eliminated", 3)]
    assert line(summary(ended(fallen)), "rejected") == "judge: eliminated 3 · verify: eliminated 2"


def test_rare_reasons_are_summed_up() -> None:
    fallen = [("rejected", "verify", f"r{number}", number) for number in range(1, 9)]
    assert line(summary(ended(fallen)), "rejected") == "r8 8 · r7 7 · r6 6 · r5 5 · r4 4 · r3 3 · others 3"


def test_the_price_is_told_per_accepted_sample() -> None:
    assert line(summary(ended(cost=0.62)), "cost") == (
        "513 calls · 24k tokens · 16.5 calls per accepted sample · $0.62, $0.02 per accepted sample"
    )


def test_an_unknown_price_is_not_taken_as_nothing() -> None:
    cost = line(summary(ended(cost=None)), "cost")
    assert cost is not None and cost.endswith("· price unknown for 513 calls")


def test_a_budget_ends_with_what_there_is_and_how_to_go_on() -> None:
    text = summary(ended(pending=20), "the budget of 500 calls is spent", AGAIN)
    assert text.startswith("ended after 1m 51s: the budget of 500 calls is spent")
    assert line(text, "seeds") == "40 read · 31 solved · 4 unsolved (unsolved.jsonl) · 5 pending"
    shown = line(text, "yield")
    assert shown is not None and shown.endswith("→ 31 accepted, 20 pending")
    assert line(text, "next") == f"raise the budget, then: {AGAIN}"


def test_a_failure_names_the_cause_then_what_is_safe_then_what_to_do() -> None:
    cause = RunStopped('main answered 401 "Incorrect API key provided"', "Set OPENAI_API_KEY.")
    manifest = {"counts": {"seeds": {"read": 5_000, "derived": 0, "pending": 3_796}}}
    assert stopped(cause, manifest, AGAIN).splitlines() == [
        'stopped: main answered 401 "Incorrect API key provided"; nothing was lost (1,204 of 5,000 seeds done).',
        f"Set OPENAI_API_KEY, then: {AGAIN}",
    ]


def test_an_interruption_needs_no_remedy() -> None:
    manifest = {"counts": {"seeds": {"read": 2, "derived": 0, "pending": 1}}}
    assert stopped(RunStopped("interrupted by SIGINT"), manifest, AGAIN).splitlines() == [
        "stopped: interrupted by SIGINT; nothing was lost (1 of 2 seeds done).",
        f"Go on with: {AGAIN}",
    ]


def test_a_full_disk_leaves_no_counts_and_still_a_message() -> None:
    """The manifest could not be written, so it has none."""
    text = stopped(RunStopped("the disk is full", "Free some space"), {"state": "interrupted"}, AGAIN)
    assert text == f"stopped: the disk is full; nothing was lost.\nFree some space, then: {AGAIN}"
