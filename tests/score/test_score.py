from __future__ import annotations

import pytest

from config.schema import Score
from stages.core.base import Place
from stages.core.record import Candidate, Group, Seed
from stages.score.score import ScoreStage

SHOWN = "First, 3 + 4 = 7. Then it is 7, because 3 + 4 = 7."


async def scored(text: str, features: dict[str, object], place: Place | None = None) -> Candidate:
    group = Group(Seed(0, "s", {}), [Candidate(0, text)])
    await ScoreStage(place or Place("score", 4), Score.model_validate({"features": features})).process(group)
    return group.candidates[0]


async def test_features_are_weighed_against_each_other():
    """Four steps of 8 earn half of the weight 3; one explanation of 1 the whole of the weight 1."""
    candidate = await scored(SHOWN, {"steps": {"weight": 3, "full_at": 8}, "explanation": {"weight": 1, "full_at": 1}})
    assert candidate.scores == {"score": pytest.approx((3 * 0.5 + 1) / 4)}


async def test_step_kinds_count_as_the_person_weighs_them():
    """Of one ordinal, one connective and two calculations."""
    candidate = await scored(SHOWN, {"steps": {"kinds": {"ordinal": 1, "calculation": 2}, "full_at": 10}})
    assert candidate.scores["score"] == pytest.approx(0.5)


async def test_the_verdict_passes_and_holds_the_raw_counts():
    candidate = await scored(SHOWN, {"explanation": 0.02})
    verdict = candidate.verdicts["score"]
    assert verdict.passed
    assert verdict.score == candidate.scores["score"] == pytest.approx(1 / 3)
    assert verdict.as_dict()["steps"] == {"ordinal": 1, "connective": 1, "calculation": 2, "numbered": 0}
    assert candidate.state == "live"


async def test_nothing_asked_scores_zero():
    assert (await scored(SHOWN, {})).scores == {"score": 0.0}


async def test_a_feature_of_negative_weight_takes_away():
    candidate = await scored(SHOWN, {"steps": {"weight": 1, "full_at": 1}, "explanation": {"weight": -1, "full_at": 1}})
    assert candidate.scores["score"] == 0.0


async def test_only_the_chosen_are_scored():
    candidate = await scored(SHOWN, {"explanation": 1}, Place("score", 4, where=lambda scope: "#" in scope["response"]))
    assert candidate.scores == {} == candidate.verdicts
