"""When a server that fails is left alone, and how it is noticed that it is back."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from queues.breaker import FAILURES, FIRST_S, LONGEST_S, WINDOW_S, Breaker


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


def opened(clock: Clock) -> Breaker:
    breaker = Breaker(clock)
    assert [breaker.failed() for _ in range(FAILURES)] == [False] * (FAILURES - 1) + [True]
    return breaker


def test_failures_in_a_row_open_it_and_it_says_so(clock: Clock) -> None:
    breaker = Breaker(clock)
    breaker.failed()
    assert (breaker.open, breaker.wait()) == (False, 0.0)
    assert repr(breaker) == f"<Breaker closed, 1 of {FAILURES} failures in a row>"
    breaker = opened(clock)
    assert (breaker.open, breaker.wait()) == (True, FIRST_S)
    assert repr(breaker) == "<Breaker open, a probe in 1.0 s>"
    clock.now += FIRST_S
    assert repr(breaker) == "<Breaker half-open, a probe may go>"


def test_an_answer_between_failures_keeps_it_closed(clock: Clock) -> None:
    breaker = Breaker(clock)
    for _ in range(10):
        assert not any(breaker.failed() for _ in range(FAILURES - 1))
        assert not breaker.answered()


def test_failures_far_apart_are_no_outage(clock: Clock) -> None:
    breaker = Breaker(clock)
    for _ in range(20):
        assert not breaker.failed()
        clock.now += WINDOW_S / (FAILURES - 1) + 1


def test_one_probe_goes_after_each_back_off_whatever_becomes_of_it(clock: Clock) -> None:
    breaker, gaps = opened(clock), []
    for fails in (True, False) * 4:  # the others hang
        gaps.append(breaker.wait())
        clock.now += breaker.wait()
        assert breaker.wait() == 0
        breaker.enter()
        assert breaker.wait() > 0, "one at a time"
        if fails:
            assert not breaker.failed()
    assert gaps == [1, 2, 4, 8, 15, 15, 15, 15]


def test_failures_of_requests_from_before_do_not_put_the_probe_off(clock: Clock) -> None:
    breaker = opened(clock)
    clock.now += FIRST_S / 2
    assert not any(breaker.failed() for _ in range(100))
    assert breaker.wait() == FIRST_S / 2


def test_any_answer_closes_it_and_the_next_outage_begins_anew(clock: Clock) -> None:
    breaker = opened(clock)
    for _ in range(5):
        clock.now += breaker.wait()
        breaker.enter()
    assert breaker.answered()
    assert (breaker.open, breaker.wait()) == (False, 0.0)
    assert [breaker.failed() for _ in range(FAILURES)][-1]
    assert breaker.wait() == FIRST_S


@given(st.lists(st.sampled_from(["failed", "answered", "enter", "pass"]), max_size=60))
def test_whatever_happens_nobody_waits_longer_than_the_longest_back_off(what: list[str]) -> None:
    clock = Clock()
    breaker = Breaker(clock)
    for one in what:
        if one == "pass":
            clock.now += 3.0
        else:
            getattr(breaker, one)()
        assert 0 <= breaker.wait() <= LONGEST_S
        assert breaker.open or not breaker.wait()
