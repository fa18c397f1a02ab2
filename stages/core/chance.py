"""Randomness that repeats: every choice is a hash of the run's seed and of what the choice is about.

So a choice depends neither on the order of arrival nor on how often the run was resumed.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeVar

from xxhash import xxh3_64_intdigest

T = TypeVar("T")

_SPAN = 1 << 64


def draw(run_seed: int, *about: str | int) -> int:
    """Return 64 random bits for one choice, e.g. `draw(seed, seed_id, "order", 3)`."""
    return xxh3_64_intdigest("\x1f".join(map(str, (run_seed, *about))).encode("utf-8", "surrogatepass"))


def uniform(run_seed: int, *about: str | int) -> float:
    """Return a number in [0, 1) for one choice."""
    return draw(run_seed, *about) / _SPAN


def some(items: Sequence[T], count: int | None, lot: Callable[[T], int]) -> list[T]:
    """Return the `count` items with the lowest lots, in their own order; None: all of them."""
    if count is None:
        return list(items)
    drawn = sorted(range(len(items)), key=lambda at: lot(items[at]))[:count]
    return [items[at] for at in sorted(drawn)]


def sampling_seed(run_seed: int, *about: str | int) -> int:
    """Return a seed that servers take: 31 bits, never negative."""
    return draw(run_seed, *about) & 0x7FFF_FFFF
