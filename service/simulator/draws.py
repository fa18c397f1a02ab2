"""Chance that repeats: every draw is a hash of the seed, of a key and of what it is for, so order plays no part."""

from __future__ import annotations

import random
from collections.abc import Sequence
from typing import TypeVar

from stages.core.chance import draw, uniform

T = TypeVar("T")


class Draws:
    """The draws that belong to one seed and key, such as a body and the number of the choice."""

    __slots__ = ("_key", "_seed")

    def __init__(self, seed: int, *key: str | int) -> None:
        self._seed, self._key = seed, key

    def under(self, name: str) -> Draws:
        """Return the draws of a part of this, independent of its own."""
        return Draws(self._seed, *self._key, name)

    def uniform(self, purpose: str) -> float:
        """Return the number in [0, 1) that belongs to this purpose."""
        return uniform(self._seed, *self._key, purpose)

    def chance(self, purpose: str, share: float) -> bool:
        return share > 0 and self.uniform(purpose) < share

    def pick(self, purpose: str, options: Sequence[T]) -> T:
        return options[int(self.uniform(purpose) * len(options))]

    def source(self, purpose: str) -> random.Random:
        """Return a generator for what is drawn from other distributions."""
        return random.Random(draw(self._seed, *self._key, purpose))
