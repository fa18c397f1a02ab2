"""A sample of what a program rejected is shown to a model: how often the program is wrong becomes known."""

from __future__ import annotations

from typing import Any

from scripted_model import Answer, ScriptedModel

from config.schema import Verify
from stages.core.base import Place
from stages.core.errors import CandidateError
from stages.core.record import Candidate, Group, Seed
from stages.llm.protocol import Call
from stages.verify.stage import VerifyStage

SAME, OTHER = '{"reason": "both are 7", "pass": true}', '{"reason": "8 is not 7", "pass": false}'


def script(call: Call) -> Answer:
    if call.sample == 3:
        return CandidateError("refused", "policy")
    return SAME if "seven" in call.body["messages"][0]["content"] else OTHER


async def verified(texts: list[str], answer: Answer | None = None, **fallback: Any) -> tuple[Group, list[Call]]:
    group = Group(Seed(0, "s", {"gold": "#### 7"}), [Candidate(n, text) for n, text in enumerate(texts)])
    settings = Verify.model_validate(
        {"check": "numeric", "against": "{{ gold }}", "fallback": {"endpoint": "main", "share": 1.0, **fallback}}
    )
    model = ScriptedModel((lambda _: answer) if answer else script)
    await VerifyStage(Place("check", 1), settings, model, 7).process(group)
    return group, model.calls


def said(group: Group) -> list[object]:
    return [one.verdicts["check"].data.get("fallback") for one in group.candidates]


async def test_only_rejects_are_asked_about_and_the_answer_stands_in_their_verdicts():
    group, calls = await verified(["It is 7", "It is seven, a 1-digit number", "It is 8", "It is 9"])
    assert said(group) == [None, "equivalent", "different", "refused"]
    assert [one.state for one in group.candidates] == ["live", "rejected", "rejected", "rejected"]
    assert [call.sample for call in calls] == [1, 2, 3]
    asked = calls[0].body["messages"][0]["content"]
    assert "<reference>\n#### 7\n</reference>" in asked
    assert "<response>\nIt is seven, a 1-digit number\n</response>" in asked


async def test_a_yes_revives_only_where_that_is_asked_for():
    group, _ = await verified(["It is seven, a 1-digit number", "It is 8"], revive=True)
    assert [one.state for one in group.candidates] == ["live", "rejected"]
    assert group.candidates[0].verdicts["check"].detail == "found 1, expected 7", "why it needed reviving is kept"


async def test_an_unreadable_reply_says_so_and_rejects_as_before():
    group, calls = await verified(["It is 8"], "Well.", revive=True)
    assert said(group) == ["unreadable"]
    assert group.candidates[0].state == "rejected"
    assert len(calls) == 2


async def test_the_share_is_drawn_the_same_way_every_time():
    texts = ["It is 8"] * 400
    one, _ = await verified(texts, OTHER, share=0.25)
    other, _ = await verified(texts, OTHER, share=0.25)
    assert said(one) == said(other)
    assert 70 <= sum(found == "different" for found in said(one)) <= 130


async def test_a_prompt_of_ones_own():
    _, (call,) = await verified(["It is 8"], OTHER, prompt="{{ reference }} {{ gold }} {{ response }}")
    assert call.body["messages"][0]["content"] == "#### 7 #### 7 It is 8"
