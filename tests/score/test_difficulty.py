from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from scripted_model import Answer, ScriptedModel

from config.schema import Difficulty
from stages.core.base import Place
from stages.core.errors import CandidateError
from stages.core.record import Candidate, Group, Seed, Verdict
from stages.llm.protocol import Call
from stages.score.difficulty import DifficultyStage
from stages.score.draw import Draw

PROMPT = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Solve: 3 + 4?"}]


def group(right: int, wrong: int, **lineage: Any) -> Group:
    verdicts = [Verdict(True)] * right + [Verdict(False, reason="wrong_answer")] * wrong
    made = Group(Seed(0, "s", {"question": "3 + 4?"}))
    for n, verdict in enumerate(verdicts):
        candidate = Candidate(n, "7", prompt=PROMPT, verdicts={"verify": verdict}, lineage={"prompt": 0, **lineage})
        made.candidates.append(candidate)
        if not verdict.passed:
            made.reject(candidate, "verify", verdict.reason)
    return made


async def by_text(_: Group, candidate: Candidate) -> Verdict:
    if not candidate.text:
        raise CandidateError("no_answer", "")
    return Verdict(candidate.text == "7")


async def found(
    one: Group,
    script: Callable[[Call], Answer] | None = None,
    rates: bool = False,
    adaptive: bool = False,
    place: Place | None = None,
    **config: Any,
) -> tuple[dict[str, Any], list[Call]]:
    """Return the verdict's data of the first that lives, and what was asked."""
    model = ScriptedModel(script or [], "main")
    settings = Difficulty.model_validate(config)
    place = place or Place("difficulty", 2)
    own = Draw(place, settings, model, by_text, 7) if settings.samples else None
    stage = DifficultyStage(place, settings, ["verify"], adaptive, own, model if rates else None, 7)
    await stage.process(one)
    verdict = next((live.verdicts["difficulty"] for live in one.live if "difficulty" in live.verdicts), Verdict(True))
    assert verdict.passed
    return verdict.data, model.calls


async def test_the_pass_rate_of_the_seeds_own_candidates_counts_the_fallen_ones_too():
    one = group(2, 6)
    data, calls = await found(one)
    assert data == {
        "difficulty": "moderate",
        "by": "pass_rate",
        "passed": 2,
        "samples": 8,
        "pass_rate": 0.25,
        "low": pytest.approx(0.0715, abs=1e-3),
        "high": pytest.approx(0.5907, abs=1e-3),
    }
    assert [candidate.fields["difficulty"] for candidate in one.candidates] == ["moderate"] * 8
    assert calls == []


async def test_a_seed_that_nothing_solved_is_unsolved_and_its_candidates_know_it():
    one = group(0, 8)
    await found(one)
    assert {candidate.fields["difficulty"] for candidate in one.candidates} == {"unsolved"}
    assert all("difficulty" not in candidate.verdicts for candidate in one.candidates)


async def test_waves_are_told_by_the_posterior():
    assert (await found(group(1, 1), min_samples=2))[0]["pass_rate"] == 0.5
    assert (await found(group(1, 1), min_samples=2, adaptive=True))[0]["pass_rate"] == round(1.5 / 3.3, 4)


async def test_an_own_draw_asks_as_the_candidates_were_asked_and_forgets_their_rate():
    answers = ["7", "8", "7", "", "9", "7", "7", "7", "7", "7"]
    one = group(1, 0)
    data, calls = await found(one, lambda call: answers[call.sample], endpoint="main", samples=10, adaptive=True)
    assert [call.body["messages"] for call in calls] == [PROMPT] * 10
    assert {call.body["temperature"] for call in calls} == {1.0}
    assert len({call.body["seed"] for call in calls}) == 10
    assert (data["passed"], data["samples"], data["pass_rate"]) == (7, 9, round(7 / 9, 4)), "one could not be checked"
    assert data["difficulty"] == "easy"
    assert len(one.candidates) == 1, "what was drawn is counted and not kept"


async def test_an_own_draw_asks_by_a_prompt_of_its_own_and_its_failures_are_no_wrong_answers():
    def refuse(call: Call) -> Answer:
        return CandidateError("refused", "no") if call.sample < 3 else "7"

    keys = {"endpoint": "main", "samples": 8, "temperature": 0.7, "max_tokens": 50, "prompt": "Now: {{ question }}"}
    data, calls = await found(group(1, 0), refuse, **keys)
    assert calls[0].body["messages"] == [{"role": "user", "content": "Now: 3 + 4?"}]
    assert (calls[0].body["temperature"], calls[0].body["max_tokens"]) == (0.7, 50)
    assert (data["samples"], data["difficulty"]) == (5, "unknown")


@pytest.mark.parametrize(
    ("rating", "bucket"), [(1, "easy"), (3, "easy"), (4, "moderate"), (7, "moderate"), (8, "hard")]
)
async def test_a_models_rating_is_asked_once_for_a_seed(rating: int, bucket: str):
    data, (call,) = await found(group(3, 0), lambda _: f'{{"difficulty": {rating}}}', rates=True, by="model")
    assert data == {"difficulty": bucket, "by": "model", "rating": rating}
    assert "<task>\nSolve: 3 + 4?\n</task>" in call.body["messages"][0]["content"]


async def test_a_rating_that_cannot_be_read_is_unknown_and_fails_nobody():
    one = group(2, 0)
    data, calls = await found(one, lambda _: "Hard to say.", rates=True, by="model", rating="Rate {{ task }}")
    assert data == {"difficulty": "unknown", "by": "model", "rating": None, "unrated": "unreadable"}
    assert len(one.live) == 2
    assert calls[0].body["messages"][0]["content"] == "Rate Solve: 3 + 4?"


@pytest.mark.parametrize(
    ("right", "wrong", "rating", "bucket", "disagree"),
    [
        (8, 0, 2, "easy", False),
        (8, 0, 9, "easy", True),
        (1, 7, 9, "hard", False),
        (1, 1, 9, "hard", None),
        (8, 0, "?", "easy", None),
    ],
)
async def test_both_are_recorded_and_their_disagreement(
    right: int, wrong: int, rating: object, bucket: str, disagree: bool | None
):
    data, _ = await found(group(right, wrong), lambda _: f'{{"difficulty": {rating}}}', rates=True, by="both")
    assert (data["difficulty"], data["disagree"]) == (bucket, disagree)
    assert {data["by_pass_rate"], data["by_model"]} <= {"easy", "moderate", "hard", "unknown"}


async def test_what_nothing_solved_agrees_with_a_rating_of_hard():
    one = group(0, 8)
    await found(one, lambda _: '{"difficulty": 10}', rates=True, by="both")
    assert one.candidates[0].fields["difficulty"] == "unsolved"


async def test_nothing_is_asked_where_no_candidate_is_to_be_looked_at():
    place = Place("difficulty", 2, where=lambda scope: False)
    for one in (group(8, 0), Group(Seed(0, "s", {}))):
        _, calls = await found(one, lambda _: "7", place=place, endpoint="main", samples=8)
        assert calls == []
        assert all(candidate.fields == {} for candidate in one.candidates)
