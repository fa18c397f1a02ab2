"""Chance that repeats: every draw is a hash of the seed, of a key and of what it is for, so order plays no part."""

from __future__ import annotations

import math
import random
from collections.abc import Sequence
from statistics import NormalDist
from typing import TypeVar

from stages.core.chance import draw

T = TypeVar("T")
_STANDARD_NORMAL = NormalDist()


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
        return draw(self._seed, *self._key, purpose) / 2**64

    def chance(self, purpose: str, share: float) -> bool:
        return share > 0 and self.uniform(purpose) < share

    def pick(self, purpose: str, options: Sequence[T]) -> T:
        return options[int(self.uniform(purpose) * len(options))]

    def beta(self, purpose: str, a: float, b: float) -> float:
        return random.Random(draw(self._seed, *self._key, purpose)).betavariate(a, b)

    def lognormal(self, purpose: str, median: float, sigma: float) -> float:
        if not (median and sigma):
            return median
        # inv_cdf is not defined at 0
        return median * math.exp(sigma * _STANDARD_NORMAL.inv_cdf(max(self.uniform(purpose), 1e-12)))
