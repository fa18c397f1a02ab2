from __future__ import annotations

import math
import random
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stages.judge.ranking import Duel, Method, Pair, next_round, ranked, rounds, strengths

METHODS: tuple[Method, ...] = ("swiss", "all_pairs", "knockout")


def play(method: Method, items: int, judge: Callable[[Pair], float], top: int = 1) -> list[list[Duel]]:
    """Play a schedule to its end, round by round."""
    played: list[list[Duel]] = []
    while pairs := next_round(method, items, len(played), [duel for one in played for duel in one], top):
        played.append([Duel(*pair, judge(pair)) for pair in pairs])
    return played


def lower_wins(pair: Pair) -> float:
    return float(pair[0] < pair[1])


@given(st.sampled_from(METHODS), st.integers(0, 17), st.integers(1, 4), st.randoms(use_true_random=False))
def test_nobody_meets_himself_or_two_at_once_or_the_same_twice(
    method: Method, items: int, top: int, draw: random.Random
):
    played = play(method, items, lambda _: draw.choice((0.0, 0.5, 1.0)), top)
    assert len(played) <= rounds(method, items)
    for one in played:
        busy = [item for duel in one for item in (duel.one, duel.other)]
        assert len(set(busy)) == len(busy)
        assert set(busy) <= set(range(items))
    meetings = [frozenset((duel.one, duel.other)) for one in played for duel in one]
    assert len(set(meetings)) == len(meetings)


@pytest.mark.parametrize("items", [2, 3, 7, 8])
def test_all_pairs_meet_when_nothing_is_settled_before(items: int):
    played = play("all_pairs", items, lambda _: 0.5)
    assert sum(map(len, played)) == items * (items - 1) / 2


def test_swiss_costs_twenty_comparisons_for_eight_and_56_for_sixteen():
    assert sum(map(len, play("swiss", 8, lambda _: 0.5))) == 20
    assert sum(map(len, play("swiss", 16, lambda _: 0.5))) == 56


@pytest.mark.parametrize("items", [42, 56])
def test_swiss_ends_where_all_stay_level_though_some_may_sit_out(items: int):
    played = play("swiss", items, lambda _: 0.5)
    assert len(played) == rounds("swiss", items)
    assert min(map(len, played)) >= 0.7 * (items // 2)


@pytest.mark.parametrize("items", [2, 5, 8])
def test_a_knockout_leaves_one_who_never_lost(items: int):
    played = play("knockout", items, lower_wins)
    assert sum(map(len, played)) == items - 1
    assert ranked(strengths(items, [duel for one in played for duel in one]))[0] == 0


def test_a_settled_top_ends_the_schedule():
    """After four rounds, 0 has four points and nobody else more than one."""
    duels = [Duel(0, other, 1.0) for other in (1, 2, 3, 4)] + [Duel(1, 2, 1.0), Duel(3, 4, 0.5)]
    assert next_round("swiss", 8, 4, duels) == []
    assert next_round("swiss", 8, 4, duels, top=2) != []
    assert next_round("all_pairs", 8, 4, duels) != [], "three more rounds could still make it four points"


def test_as_many_as_are_wanted_need_no_comparison():
    assert next_round("swiss", 3, 0, [], top=3) == []
    assert next_round("all_pairs", 1, 0, []) == next_round("knockout", 0, 0, []) == []


def test_a_comparison_that_failed_does_not_stop_the_rest():
    first = next_round("swiss", 4, 0, [])
    assert len(next_round("swiss", 4, 1, [Duel(*first[0], 1.0)])) == 2
    assert len(next_round("knockout", 4, 1, [])) == 1


@pytest.mark.parametrize("method", METHODS)
def test_a_perfect_judge_finds_the_best(method: Method):
    for items in range(1, 10):
        played = [duel for one in play(method, items, lower_wins) for duel in one]
        assert ranked(strengths(items, played))[0] == 0


def test_strengths_are_finite_and_say_how_often_one_wins():
    """Three wins of four, with next to no prior beside 400 duels."""
    duels = [Duel(0, 1, 1.0)] * 300 + [Duel(1, 0, 1.0)] * 100
    one, other = strengths(2, duels)
    assert one / (one + other) == pytest.approx(0.75, abs=0.001)
    assert all(0 < strength < 1e6 for strength in strengths(3, [Duel(0, 1, 1.0), Duel(0, 2, 1.0)]))


def test_ties_stay_in_the_order_of_their_numbers():
    assert ranked(strengths(4, [])) == [0, 1, 2, 3]
    assert ranked(strengths(3, [Duel(2, 0, 0.5), Duel(1, 0, 0.5)])) == [0, 1, 2]


def test_swiss_finds_the_best_of_eight_nearly_as_often_as_all_pairs():
    """5,000 groups, a noisy judge that favours what it sees first, one call per pair in random order."""
    hits = {"swiss": 0, "all_pairs": 0}
    calls = dict(hits)
    for group in range(5_000):
        for method in ("swiss", "all_pairs"):
            draw = random.Random(group)
            quality = [draw.gauss(0, 1) for _ in range(8)]

            def judge(pair: Pair, quality: list[float] = quality, draw: random.Random = draw) -> float:
                favour = draw.choice((0.5, -0.5))
                return float(draw.random() < 1 / (1 + math.exp(-(quality[pair[0]] - quality[pair[1]]) / 0.6 - favour)))

            duels = [duel for one in play(method, 8, judge) for duel in one]
            hits[method] += quality[ranked(strengths(8, duels))[0]] == max(quality)
            calls[method] += len(duels)
    assert calls["swiss"] <= 20 * 5_000
    assert 0.55 < hits["all_pairs"] / 5_000 < 0.65, "the judge is as good as the one the figures were made with"
    assert hits["swiss"] >= hits["all_pairs"] - 0.04 * 5_000
