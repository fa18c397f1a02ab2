from __future__ import annotations

from config.schema import Select
from stages.core.base import Place
from stages.core.record import Candidate, Group, Seed, Verdict
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


def found(**values: list[float | None]) -> list[Candidate]:
    """Return candidates with what earlier stages said of them: their rank, the ballots for their answer."""
    candidates = [Candidate(n, str(n)) for n in range(len(next(iter(values.values()))))]
    for name, given in values.items():
        for candidate, value in zip(candidates, given, strict=True):
            if value is not None:
                candidate.verdicts[name] = Verdict(True, data={name: value})
    return candidates


async def chosen_of(candidates: list[Candidate], **config: object) -> list[int]:
    group = Group(Seed(0, "s", {}), candidates)
    await SelectStage(Place("select", 3), Select.model_validate(config)).process(group)
    return live(candidates)


async def test_by_rank_the_first_places_stay_and_the_unranked_stand_last():
    assert await chosen_of(found(rank=[None, 3, 1, 2]), top=2, by="rank") == [2, 3]


async def test_by_vote_those_with_the_most_ballots_stay():
    assert await chosen_of(found(ballots=[1, 4, None, 4]), top=2, by="vote") == [1, 3]


async def test_who_does_not_stand_high_in_another_order_falls_and_the_next_moves_up():
    candidates = found(rank=[1, 2, 3, 4])
    for candidate, score in zip(candidates, (0.1, 0.8, 0.9, 0.8), strict=True):
        candidate.scores["judge"] = score
    agree = {"with": ["score"], "within_top": 2}
    assert await chosen_of(candidates, top=2, by="rank", agree=agree) == [1, 2]
    assert (candidates[0].reason, candidates[3].reason) == ("disagreed", "not_selected")
    assert candidates[0].detail == "place 1 of 4 by rank, but place 4 by score; the top 2 agree"
    assert candidates[3].verdicts["select"].data == {"place": 4, "places": {"score": 2}}, "equals share a place"
