from __future__ import annotations

from typing import Any

import pytest
from watched_run import events

from service.tally import Tally
from stages.core.events import CallReplayed, GroupSettled, GroupStarted


def manifest(**seeds: int) -> dict[str, Any]:
    states = {"read": 10, "derived": 0, "solved": 0, "unsolved": 0, "failed": 0, "expanded": 0, "pending": 0}
    rejected = {"wrong_answer": 5, "truncated": 2}
    return {
        "counts": {"candidates": {"accepted": 3, "rejected": rejected, "failed": 1}, "seeds": states | seeds},
        "calls": {"calls": 11, "reused": 0, "unpriced": 0},
        "tokens": {"prompt": 600, "completion": 400, "reasoning": 50, "cached": 0},
        "cost_usd": 0.25,
    }


@pytest.fixture
def tally() -> Tally:
    tally = Tally(seeds=40)
    for event in events():
        tally(event)
    return tally


def test_calls_are_counted_with_what_they_took(tally: Tally) -> None:
    assert (tally.served, tally.refused, tally.in_flight) == (8, 1, 1)
    assert tally.tokens == 8 * 100
    assert (round(tally.usd, 6), tally.unpriced) == (0.006, 2)


def test_candidates_are_counted_by_stage(tally: Tally) -> None:
    assert tally.found["generate", "made"] == 8
    assert [tally.found["verify", what] for what in ("seen", "passed", "rejected")] == [7, 3, 4]
    assert [tally.found["judge", what] for what in ("seen", "rejected", "failed")] == [3, 1, 1]
    assert (tally.accepted, tally.rejected, tally.failed) == (1, 6, 1)


def test_seeds_are_counted_when_they_leave(tally: Tally) -> None:
    assert (tally.done, tally.solved, tally.phase_left) == (2, 1, 2)


def test_a_resumed_run_goes_on_where_its_manifest_stood() -> None:
    tally = Tally(10, manifest(solved=2, unsolved=1, pending=7), parked={1: 3})
    assert (tally.accepted, tally.rejected, tally.failed, tally.solved, tally.done) == (3, 7, 1, 2, 3)
    assert (tally.served, tally.tokens, tally.usd) == (11, 1000, 0.25)
    assert tally.phase_seeds == 4, "three of the ten are done and three more are parked"


def test_a_later_phase_takes_the_seeds_that_were_parked_for_it() -> None:
    tally = Tally(10, manifest(solved=2, unsolved=1, pending=7), parked={1: 3, 2: 1})
    for outcome in ("parked", "parked", "failed"):
        tally(GroupStarted("a"))
        tally(GroupSettled(outcome, 0, 1))  # type: ignore[arg-type]  # parametrised
    tally(GroupStarted("a", phase=1))
    assert (tally.phase, tally.phase_seeds, tally.phase_left) == (1, 5, 0)
    tally(GroupSettled("solved", 1, 1))
    tally(GroupStarted("b", phase=1))
    tally(GroupSettled("parked", 0, 1))
    assert (tally.phase_left, tally.done) == (2, 5)
    tally(GroupStarted("b", phase=2))
    assert tally.phase_seeds == 2


def test_a_replayed_call_costs_nothing() -> None:
    tally = Tally(1)
    tally(CallReplayed("main", "generate"))
    assert (tally.served, tally.tokens, tally.in_flight) == (0, 0, 0)
