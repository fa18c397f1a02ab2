"""A simulated generator that slides into repetition, and what brings it back."""

from __future__ import annotations

import pytest

from service.simulator.draws import Draws
from service.simulator.slide import Slide


def repeats(slide: Slide, texts: int, temperature: float = 0.7, prompt: str = "Write a task", key: str = "") -> float:
    """Return the share of texts that were written before, in the long run five of them."""
    said = [slide.text(f"{prompt} {n}", temperature, Draws(1, key, n)) for n in range(texts)]
    return 1 - (len(set(said)) - 5) / texts


def test_the_share_of_repeats_rises_from_two_per_cent_to_forty() -> None:
    slide = Slide(seed=1, after=2_000)
    assert repeats(slide, 2_000, key="before") == pytest.approx(0.02, abs=0.015)
    assert repeats(slide, 500, key="during") == pytest.approx(0.21, abs=0.06)
    assert repeats(slide, 2_000, key="after") == pytest.approx(0.4, abs=0.04)


def test_it_answers_to_temperature_and_to_another_prompt() -> None:
    slide = Slide(seed=1, after=0)
    repeats(slide, 500, key="slide")
    assert repeats(slide, 1_000, temperature=1.0, key="warm") == pytest.approx(0.2, abs=0.05)
    assert repeats(slide, 1_000, temperature=1.3, key="hot") < 0.01
    assert repeats(slide, 100, prompt="Invent something quite", key="other") < 0.12
