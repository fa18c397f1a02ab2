from __future__ import annotations

from collections.abc import Callable, Iterable

import pytest

from config.schema import Judge
from stages.core.base import Place
from stages.core.errors import CandidateError, RunStopped
from stages.core.events import Event, VerdictGiven
from stages.core.record import Candidate, Group, Seed
from stages.judge.constitution import Constitution
from stages.judge.eliminate import EliminateStage
from stages.llm.protocol import Call
from stages.llm.scripted import Answer, ScriptedModel

CONSTITUTION = Constitution.model_validate(
    {
        "principles": [
            {
                "id": "shows-steps",
                "text": "The answer shows its steps.",
                "applies_if": "the question asks for a calculation",
                "examples": ["'12.' alone breaks it."],
                "eliminate": ["No step is shown.", "The steps are for another question."],
            },
            {"id": "polite", "text": "It is polite."},
        ]
    }
)
PASSES = '{"principle": "polite", "pass": true}'


def group(*texts: str) -> Group:
    prompt = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Solve: what is 3 + 4?"}]
    candidates = [Candidate(n, text, prompt=prompt) for n, text in enumerate(texts)]
    return Group(Seed(0, "s", {"question": "3 + 4?"}), candidates)


async def judged(
    script: Callable[[Call], Answer] | Iterable[Answer],
    texts: tuple[str, ...] = ("7",),
    place: Place | None = None,
    structured: bool = True,
    constitution: Constitution | None = CONSTITUTION,
    **config: object,
) -> tuple[list[Candidate], list[Call]]:
    model = ScriptedModel(script, structured=structured)
    one = group(*texts)
    settings = Judge.model_validate({"endpoint": "main", **config})
    await EliminateStage(place or Place("judge", 2), settings, model, constitution).process(one)
    return one.candidates, model.calls


def asked(call: Call) -> str:
    return str(call.body["messages"][0]["content"])


async def test_the_judge_sees_the_task_the_response_and_every_criterion():
    _, (call,) = await judged([PASSES], ("It is 7.",))
    text = asked(call)
    assert "<task>\nSolve: what is 3 + 4?\n</task>" in text
    assert "<response>\nIt is 7.\n</response>" in text
    assert "- shows-steps: No step is shown. (Only if the question asks for a calculation.)\n" in text
    assert "- shows-steps: The steps are for another question." in text
    assert '- polite: The response breaks this principle: "It is polite."\n' in text
    assert "Example: '12.' alone breaks it." in text
    assert "Be brief." not in text


async def test_what_passes_goes_on_and_what_a_criterion_applies_to_is_eliminated_by_name():
    def judge(call: Call) -> str:
        return '{"principle": "shows-steps", "pass": false}' if "\n12\n" in asked(call) else PASSES

    candidates, _ = await judged(judge, ("7", "12"))
    assert [candidate.state for candidate in candidates] == ["live", "rejected"]
    assert candidates[1].reason == "eliminated"
    assert candidates[1].detail == "shows-steps: The answer shows its steps."
    assert candidates[1].verdicts["judge"].as_dict()["principle"] == "shows-steps"


@pytest.mark.parametrize("reply", ['{"principle": "no such one", "pass": false}', '{"pass": false}', "No."])
async def test_an_elimination_without_a_principle_says_so(reply: str):
    (candidate,), _ = await judged([reply])
    assert (candidate.reason, candidate.detail) == ("eliminated", "the judge named no principle")


async def test_an_unreadable_reply_is_asked_for_once_more():
    (candidate,), (first, second) = await judged(["Well, it depends.", PASSES])
    assert candidate.state == "live"
    assert (first.part, second.part) == ("", "reask")
    assert [message["role"] for message in first.body["messages"]] == ["user"]
    assert second.body["messages"][:2] == [
        *first.body["messages"],
        {"role": "assistant", "content": "Well, it depends."},
    ]


async def test_a_judge_that_stays_unreadable_fails_the_candidate_and_scores_nothing():
    candidates, calls = await judged(lambda call: PASSES if "\n7\n" in asked(call) else "", ("7", "8"))
    assert [candidate.state for candidate in candidates] == ["live", "failed"]
    verdict = candidates[1].verdicts["judge"]
    assert (verdict.passed, verdict.score, verdict.reason) == (None, None, "unreadable")
    assert len(calls) == 3


async def test_a_refused_call_fails_its_own_candidate():
    def judge(call: Call) -> Answer:
        return CandidateError("refused", "content policy") if "\n8\n" in asked(call) else PASSES

    candidates, _ = await judged(judge, ("7", "8", "9"))
    assert [candidate.state for candidate in candidates] == ["live", "failed", "live"]
    assert (candidates[1].reason, candidates[1].detail) == ("refused", "content policy")


async def test_a_dead_endpoint_stops_the_run():
    with pytest.raises(RunStopped):
        await judged([RunStopped("no key is left")])


async def test_the_schema_is_asked_for_where_the_server_takes_one():
    _, (with_schema,) = await judged([PASSES])
    _, (without,) = await judged([PASSES], structured=False)
    schema = with_schema.body["response_format"]["json_schema"]["schema"]
    assert schema["properties"]["principle"]["enum"] == ["shows-steps", "polite"]
    assert schema["required"] == ["principle", "pass"]
    assert "response_format" not in without.body


async def test_sampling_is_as_configured():
    _, (call,) = await judged([PASSES], temperature=0.5, max_tokens=50)
    assert (call.body["temperature"], call.body["max_tokens"]) == (0.5, 50)
    _, (call,) = await judged([PASSES], max_tokens=None)
    assert call.body["temperature"] == 0
    assert "max_tokens" not in call.body


async def test_a_prompt_of_ones_own_sees_the_columns_and_may_be_answered_by_a_word():
    prompt = "{{ question }} {{ response }}? {{ principles[0].id }}. {{ task }}"
    (candidate,), (call,) = await judged(["No."], prompt=prompt)
    assert asked(call) == "3 + 4? 7? shows-steps. Solve: what is 3 + 4?"
    assert candidate.reason == "eliminated"


async def test_a_prompt_of_ones_own_needs_no_constitution():
    (candidate,), (call,) = await judged([PASSES], constitution=None, prompt="Is {{ response }} right?")
    assert asked(call) == "Is 7 right?"
    assert list(call.body["response_format"]["json_schema"]["schema"]["properties"]) == ["pass"]
    assert candidate.state == "live"


async def test_marking_eliminates_nobody_and_observers_hear_of_it():
    heard: list[Event] = []
    place = Place("judge", 2, "mark", observe=heard.append)
    (candidate,), _ = await judged(['{"principle": "polite", "pass": false}'], place=place)
    assert candidate.state == "live"
    assert candidate.verdicts["judge"].passed is False
    assert heard == [VerdictGiven("judge", "marked", "eliminated")]


async def test_calls_of_candidates_are_told_apart():
    _, calls = await judged(lambda _: PASSES, ("7", "7"))
    assert {(call.stage, call.depth, call.purpose, call.sample) for call in calls} == {
        ("judge", 2, "eliminate", 0),
        ("judge", 2, "eliminate", 1),
    }
