from __future__ import annotations

from config.schema import Select
from stages.core.base import Place
from stages.core.record import Candidate, Group, Seed
from stages.judge.select import SelectStage


async def selected(scores: list[float | None], place: Place | None = None, **config: object) -> list[Candidate]:
    candidates = [Candidate(n, str(n)) for n in range(len(scores))]
    for candidate, score in zip(candidates, scores, strict=True):
        if score is not None:
            candidate.scores = {"features": 0.0, "judge": score}
    group = Group(Seed(0, "s", {}), candidates)
    await SelectStage(place or Place("select", 3), Select.model_validate(config)).process(group)
    return candidates


def live(candidates: list[Candidate]) -> list[int]:
    return [candidate.n for candidate in candidates if candidate.state == "live"]


async def test_by_order_the_first_stay():
    assert live(await selected([0.1, 0.9, 0.5], top=2)) == [0, 1]


async def test_by_score_the_best_stay_ties_go_to_the_earlier_and_the_unscored_stand_last():
    assert live(await selected([None, 0.5, 0.9, 0.5], top=2, by="score")) == [1, 2]
    assert live(await selected([None, -3.0], top=1, by="score")) == [1]


async def test_the_latest_score_is_the_one_that_counts():
    candidates = await selected([0.2, 0.4], by="score")
    assert live(candidates) == [1]


async def test_who_does_not_go_on_is_told_where_they_stood():
    candidates = await selected([0.1, 0.9], by="score")
    assert (candidates[0].state, candidates[0].reason) == ("rejected", "not_selected")
    assert candidates[0].detail == "place 2 of 2 by score; the top 1 go on"
    assert candidates[1].verdicts["select"].data == {"place": 1}


async def test_fewer_than_asked_all_stay():
    assert live(await selected([0.1], top=5)) == [0]


async def test_only_the_chosen_compete_and_marking_rejects_nobody():
    place = Place("select", 3, where=lambda scope: scope["response"] != "0")
    assert live(await selected([0.1, 0.2, 0.3], place)) == [0, 1]
    marked = await selected([0.1, 0.2], Place("select", 3, "mark"))
    assert live(marked) == [0, 1]
    assert marked[1].verdicts["select"].passed is False
