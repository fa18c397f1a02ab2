from __future__ import annotations

from typing import Any

import pytest
from scripted_model import Answer, ScriptedModel

from config.schema import Score
from stages.core.base import Place
from stages.core.record import Candidate, Group, Seed
from stages.judge.constitution import Constitution
from stages.judge.marking import axis_weights, marker
from stages.llm.protocol import Model
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
    assert verdict.data["features"]["steps"] == {"ordinal": 1, "connective": 1, "calculation": 2, "numbered": 0}
    assert candidate.state == "live"


async def test_nothing_asked_scores_zero():
    assert (await scored(SHOWN, {})).scores == {"score": 0.0}


async def test_a_feature_of_negative_weight_takes_away():
    candidate = await scored(SHOWN, {"steps": {"weight": 1, "full_at": 1}, "explanation": {"weight": -1, "full_at": 1}})
    assert candidate.scores["score"] == 0.0


async def test_only_the_chosen_are_scored():
    candidate = await scored(SHOWN, {"explanation": 1}, Place("score", 4, where=lambda scope: "#" in scope["response"]))
    assert candidate.scores == {} == candidate.verdicts


# By models


CONSTITUTION = Constitution.model_validate(
    {
        "principles": [
            {"id": "clear", "text": "It is clear.", "weight": 3},
            {"id": "harmless", "text": "It harms nobody."},
        ]
    }
)
AXES = {"clear": "Is it clear?", "harmless": "Does it harm nobody?"}


def marks(**by_alias: list[Answer]) -> list[Model]:
    return [ScriptedModel(script, alias) for alias, script in by_alias.items()]


def both(clear: int, harmless: int) -> str:
    return f'{{"clear": {clear}, "harmless": {harmless}}}'


async def judged(models: list[Model], texts: str = "x", place: Place | None = None, **config: Any) -> list[Candidate]:
    """Score a candidate of each letter."""
    settings = Score.model_validate({"endpoint": [model.alias for model in models], "per_call": "all", **config})
    group = Group(Seed(0, "s", {"question": "?"}), [Candidate(n, text) for n, text in enumerate(texts)])
    weights = axis_weights(settings, CONSTITUTION)
    place = place or Place("score", 4)
    await ScoreStage(place, settings, models, marker(place, settings, CONSTITUTION, 7), weights).process(group)
    return group.candidates


@pytest.mark.parametrize(
    ("keys", "score"),
    [
        ({}, (3 * 1 + 1 * 0.25) / 4),  # marks of 5 and 2 of 1 to 5
        ({"weights": {"harmless": 3}}, 0.625),
        ({"combine": "min"}, 0.25),
        ({"combine": "geometric"}, 0.25**0.25),
        ({"combine": "min", "weights": {"harmless": 0}}, 1.0),
        ({"scale": [0, 10]}, (3 * 0.5 + 0.2) / 4),
    ],
)
async def test_axes_of_the_constitution_become_one_score(keys: dict[str, Any], score: float):
    (candidate,) = await judged(marks(main=[both(5, 2)]), axes="constitution", **keys)
    assert candidate.scores == {"score": pytest.approx(score)}
    verdict = candidate.verdicts["score"]
    assert verdict.data["axes"] == {"clear": 5, "harmless": 2}
    assert verdict.data["votes"] == [
        {"judge": "main", "score": pytest.approx(score), "axes": {"clear": 5, "harmless": 2}}
    ]


async def test_axes_of_ones_own_weigh_alike_and_are_asked_about_one_by_one():
    models = [ScriptedModel(lambda call: '{"score": 3}' if "clear?" in str(call.body) else '{"score": 5}', "main")]
    (candidate,) = await judged(list(models), axes=AXES, per_call="one")
    assert candidate.scores["score"] == 0.75
    assert len(models[0].calls) == 2


async def test_below_a_gate_a_candidate_falls_whatever_its_score():
    low, high = await judged(marks(main=[both(5, 3), both(2, 4)]), "ab", axes=AXES, gates={"harmless": 4})
    assert (low.state, low.reason, low.detail) == ("rejected", "below_gate", "harmless 3, 4 is needed")
    assert low.scores["score"] > high.scores["score"]
    assert high.state == "live"


async def test_marking_keeps_who_is_below_a_gate():
    (low,) = await judged(marks(main=[both(5, 3)]), place=Place("score", 4, "mark"), axes=AXES, gates={"harmless": 4})
    assert (low.state, low.verdicts["score"].passed) == ("live", False)


async def test_one_overall_mark_may_be_asked_for():
    models = [ScriptedModel(['{"score": 4}'], "main")]
    (candidate,) = await judged(list(models), prompt="How good is {{ response }} for {{ question }}")
    assert candidate.scores["score"] == 0.75
    assert "axes" not in candidate.verdicts["score"].data
    assert models[0].calls[0].body["messages"][0]["content"] == "How good is x for ?"


async def test_a_panel_is_averaged_and_who_cannot_be_read_counts_for_nobody():
    models = marks(one=[both(5, 5)], two=["Well.", "Well."], three=[both(3, 3)])
    (candidate,) = await judged(models, axes=AXES)
    assert candidate.scores["score"] == 0.75
    assert [vote["score"] for vote in candidate.verdicts["score"].data["votes"]] == [1.0, None, 0.5]


async def test_where_nobody_can_be_read_the_candidate_fails_without_a_score():
    (candidate,) = await judged(marks(main=["Well.", "Well."]), axes=AXES, features={"steps": 1})
    assert (candidate.state, candidate.reason, candidate.scores) == ("failed", "unreadable", {})


async def test_strict_and_mild_models_count_alike_where_their_scores_are_compared_in_a_seed_only():
    """The mild one spreads its marks less; by the plain mean the strict one would decide alone."""
    script = {"strict": [both(1, 1), both(5, 5), both(3, 3)], "mild": [both(5, 5), both(4, 4), both(4, 4)]}
    plain = await judged(marks(**script), "abc", axes=AXES)
    assert [round(one.scores["score"], 3) for one in plain] == [0.5, 0.875, 0.625]
    normal = await judged(marks(**script), "abc", axes=AXES, normalise="per_seed")
    first, second, third = (one.scores["score"] for one in normal)
    assert first + second + third == pytest.approx(0)
    assert first == pytest.approx((-1.2247 + 1.4142) / 2, abs=1e-4)
    assert normal[0].verdicts["score"].data["axes"] == {"clear": 3, "harmless": 3}, "gates and reports see the marks"


async def test_alone_in_its_seed_a_candidate_is_neither_above_nor_below():
    (candidate,) = await judged(marks(main=[both(5, 5)]), axes=AXES, normalise="per_seed")
    assert candidate.scores["score"] == 0


async def test_features_stand_beside_the_axes_with_little_weight():
    features = {"explanation": {"weight": 1, "full_at": 1}}
    (candidate,) = await judged(marks(main=[both(5, 2)]), axes="constitution", combine="min", features=features)
    assert candidate.scores["score"] == pytest.approx((4 * 0.25 + 1 * 0) / 5)


# More features


async def test_length_earns_less_on_either_side_of_its_target():
    for words, credit in ((5, 0.5), (10, 1), (40, 0.25)):
        candidate = await scored("word " * words, {"length": {"weight": 1, "target": 10}})
        assert candidate.scores["score"] == credit


async def test_readability_earns_by_flesch():
    for text, credit in (("The cat sat on the mat.", 1), ("Consideration of alternatives requires imagination.", 0)):
        assert (await scored(text, {"readability": 1})).scores["score"] == credit


async def test_partial_credit_counts_matched_steps_and_is_left_out_where_a_reference_has_none():
    partial = {"weight": 1, "reference": "It is 3 + 4 = 7.\nTwice that is 14."}
    candidate = await scored("So 7, then.", {"partial_credit": partial})
    assert candidate.scores["score"] == 0.5
    assert candidate.verdicts["score"].data["features"]["partial_credit"] == {"matched": 1, "steps": 2}
    none = {"partial_credit": {**partial, "reference": "None."}, "explanation": {"weight": 1, "full_at": 1}}
    assert (await scored("Because.", none)).scores["score"] == 1


async def test_a_reference_that_does_not_fit_the_row_fails_the_candidate():
    candidate = await scored("7", {"partial_credit": {"reference": "{{ solution }}"}})
    assert candidate.state == "failed"
