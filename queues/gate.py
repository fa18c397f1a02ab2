"""Admission to one limit group: who may send the next request, and when.

One gate stands before every endpoint alias, or before all aliases of a group. What it decides, it decides in one
synchronous method, `_serve`: it admits from the head of the line until something is missing (concurrency, the end of a
cool-down, tokens, pace) and returns how long that will take. Only the head is looked at, so a large request is never
starved by small ones. The limit of concurrency moves (`adaptive.py`), the line is fair between jobs (`line.py`).

Invariants: never more in flight than the limit; an admitted call holds its place and its tokens until its lease ends;
a waiter cancelled at any moment costs nobody anything.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import math
import time
from dataclasses import dataclass, replace
from typing import Literal

from queues.adaptive import AdaptiveLimit
from queues.line import Line, Priority, Waiter
from queues.pace import Clock, CoolDown, Pace, TokenBucket

BURST_S = 0.5
"""Tokens of this time may go at once. Servers keep about a second's worth; the rest absorbs jitter and estimates."""

TICK_S = 0.002
"""The dispatcher sleeps at least this long: at thousands of requests a second it admits several at a time."""

Kind = Literal["requests", "tokens"]

COOL_S = 1.0
"""How long a group rests when the server takes nobody and names no time."""


@dataclass(frozen=True, slots=True)
class GateLimits:
    """The limits of one group; None: there is none, or, for concurrency, it is to be found."""

    max_concurrency: int | None = None
    requests_per_minute: float | None = None
    tokens_per_minute: float | None = None


@dataclass(frozen=True, slots=True)
class GateStatistics:
    """A gate at one moment.

    `limit`: how many may be in flight now, at most `most`; `found_by`: why not more (`AdaptiveLimit.found_by`).
    `waiting_for` is what the head of the line lacks: concurrency, cool-down, tokens or pace; empty when nobody waits.
    `next_s`: seconds until then; infinite for concurrency, where only a returning call helps.
    """

    in_flight: int
    limit: int
    most: int
    found_by: str
    waiting: int
    waiting_for: str
    next_s: float


class NeverAdmitted(Exception):
    """A request that no amount of waiting can admit."""


class Lease:
    """A place in flight. It ends once, by `done`, `refund` or `refused`; whatever is called after that does nothing."""

    __slots__ = ("_gate", "began", "number", "tokens")

    def __init__(self, gate: Gate, tokens: int, number: int, began: float) -> None:
        self._gate: Gate | None = gate
        self.tokens, self.number, self.began = tokens, number, began

    def done(self, used_tokens: int | None = None, work: float = 0.0) -> None:
        """Give the place back, and correct the reservation to what was used; None (not known): it stands in full.

        `work`: what came back, in tokens or as one reply; 0: nothing did.
        """
        if (gate := self._ended()) is not None:
            gate._done(self, 0 if used_tokens is None else self.tokens - used_tokens, work)

    def refund(self) -> None:
        """Give place and tokens back: the request never arrived. Not for a time-out: it may have."""
        self.done(0)

    def refused(self, retry_after_s: float | None = None) -> None:
        """Give tokens back, and the place in a while: the server had no room, and perhaps said for how long."""
        if (gate := self._ended()) is not None:
            gate._refused(self, retry_after_s)

    def _ended(self) -> Gate | None:
        gate, self._gate = self._gate, None
        return gate


class Gate:
    """Admission to one limit group. `run` must be going on wherever time matters: pace, tokens, cool-down."""

    def __init__(self, limits: GateLimits, name: str = "", clock: Clock = time.monotonic) -> None:
        self.name = name
        self.limits = limits
        self._clock = clock
        self._limit = AdaptiveLimit(limits.max_concurrency, clock)
        self._pace = Pace(limits.requests_per_minute, clock) if limits.requests_per_minute else None
        self._tokens = TokenBucket(*_flow(limits.tokens_per_minute), clock) if limits.tokens_per_minute else None
        self._cool: CoolDown | None = None
        self._line = Line()
        self._arrivals = itertools.count()
        self._changed = asyncio.Event()
        self._wakes_at = -math.inf

    async def admit(self, tokens: int = 0, priority: Priority = (), job: str = "") -> Lease:
        """Wait for a place for a request that may take `tokens`.

        Jobs take turns by what they cost; within one the lowest `priority` goes first, then the eldest. Raises
        NeverAdmitted at once for a request above a whole minute's tokens.
        """
        self._refuse_impossible(tokens)
        if self._pace is None and not self._line and not self._missing(tokens)[0]:
            return self._admitted(tokens)
        future: asyncio.Future[Lease] = asyncio.get_running_loop().create_future()
        self._line.join(Waiter((priority, next(self._arrivals)), tokens, job, future))
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
        places = min(self._limit.value, max(1, self._limit.in_flight + len(self._line)))
        self._cool = CoolDown(longest, places, self._clock)
        self._serve_now()

    def per_minute(self, kind: Kind) -> float | None:
        """Return the limit per minute that holds now; None: there is none."""
        return self.limits.requests_per_minute if kind == "requests" else self.limits.tokens_per_minute

    def lower(self, kind: Kind, per_minute: float) -> None:
        """Go on with a lower limit per minute, where there is one; a higher one changes nothing."""
        if per_minute >= (self.per_minute(kind) or 0.0):
            return
        if kind == "requests" and self._pace is not None:
            self.limits = replace(self.limits, requests_per_minute=per_minute)
            self._pace.slow(per_minute)
        elif self._tokens is not None:
            self.limits = replace(self.limits, tokens_per_minute=per_minute)
            self._tokens.slow(*_flow(per_minute))

    def drain(self, kind: Kind, left: float) -> None:
        """Let no more than `left` go before more flows in."""
        bucket = self._pace if kind == "requests" else self._tokens
        if bucket is not None:
            bucket.drain(left)

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

    @property
    def places(self) -> int:
        """How many may be in flight now."""
        return self._limit.value

    def statistics(self) -> GateStatistics:
        head, limit = self._line.head(), self._limit
        wait, what = self._missing(head.tokens) if head else (0.0, "")
        if head and not what:
            what = "pace"  # due, and for a few milliseconds in wait for a slot of the window
        waiting = sum(1 for _ in self._line)
        return GateStatistics(limit.in_flight, limit.value, limit.most, limit.found_by, waiting, what, wait)

    def __repr__(self) -> str:
        now = self.statistics()
        found = "" if now.found_by == "given" else f" ({now.found_by}, at most {now.most:,})"
        flight = f"{now.in_flight:,}/{now.limit:,}{found} in flight"
        if not now.waiting:
            return f"<Gate {self.name or 'unnamed'} {flight}, nobody waiting>"
        when = "when a call returns" if math.isinf(now.next_s) else f"in {now.next_s:.1f} s"
        return f"<Gate {self.name or 'unnamed'} {flight}, {now.waiting:,} waiting for {now.waiting_for}, next {when}>"

    def _refuse_impossible(self, tokens: int) -> None:
        most = self.limits.tokens_per_minute
        if most and tokens > most:
            raise NeverAdmitted(
                f"the request may take {tokens:,} tokens (prompt and max_tokens), "
                f"more than the {most:,.0f} that the limit tokens_per_minute allows in a whole minute"
            )

    def _missing(self, tokens: int) -> tuple[float, str]:
        """Return what a request lacks and for how many seconds; (0, "") when it may go, the pace's slot aside."""
        if wait := self._limit.wait():
            return wait, "concurrency"
        if self._cool is not None and (wait := self._cool.wait()):
            return wait, "cool-down"
        if self._tokens is not None and (wait := self._tokens.wait(tokens)):
            return wait, "tokens"
        if self._pace is not None and (wait := self._pace.wait()):
            return wait, "pace"
        return 0.0, ""

    def _admitted(self, tokens: int) -> Lease:
        number = self._limit.entered()
        if self._tokens is not None:
            self._tokens.take(tokens)
        if self._cool is not None:
            self._cool.take()
            if self._cool.over:
                self._cool = None
        if self._pace is not None:
            self._pace.use()
        return Lease(self, tokens, number, self._clock())

    def _serve(self) -> float:
        """Admit from the head of the line all that may go now.

        Return the seconds until more may: infinite when only a change helps, 0 when only a slot of the pace is missing.
        """
        while (head := self._line.head()) is not None:
            wait, _ = self._missing(head.tokens)
            if wait:
                return wait
            if self._pace is not None and not self._pace.has_slot:
                return 0.0
            self._line.take(head)
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

    def _done(self, lease: Lease, unused_tokens: int, work: float) -> None:
        if work:
            self._limit.served(self._clock() - lease.began, work, wanted=bool(self._line))
        else:
            self._limit.left()
        self._release(unused_tokens)

    def _refused(self, lease: Lease, retry_after_s: float | None) -> None:
        if self._limit.refused(lease.number, self._clock() - lease.began):
            self.cool(COOL_S if retry_after_s is None else retry_after_s)
        self._release(lease.tokens)

    def _release(self, unused_tokens: int) -> None:
        if self._tokens is not None:
            self._tokens.give(unused_tokens)
        if self._line:
            self._serve_now()


def _flow(tokens_per_minute: float) -> tuple[float, float]:
    """Return rate and capacity of the bucket that holds the limit."""
    return tokens_per_minute / 60, tokens_per_minute / 60 * BURST_S
