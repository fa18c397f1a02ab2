"""Admission to one limit group: who may send the next request, and when.

One gate stands before every endpoint alias, or before all aliases of a group. What it decides, it decides in one
synchronous method, `_serve`: it admits from the head of the line until something is missing (concurrency, the end of a
cool-down, tokens, pace) and returns how long that will take. Only the head is looked at, so a large request is never
starved by small ones.

Invariants: never more in flight than the limit; an admitted call holds its place and its tokens until its lease ends;
a waiter cancelled at any moment costs nobody anything.
"""

from __future__ import annotations

import asyncio
import contextlib
import heapq
import itertools
import math
import time
from dataclasses import dataclass

from queues.pace import Clock, CoolDown, Pace, TokenBucket

Priority = tuple[int, ...]

BURST_S = 0.5
"""Tokens of this time may go at once. Servers keep about a second's worth; the rest absorbs jitter and estimates."""

TICK_S = 0.002
"""The dispatcher sleeps at least this long: at thousands of requests a second it admits several at a time."""


@dataclass(frozen=True, slots=True)
class GateLimits:
    """The limits of one group; None: there is none."""

    max_concurrency: int | None = None
    requests_per_minute: float | None = None
    tokens_per_minute: float | None = None


@dataclass(frozen=True, slots=True)
class GateStatistics:
    """A gate at one moment.

    `waiting_for` is what the head of the line lacks: concurrency, cool-down, tokens or pace; empty when nobody waits.
    `next_s`: seconds until then; infinite for concurrency, where only a returning call helps.
    """

    in_flight: int
    limit: int | None
    waiting: int
    waiting_for: str
    next_s: float


class NeverAdmitted(Exception):
    """A request that no amount of waiting can admit."""


class Lease:
    """A place in flight. It ends once, by `done` or `refund`; whatever is called after that does nothing."""

    __slots__ = ("_gate", "_tokens")

    def __init__(self, gate: Gate, tokens: int) -> None:
        self._gate: Gate | None = gate
        self._tokens = tokens

    def done(self, used_tokens: int | None = None) -> None:
        """Give the place back, and correct the reservation to what was used; None (not known): it stands in full."""
        if self._gate is not None:
            gate, self._gate = self._gate, None
            gate._release(0 if used_tokens is None else self._tokens - used_tokens)

    def refund(self) -> None:
        """Give place and tokens back: the request was refused or never arrived. Not for a time-out: it may have."""
        self.done(0)


class _Waiter:
    """Somebody in line, ordered by priority and then by arrival."""

    __slots__ = ("future", "order", "tokens")

    def __init__(self, order: tuple[Priority, int], tokens: int, future: asyncio.Future[Lease]) -> None:
        self.order, self.tokens, self.future = order, tokens, future

    def __lt__(self, other: _Waiter) -> bool:
        return self.order < other.order


class Gate:
    """Admission to one limit group. `run` must be going on wherever time matters: pace, tokens, cool-down."""

    def __init__(self, limits: GateLimits, name: str = "", clock: Clock = time.monotonic) -> None:
        self.name = name
        self.limits = limits
        self._clock = clock
        self._limit = math.inf if limits.max_concurrency is None else limits.max_concurrency
        self._pace = Pace(limits.requests_per_minute, clock) if limits.requests_per_minute else None
        self._tokens = _bucket(limits.tokens_per_minute, clock)
        self._cool: CoolDown | None = None
        self._in_flight = 0
        self._line: list[_Waiter] = []
        self._arrivals = itertools.count()
        self._changed = asyncio.Event()
        self._wakes_at = -math.inf

    async def admit(self, tokens: int = 0, priority: Priority = ()) -> Lease:
        """Wait for a place for a request that may take `tokens`; the lowest `priority` goes first, then the eldest.

        Raises NeverAdmitted at once for a request above a whole minute's tokens.
        """
        self._refuse_impossible(tokens)
        if self._pace is None and not self._line and not self._missing(tokens)[0]:
            return self._admitted(tokens)
        future: asyncio.Future[Lease] = asyncio.get_running_loop().create_future()
        heapq.heappush(self._line, _Waiter((priority, next(self._arrivals)), tokens, future))
        self._serve_now()
        try:
            return await future
        except asyncio.CancelledError:
            if not future.cancelled():
                self._take_back(future.result())
            raise

    def cool(self, seconds: float) -> None:
        """Admit nobody for `seconds`; then those in flight and in line come back spread over a second."""
        longest = max(seconds, self._cool.wait() if self._cool else 0.0)
        places = min(self._limit, max(1, self._in_flight + len(self._line)))
        self._cool = CoolDown(longest, int(places), self._clock)
        self._serve_now()

    async def run(self) -> None:
        """Dispatch until cancelled. The owner starts this once, as a task; nobody else waits for pace or time."""
        while True:
            self._wakes_at = -math.inf  # awake: whatever changes is seen below
            self._changed.clear()
            wait = self._serve()
            if wait == 0 and self._pace is not None:
                await self._pace.slot()
                continue
            wait = max(wait, TICK_S)
            self._wakes_at = self._clock() + wait
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(None if math.isinf(wait) else wait):
                    await self._changed.wait()

    def statistics(self) -> GateStatistics:
        waiting = [waiter for waiter in self._line if not waiter.future.done()]
        wait, what = self._missing(min(waiting).tokens) if waiting else (0.0, "")
        if waiting and not what:
            what = "pace"  # due, and for a few milliseconds in wait for a slot of the window
        return GateStatistics(self._in_flight, self.limits.max_concurrency, len(waiting), what, wait)

    def __repr__(self) -> str:
        now = self.statistics()
        flight = f"{now.in_flight}/{now.limit}" if now.limit is not None else f"{now.in_flight}"
        if not now.waiting:
            return f"<Gate {self.name or 'unnamed'} {flight} in flight, nobody waiting>"
        when = "when a call returns" if math.isinf(now.next_s) else f"in {now.next_s:.1f} s"
        return (
            f"<Gate {self.name or 'unnamed'} {flight} in flight, "
            f"{now.waiting} waiting for {now.waiting_for}, next {when}>"
        )

    def _refuse_impossible(self, tokens: int) -> None:
        most = self.limits.tokens_per_minute
        if most and tokens > most:
            raise NeverAdmitted(
                f"the request may take {tokens:,} tokens (prompt and max_tokens), "
                f"more than the {most:,.0f} that the limit tokens_per_minute allows in a whole minute"
            )

    def _missing(self, tokens: int) -> tuple[float, str]:
        """Return what a request lacks and for how many seconds; (0, "") when it may go, the pace's slot aside."""
        if self._in_flight >= self._limit:
            return math.inf, "concurrency"
        if self._cool is not None and (wait := self._cool.wait()):
            return wait, "cool-down"
        if self._tokens is not None and (wait := self._tokens.wait(tokens)):
            return wait, "tokens"
        if self._pace is not None and (wait := self._pace.wait()):
            return wait, "pace"
        return 0.0, ""

    def _admitted(self, tokens: int) -> Lease:
        self._in_flight += 1
        if self._tokens is not None:
            self._tokens.take(tokens)
        if self._cool is not None:
            self._cool.take()
            if self._cool.over:
                self._cool = None
        if self._pace is not None:
            self._pace.use()
        return Lease(self, tokens)

    def _serve(self) -> float:
        """Admit from the head of the line all that may go now.

        Return the seconds until more may: infinite when only a change helps, 0 when only a slot of the pace is missing.
        """
        while self._line:
            head = self._line[0]
            if head.future.done():  # cancelled in line
                heapq.heappop(self._line)
                continue
            wait, _ = self._missing(head.tokens)
            if wait:
                return wait
            if self._pace is not None and not self._pace.has_slot:
                return 0.0
            heapq.heappop(self._line)
            head.future.set_result(self._admitted(head.tokens))
        return math.inf

    def _serve_now(self) -> None:
        """Serve, and wake the dispatcher where that shortens its sleep."""
        if self._clock() + self._serve() < self._wakes_at:
            self._changed.set()

    def _take_back(self, lease: Lease) -> None:
        """Undo the admission of somebody who was cancelled before hearing of it."""
        if self._pace is not None:
            self._pace.unused()
        lease.refund()

    def _release(self, unused_tokens: int) -> None:
        self._in_flight -= 1
        if self._tokens is not None:
            self._tokens.give(unused_tokens)
        if self._line:
            self._serve_now()


def _bucket(per_minute: float | None, clock: Clock) -> TokenBucket | None:
    if not per_minute:
        return None
    return TokenBucket(per_minute / 60, per_minute / 60 * BURST_S, clock)
