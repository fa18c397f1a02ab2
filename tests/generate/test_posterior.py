from __future__ import annotations

import math
from math import inf

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy.special import betaln

from config.schema import Until
from stages.core.estimates import PRIOR, Beta
from stages.generate.posterior import next_wave, topic_prior

rates = st.floats(0.05, 20)


@given(rates, rates, st.integers(0, 30))
def test_the_chance_of_no_success_is_a_ratio_of_beta_functions(a: float, b: float, more: int):
    expected = math.exp(betaln(a, b + more) - betaln(a, b))
    assert Beta(a, b).none_in(more) == pytest.approx(expected, rel=1e-9)


def test_a_hopeless_seed_has_a_price_all_the_same():
    assert 1e8 < Beta(1e-3, 1e6).cost(wave=2) < inf


@given(rates, rates, st.integers(1, 8))
def test_an_acceptance_costs_at_least_one_candidate_and_more_after_a_failure(a: float, b: float, wave: int):
    belief = Beta(a, b)
    assert 1 <= belief.cost(wave) <= belief.after(0, 1).cost(wave) * (1 + 1e-9)


def test_the_cost_of_a_known_rate_is_one_over_it():
    assert Beta(250_000, 750_000).cost(wave=1) == pytest.approx(4)


def test_a_wave_is_asked_for_until_enough_is_accepted():
    until = Until(accepted=2, max_candidates=9, wave=4)
    assert next_wave(until, 0, 0) == 4
    assert next_wave(until, 1, 3) == 4
    assert next_wave(until, 2, 3) == 0
    assert next_wave(until, 1, 7) == 1, "no wave goes over the cap"
    assert next_wave(until, 1, 8) == 0
    assert next_wave(until, 1, 3, tried=9) == 0, "what could not be judged was tried as well"


def test_a_rejected_one_is_waited_for_where_pairs_are_wanted():
    until = Until(rejected=1, max_candidates=8)
    assert next_wave(until, 2, 0) == 2
    assert next_wave(until, 1, 1) == 0


def test_a_seed_is_given_up_when_another_acceptance_costs_too_much():
    until = Until(give_up=10)
    given_up = next(failed for failed in range(0, 33, 2) if not next_wave(until, 0, failed))
    assert 2 < given_up < 32
    assert PRIOR.after(0, given_up - 2).cost(2) <= 10 < PRIOR.after(0, given_up).cost(2)


def test_an_easy_topic_is_not_given_up_as_soon():
    passed, judged = {"easy": 900, "hard": 10}, {"easy": 1_000, "hard": 1_000}
    easy, hard = (topic_prior(passed, judged, topic) for topic in ("easy", "hard"))
    assert easy.mean == pytest.approx(0.9, abs=0.01)
    assert hard.mean == pytest.approx(0.01, abs=0.01)
    assert next_wave(Until(give_up=12), 0, 6, easy) > 0
    assert next_wave(Until(give_up=12), 0, 6, hard) == 0


def test_a_topic_nothing_is_known_of_is_like_the_run():
    assert topic_prior({}, {}, "new") == Beta(pytest.approx(PRIOR.a), pytest.approx(PRIOR.b))
    assert topic_prior({"a": 800}, {"a": 1_000}, "new").mean == pytest.approx(0.8, abs=0.01)


def test_freed_budget_goes_first_where_another_candidate_brings_most():
    costs = [PRIOR.after(passed, failed).cost(2) for passed, failed in ((1, 1), (0, 0), (0, 4), (0, 30))]
    assert costs == sorted(costs)


SEEDS = 10_000


@pytest.fixture(scope="module")
def outcomes() -> NDArray[np.bool_]:
    """The same draws for every policy: whether the n-th candidate of a seed passes, p ~ Beta(.5, .8)."""
    draw = np.random.default_rng(7)
    return draw.random((SEEDS, 32)) < draw.beta(0.5, 0.8, SEEDS)[:, None]


def run(outcomes: NDArray[np.bool_], until: Until) -> tuple[float, float, float]:
    """Return coverage, calls per seed, and the share of seeds with both a passing and a failing candidate."""
    solved = calls = pairs = 0
    for row in outcomes.tolist():
        tried = 0
        while more := next_wave(until, sum(row[:tried]), tried - sum(row[:tried])):
            tried += more
        passed = sum(row[:tried])
        solved, calls, pairs = solved + (passed > 0), calls + tried, pairs + (0 < passed < tried)
    return solved / SEEDS, calls / SEEDS, pairs / SEEDS


def test_waves_cover_nearly_as_much_as_a_fixed_eight_for_sixty_percent_of_the_calls(outcomes: NDArray[np.bool_]):
    coverage, calls, _ = run(outcomes, Until(max_candidates=8))
    assert calls <= 0.6 * 8
    assert coverage >= outcomes[:, :8].any(axis=1).mean() - 0.015


def test_a_cap_of_32_covers_more_for_little_more(outcomes: NDArray[np.bool_]):
    coverage, calls, _ = run(outcomes, Until(max_candidates=32))
    assert coverage >= 0.84
    assert calls <= 9.5


def test_waiting_for_a_rejected_one_gives_the_pairs_of_fixed_k_again(outcomes: NDArray[np.bool_]):
    first = outcomes[:, :8]
    fixed = (first.any(axis=1) & ~first.all(axis=1)).mean()
    without, waiting = (run(outcomes, Until(rejected=rejected, max_candidates=8)) for rejected in (0, 1))
    assert without[2] < fixed - 0.05
    assert waiting[2] == fixed


def test_giving_up_what_costs_too_much_frees_calls(outcomes: NDArray[np.bool_]):
    all_in, frugal = (run(outcomes, Until(give_up=limit)) for limit in (None, 30))
    assert frugal[1] < 0.9 * all_in[1]
    assert frugal[0] / frugal[1] > all_in[0] / all_in[1]
