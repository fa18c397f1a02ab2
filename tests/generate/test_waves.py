"""Waves of candidates: until there are enough, or no more are worth their cost."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from config.schema import Until
from stages.core.base import Again, Place
from stages.core.record import Candidate, Group, Seed
from stages.generate.waves import WaveStage


class Kept:
    """Decisions in memory: what a ledger would hold."""

    def __init__(self) -> None:
        self.rows: list[tuple[str, str, Any]] = []

    def made(self, kind: str) -> Iterator[tuple[str, Any]]:
        return ((scope, body) for made, scope, body in list(self.rows) if made == kind)

    async def make(self, kind: str, scope: str, body: Any) -> None:
        self.rows.append((kind, scope, body))


async def stage(kept: Kept, **until: Any) -> WaveStage:
    made = WaveStage(Place("generate.until", 2), Until(**until), kept)
    await made.start()
    return made


def group(passed: int, failed: int, name: str = "s", wave: int = 0, topic: str = "") -> Group:
    states = ["live"] * passed + ["rejected"] * failed
    candidates = [Candidate(n, "x", state=state) for n, state in enumerate(states)]  # type: ignore[arg-type]  a state
    return Group(Seed(0, name, {}, topic), candidates, wave=wave)


async def test_a_seed_without_enough_gets_a_wave_and_one_with_enough_is_let_go() -> None:
    waves = await stage(Kept(), accepted=2, wave=3)
    assert await waves.process(group(1, 1, "a")) == Again(3)
    assert await waves.process(group(2, 0, "b")) is None


async def test_a_rejected_candidate_is_waited_for_where_pairs_are_wanted() -> None:
    waves = await stage(Kept(), accepted=1, rejected=1, wave=2)
    assert await waves.process(group(2, 0)) == Again(2)


async def test_a_resumed_run_repeats_its_decisions_and_takes_new_ones_after_them() -> None:
    kept = Kept()
    first = await stage(kept, wave=2, max_candidates=6)
    assert await first.process(group(0, 2)) == Again(2)
    assert await first.process(group(0, 4, wave=1)) == Again(2)
    resumed = await stage(kept, wave=1, max_candidates=6)
    assert await resumed.process(group(0, 2)) == Again(2), "as it was decided, and not as it would be now"
    assert await resumed.process(group(0, 4, wave=1)) == Again(2)
    assert await resumed.process(group(0, 6, wave=2)) is None
    assert len(kept.rows) == 3


async def test_a_hopeless_topic_is_given_up_sooner_than_one_that_is_often_solved() -> None:
    waves = await stage(Kept(), wave=2, give_up=12)
    for n in range(200):
        await waves.process(group(2, 0, f"easy{n}", topic="easy"))
        await waves.process(group(0, 2, f"hard{n}", topic="hard", wave=0))
    assert await waves.process(group(0, 2, "easy", topic="easy")) == Again(2)
    assert await waves.process(group(0, 2, "hard", topic="hard")) is None


async def test_what_easy_seeds_leave_of_the_mean_goes_to_hard_ones_and_no_more() -> None:
    waves = await stage(Kept(), wave=2, mean_candidates=4)
    assert await waves.process(group(0, 2, "early")) == Again(2), "its own mean"
    assert await waves.process(group(0, 4, "early", wave=1)) is None, "nobody has left anything yet"
    for n in range(3):
        assert await waves.process(group(1, 1, f"easy{n}")) is None
    hard = [await waves.process(group(0, 2 + 2 * wave, "hard", wave=wave)) for wave in range(6)]
    assert hard == [Again(2), Again(2), Again(2), Again(2), None, None]


async def test_a_seed_for_which_nothing_is_made_is_let_go() -> None:
    assert await (await stage(Kept())).process(group(0, 0)) is None


@pytest.mark.parametrize("resumed", [False, True])
async def test_the_means_account_is_the_same_after_a_resume(resumed: bool) -> None:
    kept = Kept()
    waves = await stage(kept, wave=2, mean_candidates=4)
    for n in range(2):
        await waves.process(group(1, 1, f"easy{n}"))
    waves = await stage(kept, wave=2, mean_candidates=4) if resumed else waves
    hard = [await waves.process(group(0, 2 + 2 * wave, "hard", wave=wave)) for wave in range(5)]
    assert hard == [Again(2), Again(2), Again(2), None, None]
