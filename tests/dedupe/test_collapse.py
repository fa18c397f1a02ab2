"""Alarms, and what answers them: one stage's monitor, without a run around it."""

from __future__ import annotations

import random
from collections.abc import Iterator
from typing import Any

import pytest

from config.schema import Collapse, Generate
from stages.core.base import Place
from stages.core.record import Candidate, Group, Seed
from stages.dedupe.collapse import CollapseMonitor, steps


class Kept:
    """Decisions in memory: what a ledger would hold."""

    def __init__(self) -> None:
        self.rows: list[tuple[str, str, Any]] = []

    def made(self, kind: str) -> Iterator[tuple[str, Any]]:
        return ((scope, body) for made, scope, body in list(self.rows) if made == kind)

    async def make(self, kind: str, scope: str, body: Any) -> None:
        self.rows.append((kind, scope, body))

    def told(self) -> list[Any]:
        return [body for _, body in self.made("collapse")]


class Stream:
    """A generator whose outputs are repeats with a given chance, and end well with another one."""

    def __init__(self, kept: Kept, respond: tuple[str, ...] = (), stage: str = "generate", **config: Any) -> None:
        self._config = Generate(endpoint="m", prompts=["a", "b"], **config)
        collapse = Collapse.model_validate({"respond": respond})
        self.monitor = CollapseMonitor(Place(stage, 0), self._config, collapse, kept, clock=lambda: 0.0)
        self._chance, self._number = random.Random(3), 0

    async def bring(self, outputs: int, repeats: float, passing: float = 1.0) -> None:
        for _ in range(outputs):
            self._number += 1
            stale = self._chance.random() < repeats
            text = "the same old words again and again" if stale else f"something new number {self._number} this time"
            group = Group(Seed(self._number, f"s{self._number}", {}), [Candidate(0, text)])
            await self.monitor.saw(group, group.candidates[0], self.monitor.steerings[-1])
            if self._chance.random() >= passing:
                group.reject(group.candidates[0], "judge", "eliminated")
            self.monitor.left(group)

    async def slide(self, passing: float = 1.0) -> None:
        """Repeat half of what was said until that has changed the steering."""
        before = len(self.monitor.steerings)
        for _ in range(400):
            await self.bring(1, 0.5, passing)
            if len(self.monitor.steerings) > before:
                return
        pytest.fail("no step was taken")


async def test_an_alarm_takes_the_next_step_and_a_lasting_one_another() -> None:
    kept = Kept()
    stream = Stream(kept, ("temperature", "persona"))
    await stream.bring(400, 0.01)
    assert kept.told() == []
    await stream.bring(100, 0.5)
    assert [row["step"] for row in kept.told()] == ["temperature"]
    await stream.bring(150, 0.5)
    assert [row["step"] for row in kept.told()] == ["temperature", "persona"]
    now = stream.monitor.steerings[-1]
    assert now.warmer == 0.2
    assert len(now.personas) > 3


async def test_a_step_under_which_fewer_are_accepted_is_taken_back_and_the_next_one_tried() -> None:
    kept = Kept()
    stream = Stream(kept, ("temperature", "prompt"))
    await stream.bring(400, 0.01, passing=0.8)
    await stream.slide(passing=0.8)
    assert stream.monitor.steerings[-1].warmer == 0.2
    await stream.bring(110, 0.0, passing=0.4)
    alarm, undone = kept.told()
    assert (undone["what"], undone["step"], undone["steering"]["number"]) == ("undone", "temperature", 2)
    assert undone["before"]["yield"] == alarm["now"]["yield"] == pytest.approx(0.8, abs=0.1)
    assert undone["now"]["yield"] == pytest.approx(0.4, abs=0.15)
    assert stream.monitor.steerings[-1].warmer == 0.0
    await stream.slide(passing=0.8)
    assert (stream.monitor.steerings[-1].warmer, stream.monitor.steerings[-1].prompt) == (0.0, 1)


async def test_a_step_that_costs_nothing_stays_and_its_effect_is_written_down() -> None:
    kept = Kept()
    stream = Stream(kept, ("verbalized",))
    await stream.bring(400, 0.01)
    await stream.slide()
    await stream.bring(1_000, 0.01, passing=0.99)
    alarm, effect = kept.told()
    assert effect["what"] == "effect"
    assert effect["before"] == alarm["now"]
    assert effect["now"]["repeated"] < 0.1 < effect["before"]["repeated"]
    assert stream.monitor.steerings[-1].verbalized


async def test_what_nothing_answers_is_told_once_in_a_long_while() -> None:
    kept = Kept()
    stream = Stream(kept)
    await stream.bring(400, 0.01)
    await stream.bring(6_000, 0.5)
    assert [row["what"] for row in kept.told()] == ["alarm", "alarm"]
    assert kept.told()[1]["at"] - kept.told()[0]["at"] >= 5_000
    assert len(stream.monitor.steerings) == 1


async def test_a_resumed_run_begins_with_its_steerings_and_with_what_was_usual() -> None:
    kept = Kept()
    stream = Stream(kept, ("temperature", "prompt"))
    await stream.bring(400, 0.01)
    await stream.slide()
    await Stream(kept, ("temperature",), stage="other").bring(150, 0.9)
    resumed = Stream(kept, ("temperature", "prompt"))
    await resumed.monitor.start()
    assert resumed.monitor.steerings == stream.monitor.steerings
    await resumed.slide()
    assert resumed.monitor.steerings[-1].prompt == 1, "no second warm-up"
    at = [body["at"] for scope, body in kept.made("collapse") if scope == "generate"]
    assert at == sorted(set(at))


async def test_outputs_under_an_older_steering_do_not_call_for_another_step() -> None:
    kept = Kept()
    stream = Stream(kept, ("temperature", "prompt"))
    await stream.bring(400, 0.01)
    await stream.slide()
    for n in range(200):
        group = Group(Seed(9_000 + n, f"old{n}", {}), [Candidate(0, "the same old words again and again")])
        await stream.monitor.saw(group, group.candidates[0], stream.monitor.steerings[0])
    assert len(kept.told()) == 1


@pytest.mark.parametrize(
    ("text", "emit", "told"),
    [("B", "candidates", 0), ("B", "seeds", 1), ("小明有三个苹果又买了四个一共有七个", "candidates", 1)],
)
async def test_short_answers_may_come_again_and_short_seeds_may_not(text: str, emit: str, told: int) -> None:
    kept = Kept()
    monitor = CollapseMonitor(Place("generate", 0), Generate(endpoint="m", emit=emit), None, kept)  # type: ignore[arg-type]  a mode
    for n in range(400):
        group = Group(Seed(n, f"s{n}", {}), [Candidate(0, text)])
        await monitor.saw(group, group.candidates[0], monitor.steerings[0])
    assert len(kept.told()) == told


async def test_the_same_answer_twice_to_one_seed_is_agreement_and_no_repeat() -> None:
    kept = Kept()
    monitor = CollapseMonitor(Place("generate", 0), Generate(endpoint="m"), None, kept)
    for n in range(200):
        text = f"the sum of these two numbers is {n}"
        group = Group(Seed(n, f"s{n}", {}), [Candidate(k, text) for k in range(4)])
        for candidate in group.candidates:
            await monitor.saw(group, candidate, monitor.steerings[0])
    assert kept.told() == []


async def test_the_yield_of_an_output_that_became_a_seed_is_what_becomes_of_that() -> None:
    kept = Kept()
    stream = Stream(kept, ("temperature",), emit="seeds")
    await stream.bring(400, 0.01)
    await stream.slide()
    monitor = stream.monitor
    for n in range(120):
        parent = Group(Seed(9_000 + n, f"p{n}", {}), [Candidate(0, f"a new instruction {n}")])
        await monitor.saw(parent, parent.candidates[0], monitor.steerings[1])
        child = Group(parent.seed.child(0, {}), [Candidate(0, "x", state="rejected")])
        monitor.became(parent, parent.candidates[0], child.seed)
        parent.candidates = []
        monitor.left(child)
        monitor.left(parent)
    await stream.bring(1, 0.0)
    assert kept.told()[-1]["what"] == "undone"


def test_steps_go_round_as_long_as_one_of_them_can_go_further() -> None:
    collapse = Collapse(respond=("prompt", "verbalized", "temperature"))
    stage = Generate(endpoint="m", prompts=["a", "b", "c"])
    assert steps(collapse, stage) == ["prompt", "verbalized", "temperature", "prompt", "temperature", "temperature"]
    assert steps(None, stage) == []
