"""A generator that slides into repetition, and what it answers to: another prompt, and a higher temperature.

The one place where a reply depends on those before it: how far it has slid is counted, for every beginning of a
conversation by itself, so that another prompt begins afresh. Its share of repeats is full up to a temperature of 0.7
and falls to nothing at 1.3.
"""

from __future__ import annotations

from collections import Counter

from service.simulator.draws import Draws

FIRST, LAST = 0.02, 0.4
"""The share of repeats before and after the slide."""
LENGTH = 500
"""Texts from the one to the other."""
_STALE = 5
_BEGINNING = 3
_TASKS = (
    "name the three oldest tools in a kitchen and write down how each of them works compare two rivers that flow into "
    "one sea plan a quiet evening for people who dislike music explain why bread rises find a rhyme for silver sort "
    "these fruits by weight translate an old proverb into plain words draw a map of your street count every door"
)
_WORDS = tuple(_TASKS.split())


class Slide:
    """Writes texts of 24 words, of which a growing share were written before. It begins after `after` texts."""

    def __init__(self, seed: int, after: int) -> None:
        self._seed, self._after = seed, after
        self._written = Counter[str]()

    def text(self, conversation: str, temperature: float, draws: Draws) -> str:
        beginning = " ".join(conversation.split()[:_BEGINNING])
        slid = min(max((self._written[beginning] - self._after) / LENGTH, 0), 1)
        self._written[beginning] += 1
        share = (FIRST + slid * (LAST - FIRST)) * min(max((1.3 - temperature) / 0.6, 0), 1)
        if draws.chance("repeat", share):
            draws = Draws(self._seed, "stale", beginning, draws.pick("which", range(_STALE)))
        return " ".join(draws.pick(f"word {n}", _WORDS) for n in range(24))
