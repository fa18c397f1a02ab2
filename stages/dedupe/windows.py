"""Measures the diversity of a stream in windows, in a small share of the time: between two windows it rests."""

from __future__ import annotations

from collections.abc import Callable

from stages.dedupe.diversity import Diversity, Figures

SHARE = 0.02
"""Of the time, at the most: a window of 250-word texts takes 50 ms, so above 80 outputs/s some are passed over."""


class Windows:
    """Windows of consecutive outputs. `clock` gives seconds."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock, self._diversity = clock, Diversity()
        self._begin, self._spent = clock(), 0.0

    def add(self, text: str, topic: str, repeats: bool) -> list[Figures]:
        """Take an output in, unless it is time to rest; return the figures of the windows that it fills."""
        now = self._clock()
        if now < self._begin:
            return []
        found = self._diversity.add(text, topic, repeats)
        self._spent += self._clock() - now
        if any(figures.topic is None for figures in found):
            self._begin, self._spent = max(self._begin + self._spent / SHARE, now), 0.0
        return found
