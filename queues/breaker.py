"""A circuit breaker: whether a server that failed again and again is asked at all.

Closed, it lets everybody through. A few failures in a row, with no answer between them, open it: then one request may
go as a probe after a back-off, the next one after twice as long, and so on. Any answer closes it, a late one too: a
server that answers lives. So a probe that hangs keeps nobody from trying again.

Synchronous, and the clock (seconds) is handed in. Nothing is learned from a request that was cancelled.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable

FAILURES = 5
"""So many in a row open it."""
WINDOW_S = 30.0
"""If they came within this time: time-outs an hour apart are no outage."""
FIRST_S = 1.0
LONGEST_S = 15.0
"""The longest back-off: who comes back is asked again within this time."""


class Breaker:
    """Closed (`wait` is 0), open (`wait` tells for how long), or half-open (open, and a probe may go now)."""

    __slots__ = ("_back_off", "_clock", "_failures", "_probe_at", "open")

    def __init__(self, clock: Callable[[], float]) -> None:
        self.open = False
        self._clock = clock
        self._failures = deque[float](maxlen=FAILURES)
        self._back_off = self._probe_at = 0.0

    def wait(self) -> float:
        """Return the seconds until a request may go; 0 when one may now."""
        return max(0.0, self._probe_at - self._clock()) if self.open else 0.0

    def enter(self) -> None:
        """Let a request through; while open it is the probe, and the next one has longer to wait."""
        if self.open:
            self._rest(min(2 * self._back_off, LONGEST_S))

    def answered(self) -> bool:
        """Hear of a request that the server answered; return whether that closed the breaker."""
        self._failures.clear()
        closes, self.open = self.open, False
        return closes

    def failed(self) -> bool:
        """Hear of one that it did not; return whether that opened the breaker."""
        if self.open:
            return False  # a probe, whose successor has its time already, or a request from before
        now = self._clock()
        self._failures.append(now)
        self.open = len(self._failures) == FAILURES and now - self._failures[0] <= WINDOW_S
        if self.open:
            self._rest(FIRST_S)
        return self.open

    def _rest(self, seconds: float) -> None:
        self._back_off, self._probe_at = seconds, self._clock() + seconds

    def __repr__(self) -> str:
        if not self.open:
            return f"<Breaker closed, {len(self._failures)} of {FAILURES} failures in a row>"
        wait = self.wait()
        return f"<Breaker open, a probe in {wait:.1f} s>" if wait else "<Breaker half-open, a probe may go>"
