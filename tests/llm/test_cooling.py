"""When refusals are an episode."""

from __future__ import annotations

from stages.llm.cooling import RefusedShare


def test_one_stray_refusal_among_successes_is_none() -> None:
    share = RefusedShare()
    for number in range(10):
        share.served(number / 100)
    assert not share.refused(0.1)


def test_half_of_all_refused_is_one() -> None:
    share = RefusedShare()
    for number in range(4):
        share.served(number / 100)
    assert [share.refused(0.05 + number / 100) for number in range(4)] == [False, False, False, True]


def test_few_outcomes_prove_nothing() -> None:
    share = RefusedShare()
    assert [share.refused(0.0) for _ in range(4)] == [False] * 4


def test_what_is_older_than_a_second_does_not_count() -> None:
    share = RefusedShare()
    for _ in range(4):
        share.refused(0.0)
    assert not share.refused(1.5)


def test_an_episode_is_counted_once() -> None:
    share = RefusedShare()
    assert [share.refused(0.0) for _ in range(6)] == [False] * 4 + [True, False]
