"""How long a failed call waits, and when it is given up."""

from __future__ import annotations

import itertools

import pytest

from stages.core.errors import CandidateError, RunStopped
from stages.llm.failures import Failure, Kind
from stages.llm.retries import Retries, RetryPolicy

REFUSED = Failure(Kind.LATER, "rate_limited", 'answered 429 "slow down"', unserved=True)
BROKEN = Failure(Kind.AGAIN, "server_error", 'answered 500 "oops"')


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def retries(clock: Clock, chance: float = 1.0) -> Retries:
    return Retries(RetryPolicy(clock=clock, chance=lambda: chance), "main")


def test_what_goes_wrong_is_tried_five_times_further_and_further_apart() -> None:
    memory = retries(Clock())
    assert [memory.wait(BROKEN, None) for _ in range(4)] == [1, 2, 4, 8]
    with pytest.raises(CandidateError) as error:
        memory.wait(BROKEN, None)
    assert error.value.reason == "server_error"
    assert error.value.detail == 'main answered 500 "oops" (5 attempts)'


def test_back_off_is_jittered() -> None:
    assert [retries(Clock(), chance).wait(BROKEN, None) for chance in (0.0, 0.5, 1.0)] == [0.5, 0.75, 1.0]


def test_refusals_spend_no_attempts() -> None:
    """A call refused a hundred times still has all its attempts."""
    memory = retries(Clock())
    for _ in range(100):
        memory.wait(REFUSED, 0.0)
    assert [memory.wait(BROKEN, 0.0) for _ in range(4)] == [1, 2, 4, 8]


def test_retry_after_is_kept_and_staggered() -> None:
    asked = Failure(Kind.LATER, "rate_limited", "429", retry_after_s=4.0)
    assert retries(Clock(), 0.0).wait(asked, None) == 4.0
    assert retries(Clock(), 1.0).wait(asked, None) == 5.0


def test_a_retry_after_of_nothing_is_backed_off_from() -> None:
    """Or the server would be asked as fast as it can refuse."""
    memory = retries(Clock())
    nothing = Failure(Kind.LATER, "rate_limited", "429", retry_after_s=0.0)
    assert [memory.wait(nothing, None) for _ in range(3)] == [1, 2, 4]


def test_an_absurd_retry_after_is_asked_again_sooner() -> None:
    assert retries(Clock(), 0.0).wait(Failure(Kind.LATER, "rate_limited", "429", retry_after_s=86400.0), None) == 120.0


def refused_until_it_ends(served: bool) -> tuple[float, BaseException]:
    """Refuse one call for ever, on an endpoint that serves others or nobody; return when and how that ended."""
    clock = Clock()
    memory = retries(clock)
    for _ in itertools.count():
        try:
            clock.now += memory.wait(REFUSED, clock.now if served else None)
        except (CandidateError, RunStopped) as error:
            return clock.now, error
    raise AssertionError


def test_an_endpoint_that_refuses_everybody_stops_the_run_after_ten_minutes() -> None:
    at, error = refused_until_it_ends(served=False)
    assert isinstance(error, RunStopped)
    assert 600 <= at < 640
    assert error.cause == 'main has served nothing for 10 minutes; its last words: answered 429 "slow down"'
    assert "main" in error.remedy


def test_a_call_that_alone_is_refused_is_given_up_after_an_hour() -> None:
    at, error = refused_until_it_ends(served=True)
    assert isinstance(error, CandidateError)
    assert error.reason == "rate_limited"
    assert 3600 <= at < 3640


def test_refusals_are_counted_in_a_row() -> None:
    """An attempt that got through to a broken server starts the ten minutes anew."""
    clock = Clock()
    memory = retries(clock)
    memory.wait(REFUSED, None)
    clock.now = 599
    memory.wait(BROKEN, None)
    clock.now = 601
    assert memory.wait(REFUSED, None) > 0


def test_a_refused_request_fails_at_once_with_the_providers_words() -> None:
    with pytest.raises(CandidateError) as error:
        retries(Clock()).wait(Failure(Kind.CANDIDATE, "context_length", 'answered 400 "too long"'), None)
    assert (error.value.reason, error.value.detail) == ("context_length", 'main answered 400 "too long"')


def test_a_dead_key_is_followed_by_another_at_once() -> None:
    assert retries(Clock()).wait(Failure(Kind.KEY, "key", "answered 401"), None) == 0


def test_an_endpoint_that_can_serve_nothing_stops_the_run() -> None:
    with pytest.raises(RunStopped) as error:
        retries(Clock()).wait(Failure(Kind.ENDPOINT, "key", 'answered 401 "bad key"', remedy="Set KEY"), 5.0)
    assert (error.value.cause, error.value.remedy) == ('main answered 401 "bad key"', "Set KEY")


def test_an_unclear_refusal_is_the_requests_fault_once_the_endpoint_has_served_others() -> None:
    unclear = Failure(Kind.UNCLEAR, "bad_request", "answered 404")
    with pytest.raises(CandidateError):
        retries(Clock()).wait(unclear, 0.0)
    with pytest.raises(RunStopped):
        retries(Clock()).wait(unclear, None)
