from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from math import log
from typing import Any

import pytest
from scripted_model import Answer, ScriptedModel

from config.schema import Judge
from stages.core.base import Place
from stages.core.errors import CandidateError, RunStopped
from stages.core.events import Event, VerdictGiven
from stages.core.record import Candidate, Group, Seed
from stages.judge.constitution import Constitution
from stages.judge.judge import JudgeStage
from stages.llm.protocol import Call, Choice

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
    logprobs: bool = False,
    row: dict[str, Any] | None = None,
    **config: object,
) -> tuple[list[Candidate], list[Call]]:
    model = ScriptedModel(script, "main", structured=structured, logprobs=logprobs)
    one = group(*texts)
    one.seed.row.update(row or {})
    settings = Judge.model_validate({"endpoint": "main", **config})
    await JudgeStage(place or Place("judge", 2), settings, [model], None, constitution, 7).process(one)
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
    assert verdict.data["votes"][0].items() >= {"judge": "main", "passed": None, "reason": "unreadable"}.items()
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


async def test_a_verdict_holds_the_vote_and_eliminating_ranks_nobody():
    (candidate,), _ = await judged(['{"principle": "polite", "pass": false}'])
    verdict = candidate.verdicts["judge"]
    assert verdict.score == 0
    assert verdict.data["votes"] == [{"judge": "main", "passed": False, "score": 0.0, "principle": "polite"}]
    assert candidate.scores == {}


async def test_one_principle_per_call_names_itself():
    def judge(call: Call) -> str:
        return '{"principle": "polite", "pass": false}' if "- polite" in asked(call) else '{"pass": true}'

    (candidate,), calls = await judged(judge, per_call="one")
    assert {call.part for call in calls} == {"shows-steps", "polite"}
    assert candidate.verdicts["judge"].data["principle"] == "polite"
    assert candidate.verdicts["judge"].data["axes"] == {"shows-steps": 1.0, "polite": 0.0}


async def test_of_many_principles_some_are_drawn_for_each_seed_and_the_same_for_its_candidates():
    many = Constitution.model_validate({"principles": [{"id": f"p{n}", "text": "Be good."} for n in range(9)]})
    _, calls = await judged(lambda _: '{"pass": true}', ("7", "8"), constitution=many, principles=3)
    drawn = [re.findall(r"^- (p\d):", asked(call), re.MULTILINE) for call in calls]
    assert drawn[0] == drawn[1] == sorted(drawn[0])
    assert len(drawn[0]) == 3


AXES = {"clear": "How clear is it?", "kind": "How kind is it?"}
RUBRIC = {"mode": "rubric", "axes": AXES}


async def test_each_axis_is_asked_about_in_a_call_of_its_own_and_the_marks_are_kept():
    def judge(call: Call) -> str:
        return '{"score": 5}' if "clear" in asked(call) else '{"score": 2}'

    (candidate,), calls = await judged(judge, **RUBRIC)
    assert {call.part for call in calls} == set(AXES)
    assert "- clear: How clear is it?" in asked(calls[0])
    assert "kind" not in asked(calls[0])
    assert calls[0].body["response_format"]["json_schema"]["schema"]["properties"] == {
        "score": {"type": "integer", "enum": [1, 2, 3, 4, 5]}
    }
    verdict = candidate.verdicts["judge"]
    assert (verdict.passed, verdict.score, candidate.scores) == (True, 3.5, {"judge": 3.5})
    assert verdict.data["axes"] == verdict.data["votes"][0]["axes"] == {"clear": 5, "kind": 2}


async def test_a_mean_below_the_threshold_rejects_with_the_weakest_axis():
    (candidate,), (call,) = await judged(['{"clear": 5, "kind": 2}'], **RUBRIC, per_call="all", threshold=4)
    assert (candidate.reason, candidate.detail) == ("low_score", "score 3.5, 4 is needed; lowest: kind 2")
    assert candidate.scores == {"judge": 3.5}
    assert '{"clear": <1-5>, "kind": <1-5>}' in asked(call)


async def test_principles_are_axes_with_their_weights():
    constitution = Constitution.model_validate(
        {"principles": [{"id": "a", "text": "A.", "weight": 3, "axis": "How much A?"}, {"id": "b", "text": "B."}]}
    )
    (candidate,), (call,) = await judged(['{"a": 1, "b": 5}'], mode="rubric", per_call="all", constitution=constitution)
    assert "- a: How much A?\n- b: B.\n" in asked(call)
    assert candidate.scores["judge"] == 2


async def test_a_mark_off_the_scale_is_unreadable():
    (candidate,), calls = await judged(lambda _: '{"score": 9}', **RUBRIC, scale=[1, 7])
    assert candidate.reason == "unreadable"
    assert 'such as {"score":1} or {"score":7}' in calls[-1].body["messages"][-1]["content"]


def four_or_five(text: str) -> Choice:
    top = [{"token": "4", "logprob": log(0.75)}, {"token": "5", "logprob": log(0.25)}]
    tokens = [{"token": '{"score": '}, {"token": text, "top_logprobs": top}, {"token": "}"}]
    return Choice(f'{{"score": {text}}}', logprobs=tokens)


async def test_a_score_is_the_expectation_where_the_server_gives_log_probabilities():
    (candidate,), calls = await judged(lambda _: four_or_five("4"), **RUBRIC, logprobs=True)
    assert (calls[0].body["logprobs"], calls[0].body["top_logprobs"]) == (True, 5)
    assert candidate.scores["judge"] == pytest.approx(4.25)
    _, (plain, *_) = await judged(lambda _: '{"score": 4}', **RUBRIC)
    assert "logprobs" not in plain.body


async def test_several_samples_have_axes_and_options_in_other_orders_and_their_mean_counts():
    many = {f"axis{n}": "Is it so?" for n in range(6)}
    marks = iter([1, 2, 3, 4])
    seen: list[tuple[list[str], str]] = []

    def judge(call: Call) -> str:
        order = re.findall(r"^- (axis\d):", asked(call), re.MULTILINE)
        seen.append((order, asked(call).split("The marks are ")[1].split(":")[0]))
        mark = next(marks)
        return "{" + ", ".join(f'"{axis}": {mark}' for axis in order) + "}"

    (candidate,), calls = await judged(judge, mode="rubric", axes=many, per_call="all", samples=4, temperature=1.0)
    assert candidate.scores["judge"] == 2.5
    assert seen[0] == (list(many), "1, 2, 3, 4, 5"), "the first as it was written"
    assert len({tuple(order) for order, _ in seen}) == 4
    assert [options for _, options in seen[1:]] == ["5, 4, 3, 2, 1", "1, 2, 3, 4, 5", "5, 4, 3, 2, 1"]
    assert len({call.part for call in calls}) == len({call.body["seed"] for call in calls}) == 4
    marks, first = iter([1, 2, 3, 4]), list(seen)
    seen.clear()
    await judged(judge, mode="rubric", axes=many, per_call="all", samples=4, temperature=1.0)
    assert seen == first, "the orders repeat"


@pytest.mark.parametrize(
    "checks",
    [
        "- It is short.\n- It is right.\n\n",
        ["It is short.", "It is right."],
        [{"text": "It is short."}, "It is right."],
    ],
)
async def test_a_checklist_is_the_seeds_own_and_scores_the_share_that_is_met(checks: object):
    def judge(call: Call) -> str:
        return '{"met": true}' if "short" in asked(call) else '{"met": false}'

    row = {"checks": checks}
    (candidate,), calls = await judged(judge, mode="checklist", rubric="checks", row=row, threshold=0.75)
    assert {call.part for call in calls} == {"1", "2"}
    assert (candidate.reason, candidate.scores["judge"]) == ("low_score", 0.5)
    assert candidate.verdicts["judge"].data["axes"] == {"1": 1.0, "2": 0.0}


async def test_criteria_may_weigh_differently():
    row = {"checks": [{"text": "It is right.", "weight": 3}, {"text": "It is short."}]}
    reply = '{"1": true, "2": false}'
    (candidate,), _ = await judged([reply], mode="checklist", rubric="checks", row=row, per_call="all")
    assert candidate.scores["judge"] == 0.75


@pytest.mark.parametrize("checks", [None, "", [], [3], "\n", [{"text": "x", "weight": 0}]])
async def test_a_seed_without_a_checklist_cannot_be_judged_by_it(checks: object):
    (candidate,), calls = await judged([], mode="checklist", rubric="checks", row={"checks": checks})
    assert (candidate.state, candidate.reason, calls) == ("failed", "no_checklist", [])


SHOWN = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Solve: what is 3 + 4?"}]


@pytest.mark.parametrize(
    ("route", "prompt", "body"),
    [
        ("classify", None, {"messages": [*SHOWN, {"role": "assistant", "content": "7"}]}),
        ("pooling", "{{ question }} {{ response }}", {"input": "3 + 4? 7"}),
        ("score", None, {"text_1": "Solve: what is 3 + 4?", "text_2": "7"}),
        ("rerank", "{{ question }}", {"query": "3 + 4?", "documents": ["7"]}),
    ],
)
async def test_a_reward_model_is_asked_on_its_route_and_its_number_is_the_score(route: str, prompt: Any, body: Any):
    config = {"mode": "reward", "reward": route, "prompt": prompt, "threshold": -1}
    (candidate,), (call,) = await judged(["-1.5"], **config)
    assert (call.route, call.body) == (route, body)
    assert (candidate.reason, candidate.scores) == ("low_score", {"judge": -1.5})


PASS, FAIL = '{"pass": true}', '{"pass": false}'


async def panel(*replies: str, stronger: str | None = None, **config: object) -> Candidate:
    models = [ScriptedModel([reply, reply], f"j{n}") for n, reply in enumerate(replies)]
    strong = None if stronger is None else ScriptedModel([stronger, stronger], "strong")
    one = group("7")
    settings = Judge.model_validate(
        {"endpoint": [model.alias for model in models], "prompt": "{{ response }}", **config}
    )
    await JudgeStage(Place("judge", 2), settings, models, strong, None, 7).process(one)
    return one.candidates[0]


def votes(candidate: Candidate) -> dict[str, bool | None]:
    return {vote["judge"]: vote["passed"] for vote in candidate.verdicts["judge"].data["votes"]}


async def test_more_than_half_of_a_panel_decide():
    assert (await panel(PASS, PASS, FAIL)).state == "live"
    assert (await panel(PASS, FAIL, FAIL)).state == "rejected"
    tied = await panel(PASS, FAIL)
    assert (tied.state, votes(tied)) == ("rejected", {"j0": True, "j1": False})
    assert tied.verdicts["judge"].score == 0.5


async def test_a_vote_that_cannot_be_read_counts_for_nobody_and_only_none_at_all_fails():
    candidate = await panel("?", PASS, "?")
    assert (candidate.state, votes(candidate)) == ("live", {"j0": None, "j1": True, "j2": None})
    assert (await panel("?", "??")).state == "failed"


async def test_by_the_mean_one_strong_opinion_can_outweigh_two():
    marks = ('{"score": 1}', '{"score": 4}', '{"score": 4}')
    rubric = {"mode": "rubric", "axes": {"clear": "Clear?"}, "threshold": 3.5}
    assert (await panel(*marks, **rubric)).state == "live"
    candidate = await panel(*marks, **rubric, decide="mean")
    assert (candidate.state, candidate.scores["judge"]) == ("rejected", 3)


async def test_a_split_panel_asks_a_stronger_judge_and_its_word_decides():
    split = {"escalate": {"to": "strong"}}
    candidate = await panel(PASS, PASS, FAIL, stronger=FAIL, **split)
    assert candidate.state == "rejected"
    last = candidate.verdicts["judge"].data["votes"][-1]
    assert last == {"judge": "strong", "passed": False, "score": 0.0, "escalated": True}
    assert votes(await panel(PASS, PASS, stronger=FAIL, **split)) == {"j0": True, "j1": True}
    assert (await panel("?", PASS, stronger=FAIL, **split)).state == "rejected", "an unread vote is not of one mind"
    assert (await panel(PASS, FAIL, stronger="?", **split)).state == "rejected", "then the panel's votes count"


async def test_an_unsure_judge_asks_a_stronger_one_near_the_threshold_only():
    unsure = {"mode": "rubric", "axes": {"c": "?"}, "threshold": 3, "escalate": {"to": "strong", "when": "unsure"}}
    assert votes(await panel('{"score": 3}', stronger='{"score": 1}', **unsure)) == {"j0": True, "strong": False}
    assert votes(await panel('{"score": 4}', stronger='{"score": 1}', **unsure)) == {"j0": True}


async def test_the_audit_can_ask_again_with_everything_reversed_and_nothing_changes():
    model = ScriptedModel(lambda _: PASSES, "main")
    one = group("7")
    stage = JudgeStage(Place("judge", 2), Judge.model_validate({"endpoint": "main"}), [model], None, CONSTITUTION, 7)
    assert (await stage.verdict(one, one.candidates[0], reverse=True)).passed
    (call,) = model.calls
    assert asked(call).index("- polite") < asked(call).index("- shows-steps")
    assert asked(call).index('"pass": false') < asked(call).index('"pass": true')
    assert call.part == "reversed"
    assert one.candidates[0].verdicts == {}
