"""The annotate stage: what it asks, what it reads out of replies, and what becomes of a seed that gets no label."""

from __future__ import annotations

from typing import Any

import pytest
from scripted_model import Answer, ScriptedModel

from config.schema import Annotate
from stages.core.base import Place
from stages.core.errors import CandidateError
from stages.core.events import Event, VerdictGiven
from stages.core.record import Candidate, Group, Seed
from stages.generate.annotate import AnnotateStage
from stages.llm.protocol import Choice
from stages.prompts.template import Expression

CHOICES = ("algebra", "linear algebra", "geometry")


async def annotated(
    replies: list[Answer], where: str | None = None, structured: bool = False, **keys: Any
) -> tuple[Group, ScriptedModel, list[Event]]:
    """Annotate one seed with a column `question`; `keys` change the stage."""
    config = Annotate.model_validate({"as": "topic", "endpoint": "m", "prompt": "Topic of: {{ question }}", **keys})
    group, seen = Group(Seed(0, "s", {"question": "1+1?"})), list[Event]()
    model = ScriptedModel(replies, structured=structured)
    place = Place("annotate", 0, where=None if where is None else Expression(where), observe=seen.append)
    assert await AnnotateStage(place, config, model, run_seed=7).process(group) is None
    return group, model, seen


@pytest.mark.parametrize(
    ("reply", "label"),
    [
        ('{"topic": "algebra"}', "algebra"),
        ('```json\n{"topic": "GEOMETRY"}\n```', "geometry"),
        ("Algebra", "algebra"),
        ("**Linear Algebra.**", "linear algebra"),
        ("This is about geometry, of course.", "geometry"),
        ('{"topic": "linear algebra", "why": "not geometry"}', "linear algebra"),
    ],
)
async def test_a_label_is_read_from_json_or_from_the_only_choice_that_is_mentioned(reply: str, label: str) -> None:
    group, _, seen = await annotated([reply], choices=CHOICES)
    assert group.seed.row == {"question": "1+1?", "topic": label}
    assert group.seed.topic == label
    assert seen == [VerdictGiven("annotate", "passed")]


async def test_of_two_choices_of_which_one_begins_the_other_the_longer_one_is_mentioned() -> None:
    group, _, _ = await annotated(["Surely rail travel, I say."], choices=("rail", "rail travel"))
    assert group.seed.topic == "rail travel"


async def test_what_is_said_is_the_label_however_likely_the_other_choices_were() -> None:
    """An endpoint's own `body` may ask for log-probabilities."""
    likely = [{"token": "geometry", "logprob": -0.2}, {"token": "algebra", "logprob": -1.8}]
    tokens = ['{"topic": "', "geometry", '"}']
    logprobs = [{"token": token, "logprob": -0.2, "top_logprobs": likely} for token in tokens]
    group, _, _ = await annotated([Choice("".join(tokens), logprobs=logprobs)], choices=CHOICES)
    assert group.seed.topic == "geometry"


async def test_the_model_is_shown_the_choices_and_held_to_them_where_it_can_be() -> None:
    _, plain, _ = await annotated(["algebra"], choices=CHOICES)
    (call,) = plain.calls
    shown = call.body["messages"][0]["content"]
    assert shown.startswith("Topic of: 1+1?\n")
    assert '{"topic":"algebra"} or {"topic":"linear algebra"} or {"topic":"geometry"}' in shown
    assert "response_format" not in call.body
    _, held, _ = await annotated(['{"topic": "algebra"}'], choices=CHOICES, structured=True, max_tokens=9)
    body = held.calls[0].body
    schema = body["response_format"]["json_schema"]["schema"]
    assert schema["properties"] == {"topic": {"type": "string", "enum": list(CHOICES)}}
    assert (body["max_tokens"], body["temperature"]) == (9, 0.0)


@pytest.mark.parametrize("reply", ["algebra or geometry", '{"topic": "calculus"}', "", "pregeometry"])
async def test_what_cannot_be_read_is_asked_once_more(reply: str) -> None:
    group, model, _ = await annotated([reply, "geometry"], choices=CHOICES)
    assert group.seed.topic == "geometry"
    assert len(model.calls) == 2
    assert '{"topic":"geometry"}' in model.calls[1].body["messages"][-1]["content"]


@pytest.mark.parametrize(
    ("replies", "reason"),
    [
        (["calculus", "calculus"], "unreadable"),
        ([CandidateError("bad_request", "too long")], "bad_request"),
    ],
)
async def test_a_seed_without_a_label_goes_on_with_null_and_is_counted(replies: list[Answer], reason: str) -> None:
    group, _, seen = await annotated(replies, choices=CHOICES)
    assert group.seed.row["topic"] is None
    assert group.seed.topic == ""
    assert seen == [VerdictGiven("annotate", "failed", reason)]


async def test_without_choices_the_reply_itself_is_the_column_unless_it_is_empty_or_cut_off() -> None:
    group, model, _ = await annotated([" Sums of\ntwo. \n"], **{"as": "summary"})
    assert group.seed.row["summary"] == "Sums of\ntwo."
    assert group.seed.topic == "", "only a column `topic` is the topic"
    assert model.calls[0].body["messages"][0]["content"] == "Topic of: 1+1?"
    group, _, _ = await annotated([Choice("Sums of", "length"), "Sums"], **{"as": "summary"})
    assert group.seed.row["summary"] == "Sums"
    group, _, seen = await annotated(["", Choice("Sums of", "length")], **{"as": "summary"})
    assert group.seed.row["summary"] is None
    assert seen == [VerdictGiven("annotate", "failed", "unreadable")]


async def test_where_leaves_seeds_out_which_then_have_null_or_what_they_had() -> None:
    group, model, seen = await annotated([], where="question == 'other'", choices=CHOICES)
    assert group.seed.row["topic"] is None
    assert (model.calls, seen) == ([], [])
    group, model, _ = await annotated([], where="false", **{"as": "question"})
    assert group.seed.row == {"question": "1+1?"}


async def test_candidates_that_are_there_stay_as_they_are() -> None:
    config = Annotate.model_validate({"as": "topic", "endpoint": "m", "prompt": "{{ question }}", "choices": CHOICES})
    group = Group(Seed(0, "s", {"question": "1+1?"}), [Candidate(0, "2", "given")])
    await AnnotateStage(Place("annotate", 0), config, ScriptedModel(["algebra"]), run_seed=7).process(group)
    assert (group.seed.topic, group.live[0].verdicts) == ("algebra", {})


@pytest.mark.parametrize("choices", [["a", "A"], ["a"], [""]])
def test_choices_that_leave_nothing_to_choose_are_refused(choices: list[str]) -> None:
    with pytest.raises(ValueError, match="choices"):
        Annotate.model_validate({"as": "topic", "endpoint": "m", "prompt": "x", "choices": choices})
