"""The one owner of retries: how long a failed call waits before it is sent again, and when it is given up.

A call that was refused (429, 503, no connection) has spent nothing, so it is asked again until the server has served
nobody for ten minutes; a call that went wrong is asked a few times, further and further apart.
Everything here is synchronous and returns waits; whoever holds the call sleeps.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from typing import Any

from stages.core.errors import CandidateError, RunStopped
from stages.llm.failures import Failure, Kind


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """The numbers (all times in seconds), and the clock, the sleep and the dice that retries are made with."""

    attempts: int = 5
    first_wait: float = 0.5
    longest_wait: float = 30.0
    longest_retry_after: float = 120.0
    """A server that asks for more is asked again after this: clocks and headers are often wrong."""
    silence: float = 600.0
    """An endpoint that has served nobody for so long, while a call was refused throughout, stops the run."""
    refused: float = 3600.0
    """A call refused for so long while others are served is given up."""
    clock: Callable[[], float] = time.monotonic
    sleep: Callable[[float], Coroutine[Any, Any, None]] = asyncio.sleep
    chance: Callable[[], float] = random.random


class Retries:
    """The memory of one call from its first failure on."""

    def __init__(self, policy: RetryPolicy, alias: str) -> None:
        self._policy, self._alias = policy, alias
        self._spent = 0
        self._refusals = 0
        self._refused_since = 0.0

    def wait(self, failure: Failure, last_served: float | None) -> float:
        """Return the seconds to wait before the next attempt.

        `last_served` is when the endpoint last served anybody (None: never), on the policy's clock. Raises
        CandidateError where this call is given up, RunStopped where the endpoint is.
        """
        match failure.kind:
            case Kind.LATER:
                return self._later(failure, self._policy.clock(), last_served)
            case Kind.AGAIN:
                return self._again(failure)
            case Kind.KEY:
                return 0.0  # the next attempt takes another key
            case Kind.CANDIDATE:
                raise self._given_up(failure)
            case Kind.UNCLEAR if last_served is not None:
                raise self._given_up(failure)
            case _:
                remedy = failure.remedy or f"Check base_url and model of the endpoint {self._alias}"
                raise RunStopped(f"{self._alias} {failure.words}", remedy)

    def _again(self, failure: Failure) -> float:
        self._spent += 1
        self._refusals = 0
        if self._spent >= self._policy.attempts:
            raise self._given_up(failure, f" ({self._spent} attempts)")
        return self._backoff(self._spent)

    def _later(self, failure: Failure, now: float, last_served: float | None) -> float:
        if not self._refusals:
            self._refused_since = now
        self._refusals += 1
        refused = now - self._refused_since
        if refused >= self._policy.silence and (last_served is None or now - last_served >= self._policy.silence):
            raise RunStopped(
                f"{self._alias} has served nothing for {refused / 60:.0f} minutes; its last words: {failure.words}",
                f"See that the endpoint {self._alias} answers and that its limits allow these requests",
            )
        if refused >= self._policy.refused:
            raise self._given_up(failure, f" (refused for {refused / 60:.0f} minutes while others were served)")
        if not failure.retry_after_s:  # nothing asked for, or 0, which would be asked again and again
            return self._backoff(self._refusals)
        asked = min(failure.retry_after_s, self._policy.longest_retry_after)
        return asked * (1 + 0.25 * self._policy.chance())  # those refused together do not come back together

    def _backoff(self, failures: int) -> float:
        full = min(self._policy.first_wait * 2.0 ** min(failures, 16), self._policy.longest_wait)
        return full * (0.5 + 0.5 * self._policy.chance())

    def _given_up(self, failure: Failure, how: str = "") -> CandidateError:
        return CandidateError(failure.cause, f"{self._alias} {failure.words}{how}")
