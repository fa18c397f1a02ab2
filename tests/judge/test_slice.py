"""A judge that is tried while it works."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from scripted_model import Answer, ScriptedModel

from config.schema import Judge
from stages.core.base import Place
from stages.core.errors import CandidateError
from stages.core.record import Candidate, Group, Seed
from stages.judge.audit import JudgeAudit
from stages.judge.canaries import CANARIES
from stages.judge.judge import JudgeStage
from stages.judge.slice import PER_SEED, AuditedJudge
from stages.llm.protocol import Call

HOSTS = len(CANARIES) // PER_SEED
PROMPT = "{{ task }}: <response>{{ response }}</response> {{ options[0] | json }} or {{ options[1] | json }}?"


class Decided:
    """Decisions in memory."""

    def __init__(self) -> None:
        self.rows: list[tuple[str, str, Any]] = []

    def made(self, kind: str) -> Iterator[tuple[str, Any]]:
        yield from ((scope, body) for of, scope, body in self.rows if of == kind)

    async def make(self, kind: str, scope: str, body: Any) -> None:
        self.rows.append((kind, scope, body))


def shown(call: Call) -> str:
    found = re.search("<response>(.*)</response>", call.body["messages"][0]["content"], re.DOTALL)
    assert found is not None
    return found[1]


def passes(*texts: str) -> Callable[[Call], Answer]:
    return lambda call: f'{{"pass": {str(shown(call) in texts).lower()}}}'


def seed(no: int, *texts: str, wave: int = 0) -> Group:
    prompt = [{"role": "user", "content": f"question {no}"}]
    candidates = [Candidate(n, text, prompt=prompt) for n, text in enumerate(texts)]
    return Group(Seed(no, f"q{no}", {"question": f"question {no}"}), candidates, wave=wave)


async def tried(
    script: Callable[[Call], Answer], groups: list[Group], share: float = 1.0, decided: Decided | None = None
) -> tuple[list[Call], Decided]:
    model, decided = ScriptedModel(script, "main"), decided or Decided()
    config = Judge.model_validate({"type": "judge", "endpoint": "main", "prompt": PROMPT})
    place = Place("judge", 2)
    judge, trial = (JudgeStage(at, config, [model], None, None, 7) for at in (place, Place("judge.audit", place.depth)))
    stage = AuditedJudge(place, judge, trial, share, decided, 7)
    await stage.start()
    for group in groups:
        await stage.process(group)
    return model.calls, decided


async def test_a_sliced_verdict_is_asked_again_turned_round_and_stands():
    def by_place(call: Call) -> str:
        return f'{{"pass": {"true" if "true or false" in call.body["messages"][0]["content"] else "false"}}}'

    group = seed(100, "a", "b")
    calls, _ = await tried(by_place, [group])
    assert [candidate.state for candidate in group.candidates] == ["live", "live"]
    for candidate in group.candidates:
        assert candidate.verdicts["judge"].passed is True
        assert candidate.verdicts["judge"].data["reversed"] == {"passed": False, "score": 0.0}
    assert [call.stage for call in calls] == ["judge", "judge", "judge.audit", "judge.audit"]


async def test_the_slice_is_a_share_of_first_waves_and_always_the_same():
    def sliced(groups: list[Group]) -> set[str]:
        return {
            group.candidate_id(candidate)
            for group in groups
            for candidate in group.candidates
            if "reversed" in candidate.verdicts["judge"].data
        }

    once, twice = ([seed(no, *"abcd") for no in range(100, 300)] for _ in range(2))
    await tried(passes("a"), once, share=0.1)
    await tried(passes("a"), list(reversed(twice)), share=0.1)
    assert 50 < len(sliced(once)) < 110
    assert sliced(once) == sliced(twice)
    later = [seed(no, "a", wave=1) for no in range(100)]
    calls, _ = await tried(passes("a"), later)
    assert not sliced(later)
    assert len(calls) == 100, "and no canary either"


async def test_every_canary_is_shown_once_even_where_no_candidate_is_left():
    groups = [seed(no, *"a" * (no % 2)) for no in range(20)]
    calls, decided = await tried(passes("a"), groups, share=0.0)
    canaries = [call for call in calls if call.stage == "judge.audit"]
    assert sorted(map(shown, canaries)) == sorted(CANARIES.values())
    assert {call.group.seed.no for call in canaries} == set(range(HOSTS))
    assert [len(group.candidates) for group in groups] == [no % 2 for no in range(20)], "they are no candidates"
    assert {body["canary"]: body["passed"] for _, _, body in decided.rows} == dict.fromkeys(CANARIES, False)


async def test_a_resumed_run_shows_no_canary_twice():
    _, decided = await tried(passes(), [seed(0), seed(1)])
    calls, decided = await tried(passes(), [seed(no) for no in range(1, HOSTS)], decided=decided)
    assert len(calls) == len(CANARIES) - 2 * PER_SEED
    assert len(decided.rows) == len(CANARIES)


async def test_a_judge_that_falls_for_canaries_is_caught():
    weak = passes("right", *(text for name, text in CANARIES.items() if name.startswith("master key")))
    groups = [seed(no, "right", "wrong") for no in range(HOSTS)]
    _, decided = await tried(weak, groups)
    audit = JudgeAudit(Judge.model_validate({"type": "judge", "endpoint": "main"}), lambda *_: None)
    for group in groups:
        audit.see(group)
    found = audit.figures([body for _, _, body in decided.rows])
    assert set(found["canaries"]["shown"]) == set(CANARIES)
    assert {name.split(" '")[0] for name in found["canaries"]["passed"]} == {"master key"}
    assert found["flips"]["value"] == 0


@pytest.mark.parametrize("answer", ["I cannot say.", CandidateError("refused", "content policy")])
async def test_a_canary_that_gets_no_verdict_is_not_counted(answer: Answer):
    _, decided = await tried(lambda _: answer, [seed(0)])
    assert [body["passed"] for _, _, body in decided.rows] == [None, None]
