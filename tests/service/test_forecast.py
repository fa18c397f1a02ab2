"""From a few seeds to all of them: sums, intervals, time under limits, and where a budget ends a run."""

from __future__ import annotations

import random
from typing import Any

import pytest
from watched_run import PIPELINE

from config.schema import Pipeline
from queues.gate import GateLimits
from service.dryrun.forecast import Paid, Probe, forecast

FREE = {"main": (GateLimits(10), ["main"])}


def paid(root: int, calls: int = 1, **more: Any) -> list[Paid]:
    fields = {"prompt_tokens": 100, "completion_tokens": 50, "cost_usd": 0.01} | more
    return [Paid(f"s{root}", "generate", "main", **fields) for _ in range(calls)]


def told(calls: list[list[Paid]], seeds: int, limits: Any = FREE, **change: Any) -> dict[str, Any]:
    probe = Probe([f"s{n}" for n in range(len(calls))], seeds, [one for seed in calls for one in seed], {"s0": 1})
    return forecast(probe, Pipeline.model_validate(PIPELINE | change), limits)


def test_sums_grow_with_the_seeds_and_seeds_that_are_all_alike_leave_no_doubt() -> None:
    found = told([paid(n, 4) for n in range(5)], 1000)
    assert found["total"]["calls"] == {"low": 4000, "mid": 4000, "high": 4000}
    assert found["total"]["cost_usd"]["mid"] == pytest.approx(40)
    assert found["total"]["tokens"]["mid"] == 600_000
    assert found["accepted"]["mid"] == pytest.approx(200)


def test_of_a_source_that_was_probed_whole_nothing_is_guessed() -> None:
    found = told([paid(n, n + 1) for n in range(4)], 4)
    assert found["total"]["calls"] == {"low": 10, "mid": 10, "high": 10}


def test_nine_intervals_in_ten_hold_the_truth() -> None:
    """Seeds take 1 to 32 calls, as waves make them; of 40 probes of 40 seeds."""
    draw = random.Random(3)
    takes = [min(32, 1 + int(draw.expovariate(0.2))) for _ in range(2000)]
    held = 0
    for _ in range(40):
        found = told([paid(n, calls) for n, calls in enumerate(draw.sample(takes, 40))], len(takes))["total"]["calls"]
        held += found["low"] <= sum(takes) <= found["high"]
    assert 31 <= held <= 40


def test_a_cost_that_is_not_wholly_known_is_not_known() -> None:
    found = told([paid(0), paid(1, cost_usd=None)], 10, budget={"usd": 1})
    assert found["total"]["cost_usd"] is None
    assert found["unpriced"] == ["main"]
    assert found["budget"] == [{"key": "usd", "limit": 1.0, "seeds": None, "need": None}]


def test_a_limit_per_minute_sets_the_time_whatever_the_latency() -> None:
    for limits in (GateLimits(10, 60), GateLimits(10, None, 60 * 150)):
        found = told([paid(n, 2, duration_s=0.1, ended_s=n) for n in range(5)], 3000, {"main": (limits, ["main"])})
        assert found["time_s"] == {"low": 6000, "mid": 6000, "high": 6000}


def test_without_one_time_lies_between_all_places_taken_and_no_more_at_once_than_in_the_probe() -> None:
    """Two calls at a time of a second each were seen; ten are allowed."""
    found = told([[*paid(n, 2, duration_s=1, ended_s=n + 1)] for n in range(4)], 1000)
    assert found["time_s"]["low"] == pytest.approx(200)
    assert found["time_s"]["high"] == pytest.approx(1000)


def test_a_budget_ends_the_run_where_its_seeds_have_taken_it() -> None:
    found = told([paid(n, 4) for n in range(5)], 1000, budget={"usd": 10, "calls": 100_000})
    usd, calls = sorted(found["budget"], key=lambda one: one["key"] != "usd")
    assert usd["seeds"]["mid"] == pytest.approx(250)
    assert calls["seeds"]["low"] == 1000
