"""When refusals are an episode: one stray 429 is its own call's affair; when half are refused, all wait."""

from __future__ import annotations

from collections import deque


class RefusedShare:
    """The latest outcomes of an endpoint. Times in seconds, on any one clock."""

    OUTCOMES, FEWEST, WITHIN_S, SHARE = 20, 5, 1.0, 0.5

    def __init__(self) -> None:
        self._latest: deque[tuple[float, bool]] = deque(maxlen=self.OUTCOMES)

    def served(self, now: float) -> None:
        self._latest.append((now, False))

    def refused(self, now: float) -> bool:
        """Note a refusal, and return whether it makes an episode; if so the count starts afresh."""
        self._latest.append((now, True))
        recent = [refused for at, refused in self._latest if now - at <= self.WITHIN_S]
        episode = len(recent) >= self.FEWEST and sum(recent) >= self.SHARE * len(recent)
        if episode:
            self._latest.clear()
        return episode
