"""Chance that repeats: every draw is a hash of a key and of what it is for, so nothing depends on order."""

from __future__ import annotations

import math
import random
from collections.abc import Sequence
from statistics import NormalDist
from typing import TypeVar

from xxhash import xxh3_64_intdigest

T = TypeVar("T")
_STANDARD_NORMAL = NormalDist()


class Draws:
    """The draws that belong to one key, such as (seed, body, number of the choice)."""

    __slots__ = ("_key",)

    def __init__(self, *key: object) -> None:
        self._key = "\x1f".join(map(str, key))

    def uniform(self, purpose: str) -> float:
        """Return the number in [0, 1) that belongs to this purpose."""
        return self._hash(purpose) / 2**64

    def _hash(self, purpose: str) -> int:
        return xxh3_64_intdigest(f"{self._key}\x1f{purpose}".encode())

    def chance(self, purpose: str, share: float) -> bool:
        return share > 0 and self.uniform(purpose) < share

    def pick(self, purpose: str, options: Sequence[T]) -> T:
        return options[int(self.uniform(purpose) * len(options))]

    def beta(self, purpose: str, a: float, b: float) -> float:
        return random.Random(self._hash(purpose)).betavariate(a, b)

    def lognormal(self, purpose: str, median: float, sigma: float) -> float:
        if not (median and sigma):
            return median
        # inv_cdf is not defined at 0
        return median * math.exp(sigma * _STANDARD_NORMAL.inv_cdf(max(self.uniform(purpose), 1e-12)))
