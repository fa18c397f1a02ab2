from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from config.judging import Stop
from stages.judge.ballots import Option, agreement, decided, lead, tally

NEVER = Stop(posterior=1.0)


def test_equal_answers_are_one_option_and_the_heaviest_leads():
    options = tally(["5", "4", None, "5"])
    assert options == [Option("5", (0, 3), 2), Option("4", (1,), 1)]
    assert agreement(options) == pytest.approx(2 / 3)


def test_weights_decide_over_numbers_and_ties_go_to_the_first_named():
    assert [option.answer for option in tally(["a", "b", "b"], weights=[3, 1, 1])] == ["a", "b"]
    assert [option.answer for option in tally(["b", "a"])] == ["b", "a"]


@given(st.lists(st.none() | st.sampled_from("abc"), max_size=12))
def test_every_vote_is_counted_once(answers: list[str | None]):
    options = tally(answers)
    ballots = sorted(number for option in options for number in option.ballots)
    assert ballots == [number for number, answer in enumerate(answers) if answer is not None]
    assert [option.weight for option in options] == sorted((option.weight for option in options), reverse=True)


def test_nothing_cast_agrees_on_nothing():
    assert tally([None, None]) == []
    assert agreement([]) == 0
    assert lead([]) == 0.5
    assert not decided([], cast=4, left=2, rule=Stop(window=3))


def test_the_lead_is_the_posterior_of_adaptive_consistency():
    """Four to nothing: 1 - 0.5^5. Three to three: nobody leads."""
    assert lead(tally(["a"] * 4)) == pytest.approx(1 - 0.5**5)
    assert lead(tally(["a", "b"] * 3)) == pytest.approx(0.5)


def test_a_vote_ends_when_the_leader_is_likely_enough():
    assert not decided(tally(["a"] * 3), cast=3, left=37, rule=Stop())
    assert decided(tally(["a"] * 4), cast=4, left=36, rule=Stop())
    assert not decided(tally(["a"] * 4 + ["b"]), cast=5, left=35, rule=Stop())


def test_a_vote_ends_when_the_last_answers_were_unanimous():
    rule = Stop(posterior=1.0, window=3)
    assert decided(tally(["b", "a", "a", "a"]), cast=4, left=36, rule=rule)
    assert not decided(tally(["a", "a", "b", "a"]), cast=4, left=36, rule=rule)
    assert not decided(tally(["a", "a", None]), cast=3, left=36, rule=rule)
    assert not decided(tally(["a", "a"]), cast=2, left=36, rule=rule)


def test_a_vote_ends_when_what_is_left_changes_nothing():
    assert decided(tally(["a", "a", "b"]), cast=3, left=0, rule=NEVER)
    assert not decided(tally(["a", "a", "b"]), cast=3, left=1, rule=NEVER), "a tie could still come"
    assert decided(tally(["a", "a", "a", "b"]), cast=4, left=1, rule=NEVER)


def test_early_stops_save_half_of_the_calls_and_keep_the_accuracy():
    """2,000 questions, p of a right answer ~ Beta(5, 2), wrong ones spread over four answers, at most 40 ballots."""
    draw = np.random.default_rng(3)
    right = {"full": 0, "early": 0}
    calls = 0
    for p in draw.beta(5, 2, 2_000):
        wrong = draw.dirichlet(np.ones(4)) * (1 - p)
        answers = [str(answer) for answer in draw.choice(5, 40, p=[p, *wrong])]
        right["full"] += tally(answers)[0].answer == "0"
        for cast in range(2, 41, 2):
            options = tally(answers[:cast])
            if decided(options, cast, 40 - cast, Stop()):
                right["early"] += options[0].answer == "0"
                calls += cast
                break
    assert calls <= 0.5 * 40 * 2_000
    assert right["early"] >= right["full"] - 0.005 * 2_000
