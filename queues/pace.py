"""How fast requests may go out: a bucket of tokens, a pace of requests, a cool-down.

All *return* waits in seconds and never sleep themselves, but for `Pace.slot`, whose last milliseconds are
asyncio-throttle's. That library polls and has no order, so only one task may ever wait on a pace: a gate's dispatcher.
"""

from __future__ import annotations

from collections.abc import Callable

from asyncio_throttle.throttler import Throttler

Clock = Callable[[], float]

WINDOW_S = 1.0
"""A pace holds in every window of about this length, since some providers enforce minutes second by second."""

SPREAD_S = 0.05
"""Requests that were due in this time may leave together: enough to catch up after a late wake-up, no burst."""

POLL_S = 0.005
"""How often asyncio-throttle looks for a free slot while one is nearly due; it loses half of it per window."""

STAGGER_S = 1.0
"""After a cool-down the calls come back over this time, not all at once."""


class TokenBucket:
    """`rate` tokens a second flow in, at most `capacity` are kept.

    Taking may leave the bucket in debt. So an amount above the capacity waits for a full bucket instead of for ever,
    and what follows waits until its debt is paid: the long-run rate holds for any size.
    """

    def __init__(self, rate: float, capacity: float, clock: Clock) -> None:
        self.capacity = capacity
        self._rate = rate
        self._clock = clock
        self._level = capacity
        self._at = clock()

    @property
    def level(self) -> float:
        """Tokens there are now; negative while in debt."""
        now = self._clock()
        self._level = min(self.capacity, self._level + (now - self._at) * self._rate)
        self._at = now
        return self._level

    def wait(self, amount: float) -> float:
        """Return the seconds until `amount` (or a full bucket, where it is more) can be taken; 0 when it can now."""
        lack = min(amount, self.capacity) - self.level
        return lack / self._rate if lack > 1e-9 * self.capacity else 0.0  # less is the noise of floating point

    def take(self, amount: float) -> None:
        self._level = self.level - amount

    def slow(self, rate: float, capacity: float) -> None:
        """Go on with less."""
        self._level = min(capacity, self.level)
        self._rate, self.capacity = rate, capacity

    def drain(self, level: float) -> None:
        """Keep no more than `level`."""
        self._level = min(self.level, level)

    def give(self, amount: float) -> None:
        """Put back what was taken and not used (negative: more was used). What overflows is lost, as at the server."""
        self._level = min(self.capacity, self.level + amount)


class Pace:
    """Requests a minute, evenly spread.

    asyncio-throttle holds the limit in every window. Alone it lets a whole window out at once, which a server that
    keeps one second's worth refuses on the least jitter, and it polls meanwhile. So a small bucket spreads the
    requests first, and says how long to sleep; the window's slot is taken last, since it cannot be given back.
    """

    def __init__(self, per_minute: float, clock: Clock) -> None:
        rate = per_minute / 60
        self._window = _window(rate)
        self._spread = TokenBucket(rate, 1 + rate * SPREAD_S, clock)
        self._spare = 0

    def slow(self, per_minute: float) -> None:
        """Go on with fewer; whoever takes a slot just now takes it of the old window."""
        rate = per_minute / 60
        self._window = _window(rate)
        self._spread.slow(rate, 1 + rate * SPREAD_S)

    def drain(self, requests: float) -> None:
        """Let no more than so many go at once now."""
        self._spread.drain(requests)

    def wait(self) -> float:
        """Return the seconds until the next request is due; 0 when it is."""
        return 0.0 if self._spare else self._spread.wait(1)

    @property
    def has_slot(self) -> bool:
        """Whether a slot was taken and not used yet."""
        return self._spare > 0

    async def slot(self) -> None:
        """Take a slot of the window, waiting for it. One task only; cancelled, it takes none."""
        await self._window.acquire()  # type: ignore[no-untyped-call]  # the library has no types
        self._spread.take(1)
        self._spare += 1

    def use(self) -> None:
        """Use a slot that was taken."""
        self._spare -= 1

    def unused(self) -> None:
        """Hand back a slot whose request never left: the next request goes on it."""
        self._spare += 1


def _window(rate: float) -> Throttler:
    slots = max(1, round(rate * WINDOW_S))
    return Throttler(rate_limit=slots, period=slots / rate, retry_interval=POLL_S)


class CoolDown:
    """Nothing goes for `seconds`; then `places` requests come back one after another, spread over a second."""

    def __init__(self, seconds: float, places: int, clock: Clock) -> None:
        self._clock = clock
        self._next = clock() + seconds
        self._left = places
        self._gap = STAGGER_S / places

    @property
    def over(self) -> bool:
        return self._left == 0

    def wait(self) -> float:
        """Return the seconds until the next request may go; 0 when it may now."""
        return max(0.0, self._next - self._clock())

    def take(self) -> None:
        self._left -= 1
        self._next += self._gap
