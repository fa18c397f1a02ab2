"""Candidates pass where independent methods agree: solved again without seeing them, or checked step by step."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import pytest
from scripted_model import Answer, ScriptedModel

from config.schema import CrossCheck
from stages.core.base import Place
from stages.core.errors import CandidateError, RunStopped
from stages.core.record import Candidate, Group, Seed, Verdict
from stages.llm.protocol import Call, Choice
from stages.verify.cross_check import RecheckStage, SolveAgainStage

YES, NO = '{"work": "3 + 4 = 7", "reason": "", "pass": true}', '{"work": "", "reason": "3 + 4 is 7", "pass": false}'


def group_of(*texts: str) -> Group:
    prompt = [{"role": "user", "content": "Solve: 3 + 4"}]
    return Group(
        Seed(0, "s", {"question": "3 + 4?", "a": 3}), [Candidate(n, t, prompt=prompt) for n, t in enumerate(texts)]
    )


async def checked(
    script: Callable[[Call], Answer] | Iterable[Answer], group: Group, place: Place | None = None, **config: Any
) -> list[Call]:
    settings = CrossCheck.model_validate({"endpoint": "main", "extract": "numeric", **config})
    model = ScriptedModel(script) if settings.endpoint else None
    kind = SolveAgainStage if settings.sees == "question" else RecheckStage
    stage = kind(place or Place("again", 2), settings, model, 7)
    try:
        await stage.start()
        await stage.process(group)
    finally:
        await stage.stop()
    return model.calls if model else []


def verdicts(group: Group) -> list[Verdict]:
    return [candidate.verdicts["again"] for candidate in group.candidates]


def asked(call: Call) -> str:
    return str(call.body["messages"][0]["content"])


async def test_what_is_solved_again_sees_no_response_and_is_drawn_once_for_all_candidates():
    group = group_of("It is 7.", "It is 8.", "It is 7.0")
    calls = await checked(["The answer is 7", "so 7", "The answer is 9"], group, samples=3, min_agree=2)
    assert [one.passed for one in verdicts(group)] == [True, False, True]
    assert [one.score for one in verdicts(group)] == [2 / 3, 0, 2 / 3]
    assert verdicts(group)[0].data == {"methods": {"model": [True, True, False]}}
    assert group.candidates[1].reason == "disagrees"
    assert group.candidates[1].detail == "found 8; 0 of 3 agree, 2 must: the model found 7; the model found 9"
    assert len(calls) == 3
    assert all(call.keep and "Solve: 3 + 4\n" in asked(call) and "It is" not in asked(call) for call in calls)
    assert len({call.body["seed"] for call in calls}) == len({call.sample for call in calls}) == 3


async def test_a_later_wave_asks_the_same_again_whatever_prompt_its_candidates_were_made_by():
    group = group_of("It is 7.")
    group.candidates[0].lineage["prompt"] = 1
    (first,) = await checked(["The answer is 7"], group)
    other = [{"role": "user", "content": "3 plus 4?"}]
    group.candidates.append(Candidate(1, "It is 7.", prompt=other, lineage={"prompt": 0}))
    (second,) = await checked(["The answer is 7"], group)
    assert first == second


@pytest.mark.parametrize(
    ("extract", "text", "again", "agree"),
    [
        ("math", r"\boxed{\frac{1}{2}}", "The answer is 0.5", True),
        ("choice", "The answer is (B)", "Answer: b", True),
        ("choice", "The answer is (B)", "Answer: C", False),
        ("text", "Paris", "paris.", True),
    ],
)
async def test_answers_are_compared_by_their_kind(extract: str, text: str, again: str, agree: bool):
    if extract == "math":
        pytest.importorskip("math_verify")
    group = group_of(text)
    await checked([again], group, extract=extract)
    assert verdicts(group)[0].passed is agree


async def test_a_candidate_without_an_answer_is_rejected_and_costs_nothing():
    group = group_of("I do not know.")
    assert await checked([], group) == []
    assert (group.candidates[0].state, group.candidates[0].reason) == ("rejected", "no_answer")


@pytest.mark.parametrize("first", ["Hmm.", Choice("3 + 4 = 5 + 2 and 5", finish_reason="length")])
async def test_a_reply_without_an_answer_or_cut_off_is_asked_for_once_more(first: Answer):
    group = group_of("It is 7.")
    _, again = await checked([first, "The answer is 7"], group)
    assert verdicts(group)[0].passed
    assert again.part == "reask"
    assert again.keep


async def test_voices_that_were_not_heard_leave_open_only_what_they_could_have_decided():
    def script(call: Call) -> Answer:
        return [CandidateError("refused", "policy"), "Hmm.", "The answer is 7"][call.sample]

    for needed, passed in ((1, [True, None]), (2, [None, None]), (3, [None, False])):
        group = group_of("It is 7.", "It is 8.")
        await checked(script, group, samples=3, min_agree=needed)
        assert [one.passed for one in verdicts(group)] == passed
    assert group.candidates[0].state == "failed"
    assert group.candidates[0].reason == "undecided"
    assert group.candidates[0].detail == (
        'found 7; 1 of 3 agree, 3 must: policy; asked twice, scripted last said "Hmm."'
    )
    group = group_of("It is 8.")
    await checked(
        ["The answer is 7", "The answer is 7", CandidateError("refused", "policy")], group, samples=3, min_agree=2
    )
    assert verdicts(group)[0].passed is False


async def test_a_dead_endpoint_stops_the_run():
    with pytest.raises(RunStopped):
        await checked([RunStopped("no key is left")], group_of("7"))


async def test_a_program_is_a_method_beside_the_model_or_instead_of_it(tmp_path: Path):
    (tmp_path / "solve.py").write_text(
        "def solve(row):\n    return row['a'] + 4\ndef none(row):\n    return True\n"
        "def judge(response, row, fields):\n    return {'passed': '7' in response, 'detail': 'it is 7'}\n"
    )
    group = group_of("It is 7.", "It is 8.")
    await checked(["The answer is 8"], group, function=f"{tmp_path}/solve.py:solve")
    assert [one.data["methods"] for one in verdicts(group)] == [
        {"model": [False], "program": [True]},
        {"model": [True], "program": [False]},
    ]
    assert [one.passed for one in verdicts(group)] == [True, True]
    group = group_of("It is 8.")
    await checked([], group, endpoint=None, function=f"{tmp_path}/solve.py:solve")
    assert group.candidates[0].detail == "found 8; 0 of 1 agree, 1 must: the program found 7"
    group = group_of("It is 8.")
    await checked([], group, endpoint=None, function=f"{tmp_path}/solve.py:none")
    assert group.candidates[0].detail.endswith("the function returned True, which is no answer")
    group = group_of("It is 8.")
    await checked([NO], group, sees="response", function=f"{tmp_path}/solve.py:judge")
    assert group.candidates[0].detail == "0 of 2 agree, 1 must: 3 + 4 is 7; it is 7"


async def test_a_response_is_checked_with_its_work_written_first_and_the_samples_vote():
    def script(call: Call) -> Answer:
        right = "It is 7." in asked(call)
        return YES if right or call.part == "draw 0" else NO

    group = group_of("It is 7.", "It is 8.")
    calls = await checked(script, group, sees="response", samples=3, min_agree=2)
    assert [one.passed for one in verdicts(group)] == [True, False]
    assert verdicts(group)[1].data == {"methods": {"model": [True, False, False]}}
    assert group.candidates[1].detail == "1 of 3 agree, 2 must: 3 + 4 is 7"
    assert len({(call.sample, call.part, call.body["seed"]) for call in calls}) == 6
    schema = calls[0].body["response_format"]["json_schema"]["schema"]
    assert list(schema["properties"]) == ["work", "reason", "pass"]
    assert "<task>\nSolve: 3 + 4\n</task>" in asked(calls[0])


async def test_a_check_that_stays_unreadable_fails_the_candidate():
    group = group_of("It is 7.")
    calls = await checked(["Well.", "Well..."], group, sees="response")
    assert (group.candidates[0].state, group.candidates[0].reason) == ("failed", "undecided")
    assert len(calls) == 2


async def test_prompts_of_ones_own():
    (call,) = await checked(["7"], group_of("7"), prompt="{{ question }} {{ task }}", temperature=0.0, max_tokens=9)
    assert asked(call) == "3 + 4? Solve: 3 + 4"
    assert (call.body["temperature"], call.body["max_tokens"]) == (0.0, 9)
    (call,) = await checked([YES], group_of("7"), sees="response", prompt="{{ question }} {{ response }}")
    assert asked(call) == "3 + 4? 7"


async def test_a_prompt_that_does_not_fit_the_row_fails_the_candidates_in_its_words():
    group = group_of("7")
    await checked([], group, prompt="{{ question | after('#') }}")
    assert 'there is no "#"' in group.candidates[0].detail
