"""What counts say about a rate: a share with its interval, and a belief that new counts change."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from math import prod, sqrt

Z = 1.959963984540054
"""The normal deviate of 95 %, two-sided."""


@dataclass(frozen=True, slots=True)
class Estimate:
    """A figure and its 95 % interval."""

    value: float
    low: float
    high: float


@lru_cache(maxsize=4096)  # the counts of seeds are small, and the same again and again
def wilson(hits: int, of: int) -> Estimate | None:
    """Return a share with the interval of Wilson (1927), None of nothing. Good for small samples and near 0 and 1.

    By hand (docs/decisions/0007-wilson-by-hand.md).
    """
    if of == 0:
        return None
    share, doubt = hits / of, Z**2 / of
    middle, half = share + doubt / 2, Z * sqrt(share * (1 - share) / of + doubt / 4 / of)
    low, high = (middle - half) / (1 + doubt), (middle + half) / (1 + doubt)
    return Estimate(share, low if hits else 0.0, high if hits < of else 1.0)


@dataclass(frozen=True, slots=True)
class Beta:
    """A belief about a pass rate; both parameters are positive."""

    a: float
    b: float

    @property
    def mean(self) -> float:
        return self.a / (self.a + self.b)

    @property
    def failing(self) -> Beta:
        """The same belief about the rate of failures."""
        return Beta(self.b, self.a)

    def after(self, passed: int, failed: int) -> Beta:
        """Return the posterior after candidates were judged."""
        return Beta(self.a + passed, self.b + failed)

    def none_in(self, more: int) -> float:
        """Return the probability that none of `more` candidates passes."""
        return prod((self.b + n) / (self.a + self.b + n) for n in range(more))

    def cost(self, wave: int) -> float:
        """Return how many candidates another acceptance costs: those of a wave over its chance to bring one.

        No longer horizon is cheaper: after a wave without success the next one costs more.
        """
        return wave / (1 - self.none_in(wave))


PRIOR = Beta(0.5, 0.8)
"""Before anything is known: few seeds lie in the middle, and a few more are hard than easy."""
