"""The concurrency limit that finds itself: what was given, what refusals taught, and what a queue at the server did.

A limit that was given is an upper bound, and used in full until the server refuses. One that was left out starts at
16 places and rises to 1,024 at most; then a server that queues instead of refusing is looked for, too.

A refused call keeps its place for the time of a usual call, though it is gone: a refusal comes back in milliseconds,
and places that were free at once would make a storm of one place too many. In the same way a limit that is no whole
number is kept: at 2.5, three places each rest for a fifth of a call's time after it; so a rate below one call at a
time can be found as well.

Calls that began together come back together, and where a server counts what comes within a second such a crowd is
refused though the mean would pass. So from the first refusal on calls leave one by one, a crowd spread over most of the
time of a call.

Invariants: never more calls in flight than given (or 1,024), never none at all; synchronous, and time matters only for
places that rest and, where a server refuses, for when the next call leaves.
"""

from __future__ import annotations

import heapq
import math

from queues.pace import Clock
from queues.refusals import START, RefusalLimit
from queues.saturation import SaturationLimit

MOST = 1024
"""The limit where none was given."""
FINE_BELOW = 16
"""Above it a part of a place makes no difference."""
LEARN = 0.05
"""The weight of a new reply in how long a call takes: the last twenty decide."""
FIRST_GUESS_S = 0.2
LONGEST_REST_S = 10.0
SPREAD = 0.7
"""The share of a call's time over which all places are taken anew: 1 would leave no room for an estimate too long."""
CATCH_UP_S = 0.02
"""What calls that left late may make up for at once: a timer is no more exact."""


class AdaptiveLimit:
    """Counts calls in flight against the limit in force."""

    def __init__(self, given: int | None, clock: Clock) -> None:
        self.given = given
        self.most = MOST if given is None else given
        self.in_flight = 0
        self.last = 0
        self._clock = clock
        # places that rest are taken as well: so many more may be needed to have all that was given in flight
        self._refusals = RefusalLimit(START if given is None else given, 2.5 * self.most)
        self._saturation = SaturationLimit(MOST) if given is None else None
        self._places = float(self._refusals.value)
        self._resting: list[float] = []
        self._call_s = 0.0
        self._was_full = False
        self._refuses = False
        self._leaves_at = -math.inf  # when the next call may leave, of a server that refuses

    @property
    def value(self) -> int:
        """The calls that may be in flight now."""
        return min(self.most, math.ceil(self._places))

    @property
    def found_by(self) -> str:
        """What holds the limit where it is: `given`, `rising`, `refusals` or `throughput`."""
        if self._places >= self.most:
            return "given" if self.given is not None else "rising"
        if self._saturation is not None and self._saturation.value <= self._refusals.value:
            return "throughput"
        return "rising" if self._refusals.rising else "refusals"

    def wait(self) -> float:
        """Return the seconds until a call may leave; infinity where another one must return first."""
        if self.in_flight >= self.most:
            return math.inf
        if not self._refuses:
            return 0.0 if self.in_flight < self._places else math.inf
        now = self._clock()
        while self._resting and self._resting[0] <= now:
            heapq.heappop(self._resting)
        pause = max(0.0, self._leaves_at - now)
        if self.in_flight + len(self._resting) < self._places:
            return pause
        return max(pause, self._resting[0] - now) if self.in_flight < self._places else math.inf

    def entered(self) -> int:
        """Take a place; return the call's number."""
        self.in_flight += 1
        self.last += 1
        if self._refuses:
            self._leaves_at = max(self._leaves_at, self._clock() - CATCH_UP_S) + SPREAD * self._call_s / self._places
        return self.last

    def served(self, seconds: float, work: float, wanted: bool) -> None:
        """Give the place of a call back that was served. `wanted`: somebody waits for a place."""
        taken = self.in_flight + len(self._resting) >= self._places
        full = wanted and (taken or self.in_flight >= self.most)
        self.in_flight -= 1
        self._refusals.run = 0
        self._call_s += (LEARN if self._call_s else 1.0) * (seconds - self._call_s)
        if self._places < FINE_BELOW and (part := math.ceil(self._places) / self._places - 1):
            self._rest(part * min(seconds, 2 * self._call_s))
        if full or self._was_full:
            now = self._clock()
            if self._saturation is not None:
                self._saturation.served(now, work, min(self._places, self.most), full)
            if full and taken and self._places == self._refusals.value:
                self._refusals.served(self.last, now, self._call_s)
            self._was_full = full
            self._set()

    def refused(self, number: int, seconds: float) -> bool:
        """Give the place of a refused call back, when it has rested. True: the server takes nobody at all."""
        used = self.in_flight + len(self._resting)
        self.in_flight -= 1
        self._refuses = True
        call_s, now = self._call_s or FIRST_GUESS_S, self._clock()
        self._rest(call_s * math.ceil(self._places) / self._places - seconds)
        rests = self._refusals.refused(number, self.last, used, now, call_s)
        self._set()
        if self._saturation is not None:
            self._saturation.refused(now, min(self._places, self.most))
        return rests

    def left(self) -> None:
        """Give the place of a call back of which nothing is to be learned."""
        self.in_flight -= 1

    def _rest(self, seconds: float) -> None:
        if seconds > 0:
            heapq.heappush(self._resting, self._clock() + min(seconds, LONGEST_REST_S))

    def _set(self) -> None:
        self._places = self._refusals.value
        if self._saturation is not None:
            self._places = min(self._places, self._saturation.value)
