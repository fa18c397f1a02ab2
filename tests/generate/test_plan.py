"""The plan gives every combination its turn."""

from __future__ import annotations

from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from config.schema import Between
from stages.generate.plan import Plan


@given(
    shares=st.dictionaries(st.sampled_from("abc"), st.integers(1, 4), min_size=1),
    prompts=st.integers(1, 4),
    temperatures=st.lists(st.floats(0, 2), min_size=1, max_size=4, unique=True),
)
def test_one_round_of_the_plan_holds_every_combination_in_proportion_to_the_shares(
    shares: dict[str, int], prompts: int, temperatures: list[float]
) -> None:
    plan = Plan(shares, prompts, temperatures, per_seed=1, run_seed=0)
    rounds = sum(shares.values()) * prompts * len(temperatures)
    seen = Counter((s.endpoint, s.prompt, s.temperature) for n in range(rounds) for s in [plan.slot(0, "x", n)])
    for endpoint, share in shares.items():
        counts = {seen[endpoint, p, t] for p in range(prompts) for t in temperatures}
        assert counts == {share}


def test_the_candidates_of_one_seed_see_every_endpoint_and_every_temperature() -> None:
    plan = Plan({"big": 8, "small": 8}, 1, [0.3, 0.7], per_seed=4, run_seed=0)
    slots = [plan.slot(0, "x", n) for n in range(4)]
    assert {(s.endpoint, s.temperature) for s in slots} == {("big", 0.3), ("big", 0.7), ("small", 0.3), ("small", 0.7)}


def test_the_plan_goes_on_from_seed_to_seed_so_that_no_prompt_is_favoured() -> None:
    plan = Plan({"main": 1}, 3, [], per_seed=1, run_seed=0)
    assert [plan.slot(no, f"s{no}", 0).prompt for no in range(6)] == [0, 1, 2, 0, 1, 2]


def test_a_range_of_temperatures_is_drawn_anew_for_each_candidate_and_the_same_in_every_run() -> None:
    slots = [Plan({"main": 1}, 1, Between(min=0.2, max=1.0), 8, run_seed=7).slot(0, "x", n) for n in range(8)]
    again = [Plan({"main": 1}, 1, Between(min=0.2, max=1.0), 8, run_seed=7).slot(0, "x", n) for n in range(8)]
    assert slots == again
    assert len({slot.temperature for slot in slots}) > 4
    assert all(slot.temperature is not None and 0.2 <= slot.temperature <= 1.0 for slot in slots)
