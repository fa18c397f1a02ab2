from __future__ import annotations

from typing import Any

import pytest
from watched_run import events

from service.observe.tally import Counts, Tally
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


def candidates(tally: Tally) -> list[float]:
    return [tally.total("accepted"), tally.total("candidates", "rejected"), tally.total("candidates", "failed")]


@pytest.fixture
def tally() -> Tally:
    tally = Tally(Counts(), seeds=40)
    for event in events():
        tally.counts(event)
        tally(event)
    return tally


def test_calls_are_counted_with_what_they_took(tally: Tally) -> None:
    assert [tally.total(name) for name in ("rate_limited", "calls_in_flight", "unpriced_calls")] == [1, 1, 2]
    assert tally.total("calls", "ok") == 8
    assert tally.total("tokens", "prompt", "completion") == 8 * 100
    assert tally.total("cost_usd") == pytest.approx(0.006)


def test_candidates_are_counted_by_stage(tally: Tally) -> None:
    assert tally.found("generate", "made") == 8
    assert [tally.found("verify", what) for what in ("seen", "passed", "rejected")] == [7, 3, 4]
    assert [tally.found("judge", what) for what in ("seen", "rejected", "failed")] == [3, 1, 1]
    assert candidates(tally) == [1, 6, 1]


def test_seeds_are_counted_when_they_leave(tally: Tally) -> None:
    assert (tally.total("seeds"), tally.total("seeds", "solved"), tally.phase_left) == (2, 1, 2)


def test_a_resumed_run_goes_on_where_its_manifest_stood() -> None:
    tally = Tally(Counts(), 10, manifest(solved=2, unsolved=1, pending=7), parked={1: 3})
    assert candidates(tally) == [3, 7, 1]
    assert (tally.total("seeds", "solved"), tally.total("seeds")) == (2, 3)
    assert [tally.total(name) for name in ("calls", "tokens", "cost_usd")] == [11, 1000, 0.25]
    assert tally.phase_seeds == 4, "three of the ten are done and three more are parked"


def test_a_later_phase_takes_the_seeds_that_were_parked_for_it() -> None:
    tally = Tally(Counts(), 10, manifest(solved=2, unsolved=1, pending=7), parked={1: 3, 2: 1})
    for outcome in ("parked", "parked", "failed"):
        tally(GroupStarted("a"))
        tally(GroupSettled(outcome, 0, 1))  # type: ignore[arg-type]  # parametrised
    tally(GroupStarted("a", phase=1))
    assert (tally.phase, tally.phase_seeds, tally.phase_left) == (1, 5, 0)
    tally(GroupSettled("solved", 1, 1))
    tally(GroupStarted("b", phase=1))
    tally(GroupSettled("parked", 0, 1))
    assert tally.phase_left == 2
    tally(GroupStarted("b", phase=2))
    assert tally.phase_seeds == 2


def test_a_replayed_call_costs_nothing() -> None:
    counts = Counts()
    counts(CallReplayed("main", "generate"))
    assert not counts
