"""What can be kept of a stream of any length: samples drawn evenly, and counts of a bounded number of things.

Everything here is repeatable: groups come in canonical order, and chance is seeded by the run.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Hashable
from typing import Generic, TypeVar

import numpy as np
from numpy.typing import NDArray

T = TypeVar("T")
K = TypeVar("K", bound=Hashable)


class Reservoir(Generic[T]):
    """At most `size` items of a stream, each with the same chance (Vitter's algorithm R). `total`: how many came."""

    def __init__(self, seed: int, size: int) -> None:
        self._random, self._size = random.Random(seed).random, size
        self.items: list[T] = []
        self.total = 0

    def place(self) -> int | None:
        """Count an item that comes, and return where it is to be put; None: it is not taken."""
        self.total += 1
        at = self.total - 1 if self.total <= self._size else int(self._random() * self.total)
        return at if at < self._size else None

    def put(self, at: int, item: T) -> None:
        """Put an item where `place` said: apart from it, so that only what is taken need be made."""
        self.items[at : at + 1] = [item]

    def add(self, item: T) -> None:
        if (at := self.place()) is not None:
            self.put(at, item)


class Spread:
    """How numbers are spread: of all of them how many and their mean, of a sample the rest.

    The sample is drawn as a reservoir is, in one call: a report adds ten numbers for each candidate.
    """

    SAMPLE = 10_000

    def __init__(self, seed: int) -> None:
        self._random, self._sample = random.Random(seed).random, list[float]()
        self._total, self._sum = 0, 0.0

    def add(self, value: float) -> None:
        self._total += 1
        self._sum += value
        if self._total <= self.SAMPLE:
            self._sample.append(value)
        elif (at := int(self._random() * self._total)) < self.SAMPLE:
            self._sample[at] = value

    @property
    def values(self) -> NDArray[np.float64]:
        return np.asarray(self._sample, np.float64)

    def figures(self) -> dict[str, float | int]:
        """Return count, mean and quantiles; only the count where there are none."""
        if not self._total:
            return {"count": 0}
        p5, median, p95 = np.quantile(self.values, (0.05, 0.5, 0.95)).round(4).tolist()
        return {"count": self._total, "mean": round(self._sum / self._total, 4), "p5": p5, "median": median, "p95": p95}


class Tops(Counter[K]):
    """Counts; of what comes when there are `most` different keys already only how often that was, as `others`."""

    def __init__(self, most: int) -> None:
        super().__init__()
        self._most, self.others = most, 0

    def count(self, key: K) -> None:
        if key in self or len(self) < self._most:
            self[key] += 1
        else:
            self.others += 1
