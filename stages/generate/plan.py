"""The sampling plan: which endpoint, prompt and temperature the n-th candidate of a seed gets.

The plan is every combination of endpoint, prompt and temperature, taken in turn. It goes on from seed to seed: with
more combinations than candidates per seed, no combination is favoured. A temperature given as a range is drawn for
each candidate.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product

from config.schema import TemperatureRange
from stages.core.chance import uniform


@dataclass(frozen=True, slots=True)
class Slot:
    """What one candidate is sampled with. `temperature` None leaves it to the server."""

    endpoint: str
    prompt: int
    temperature: float | TemperatureRange | None


class Plan:
    """Every combination, in turn."""

    def __init__(
        self,
        endpoints: Sequence[str],
        prompts: int,
        temperatures: Sequence[float | TemperatureRange | None],
        per_seed: int,
        run_seed: int,
    ) -> None:
        self._slots = [
            Slot(endpoint, prompt, temperature)
            for endpoint, prompt, temperature in product(endpoints, range(prompts), temperatures)
        ]
        self._per_seed, self._run_seed = per_seed, run_seed

    def slot(self, seed_no: int, seed_id: str, n: int) -> Slot:
        """Return what the n-th candidate (0 first) of a seed is sampled with, a drawn temperature filled in."""
        slot = self._slots[(seed_no * self._per_seed + n) % len(self._slots)]
        temperature = slot.temperature
        if isinstance(temperature, TemperatureRange):
            share = uniform(self._run_seed, "temperature", seed_id, n)
            drawn = round(temperature.min + share * (temperature.max - temperature.min), 3)
            return Slot(slot.endpoint, slot.prompt, drawn)
        return slot
