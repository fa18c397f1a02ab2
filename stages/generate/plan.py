"""The sampling plan: which endpoint, prompt and temperature the n-th candidate of a seed gets.

The plan is every combination of endpoint, prompt and temperature, taken in turn, and in an order in which neighbours
differ in all three: few candidates of a seed still see every endpoint and every temperature. It goes on from seed to
seed, so with more combinations than candidates per seed none is favoured. A temperature given as a range is drawn for
each candidate.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import gcd, lcm
from typing import NamedTuple, TypeVar

from config.schema import Between
from stages.core.chance import uniform

A = TypeVar("A")
B = TypeVar("B")


class Slot(NamedTuple):
    """What one candidate is sampled with. `prompt` is an index; `temperature` None leaves it to the server."""

    endpoint: str
    prompt: int
    temperature: float | None


class Plan:
    """Every combination, in turn.

    `shares` is endpoint -> how many of the candidates it makes, in proportion; `per_seed` is how many slots a seed
    moves the plan on.
    """

    def __init__(
        self,
        shares: Mapping[str, int],
        prompts: int,
        temperature: Sequence[float] | Between,
        per_seed: int,
        run_seed: int,
    ) -> None:
        self._range = temperature if isinstance(temperature, Between) else None
        fixed: Sequence[float | None] = (None,) if isinstance(temperature, Between) or not temperature else temperature
        self._combinations = _pair(_pair(_interleave(shares), range(prompts)), fixed)
        self._per_seed, self._run_seed = per_seed, run_seed

    def slot(self, seed_no: int, seed_id: str, n: int) -> Slot:
        """Return what the n-th candidate (0 first) of a seed is sampled with."""
        at = (seed_no * self._per_seed + n) % len(self._combinations)
        (endpoint, prompt), temperature = self._combinations[at]
        if self._range is not None:
            share = uniform(self._run_seed, "temperature", seed_id, n)
            temperature = round(self._range.min + share * (self._range.max - self._range.min), 3)
        return Slot(endpoint, prompt, temperature)


def _interleave(shares: Mapping[str, int]) -> list[str]:
    """Spread each endpoint evenly over one round: {a: 2, b: 1} gives a b a."""
    unit = gcd(*shares.values())
    places = [((k + 0.5) / (count // unit), alias) for alias, count in shares.items() for k in range(count // unit)]
    return [alias for _, alias in sorted(places, key=lambda place: place[0])]


def _pair(left: Sequence[A], right: Sequence[B]) -> list[tuple[A, B]]:
    """Return all pairs, walking the diagonals: both sides move at every step, and no pair comes twice."""
    a, b = len(left), len(right)
    round_length = lcm(a, b)
    return [(left[i % a], right[(i + i // round_length) % b]) for i in range(a * b)]
