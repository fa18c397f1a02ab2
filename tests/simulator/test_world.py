"""How often the simulated model is right, and how it is wrong."""

from __future__ import annotations

from collections import Counter
from statistics import mean
from typing import Any

import pytest

from service.simulator.draws import Draws
from service.simulator.options import Beta, Options
from service.simulator.questions import KnownQuestions, Question
from service.simulator.world import World


def make(known: KnownQuestions | None = None, **options: Any) -> World:
    return World(Options(**options), known or KnownQuestions())


def question(text: str) -> Question:
    (only,) = make().questions(text)
    return only


def answers(world: World, asked: Question, temperature: float = 1.0, count: int = 400) -> Counter[str]:
    return Counter(world.answer(asked, temperature, Draws(7, n)) for n in range(count))


@pytest.mark.parametrize("accuracy", [0.0, 0.3, 1.0])
def test_accuracy_is_the_share_of_right_answers_at_temperature_1(accuracy: float) -> None:
    right = answers(make(accuracy=accuracy), question("What is 12 + 30?"), count=2000)["42"] / 2000
    assert right == pytest.approx(accuracy, abs=0.03)


def test_questions_differ_in_difficulty_as_the_beta_distribution_says() -> None:
    world = make(beta=Beta(2, 6))
    asked = [question(f"What is {a} + {b}?") for a in range(40) for b in range(25)]
    rates = [mean(world.answer(q, 1.0, Draws(7, q.text, n)) == q.gold for n in range(10)) for q in asked]
    assert mean(rates) == pytest.approx(0.25, abs=0.02)
    assert max(rates) > 0.7
    assert min(rates) == 0


def test_wrong_answers_agree_as_often_as_told() -> None:
    wrong = answers(make(accuracy=0.0, common_wrong=0.6), question("What is 12 + 30?"), count=1000)
    assert wrong.most_common(1)[0][1] / 1000 == pytest.approx(0.6, abs=0.05)
    assert len(wrong) > 3


def test_the_common_wrong_answer_is_not_the_same_slip_for_every_question() -> None:
    slips = set()
    for a in range(20, 40):
        asked = question(f"What is {a} + 11?")
        slips.add(int(answers(make(accuracy=0.0), asked, count=40).most_common(1)[0][0]) - int(asked.gold))
    assert len(slips) > 3


def test_cold_answers_settle_and_hot_ones_scatter() -> None:
    asked, world = question("What is 12 + 30?"), make(accuracy=0.4, common_wrong=0.3)
    shares = [answers(world, asked, temperature)["42"] / 400 for temperature in (0.0, 0.5, 1.0, 2.0)]
    assert shares[0] == 1.0
    assert shares == sorted(shares, reverse=True)
    assert shares[-1] < 0.35


def test_a_wrong_answer_that_is_no_number_is_the_answer_to_another_question() -> None:
    known = KnownQuestions([("capital of France", "Paris"), ("capital of Peru", "Lima"), ("capital of Mali", "Bamako")])
    world = make(accuracy=0.0, known=known)
    (asked,) = world.questions("What is the capital of Peru?")
    assert {world.answer(asked, 1.0, Draws(n)) for n in range(50)} == {"Paris", "Bamako"}


def test_the_working_leads_to_the_answer_given() -> None:
    asked = question("What is 2 + 3 * 4?")
    for accuracy in (0.0, 1.0):
        answer = make(accuracy=accuracy).answer(asked, 1.0, Draws(7))
        lines = make(accuracy=accuracy).solution(asked, 1.0, Draws(7)).splitlines()
        assert (answer == "14") is bool(accuracy)
        assert "3 * 4 = 12." in lines[1]
        assert f"2 + 12 = {answer}." in lines[2]
        assert lines[-1].endswith(f"answer is {answer}.")


def test_another_seed_makes_other_questions_hard() -> None:
    asked = [question(f"What is {a} + 11?") for a in range(30)]

    def rights(seed: int) -> list[bool]:
        world = make(seed=seed)
        return [world.answer(q, 0.0, Draws(7)) == q.gold for q in asked]

    assert rights(1) == rights(1)
    assert rights(1) != rights(2)
