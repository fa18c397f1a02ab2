from __future__ import annotations

import re

import pytest
from scripted_model import ScriptedModel

from config.schema import Vote
from stages.core.base import Again, Outcome, Place
from stages.core.record import Candidate, Group, Seed
from stages.judge.vote import VoteStage
from stages.llm.protocol import Call
from stages.verify.answers import PlainAnswers


class Numbers(PlainAnswers):
    """The last word of a response, if it is a number; it notes what was compared."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, str]] = []
        super().__init__(self._last, self._equal)

    @staticmethod
    def _last(text: str) -> str | None:
        found = re.search(r"[\d.]+$", text)
        return found[0] if found else None

    def _equal(self, one: str, other: str) -> bool:
        self.asked.append((one, other))
        return float(one) == float(other)


def group(*texts: str) -> Group:
    return Group(Seed(0, "s", {"question": "How many?"}), [Candidate(n, text) for n, text in enumerate(texts)])


async def voted(one: Group, answers: Numbers | None = None, **config: object) -> Outcome:
    stage = VoteStage(Place("vote", 3), Vote.model_validate(config), answers or Numbers(), None, 7)
    return await stage.process(one)


def states(one: Group) -> list[str]:
    return [candidate.reason or candidate.state for candidate in one.candidates]


async def test_those_with_the_most_frequent_answer_go_on():
    one = group("It is 5", "It is 4", "It is 5.0", "I do not know")
    await voted(one)
    assert states(one) == ["live", "outvoted", "live", "no_answer"]
    assert one.candidates[0].verdicts["vote"].data == {"ballots": 2, "winner": "5", "agreement": pytest.approx(2 / 3)}
    assert one.candidates[1].verdicts["vote"].score == pytest.approx(1 / 3)
    assert one.candidates[1].detail == "2 of 3 for 5, 1 for 4"


async def test_each_wording_is_compared_once_with_each_answer_before_it():
    numbers = Numbers()
    await voted(group("5.0", "4", "5", "5", "5.0", "4.0"), numbers)
    assert numbers.asked == [("5.0", "4"), ("5.0", "5"), ("5.0", "4.0"), ("4", "4.0")]


async def test_a_winner_may_need_a_share_of_the_votes():
    one = group("5", "5", "4", "3")
    await voted(one, min_agreement=0.6)
    assert set(states(one)) == {"no_agreement"}
    assert one.candidates[0].detail == "2 of 4 for 5; 60% are needed"


async def test_the_winning_answer_becomes_a_field():
    one = group("It is 5", "Well, 5.0", "4")
    await voted(one, write="gold")
    assert [candidate.fields for candidate in one.candidates] == [{"gold": "5"}, {"gold": "5"}, {}]


async def test_weighed_by_score_one_good_response_can_outvote_two():
    one = group("4", "4", "5")
    for candidate, score in zip(one.candidates, (0.2, -3.0, 0.9), strict=True):
        candidate.scores["judge"] = score
    await voted(one, weights="score")
    assert states(one) == ["outvoted", "outvoted", "live"]


async def test_nobody_answered_and_nobody_wins():
    one = group("no idea", "none")
    assert await voted(one) is None
    assert states(one) == ["no_answer"] * 2


STOP = {"posterior": 0.95, "max_candidates": 7, "wave": 2}


async def test_an_open_vote_asks_for_a_wave_and_judges_nobody_before_it_is_decided():
    one = group("5", "4", "5")
    assert await voted(one, stop=STOP) == Again(2)
    assert all(not candidate.verdicts for candidate in one.candidates)
    one.candidates += [Candidate(3, "5"), Candidate(4, "5"), Candidate(5, "5")]
    assert await voted(one, stop=STOP) is None, "five to one is clear"
    assert states(one) == ["live", "outvoted", "live", "live", "live", "live"]


async def test_a_wave_is_no_larger_than_what_is_left_and_then_the_vote_ends():
    one = group(*"545454")
    assert await voted(one, stop=STOP) == Again(1)
    one.candidates.append(Candidate(6, "5"))
    assert await voted(one, stop=STOP) is None


async def test_a_unanimous_window_ends_it_too():
    one = group("4", "4", "5", "5", "5")
    assert await voted(one, stop={"posterior": 1.0, "window": 3, "max_candidates": 40}) is None


async def test_a_seed_whose_candidates_all_fell_gets_another_wave_but_one_that_can_have_none_does_not():
    fallen = group("5")
    fallen.reject(fallen.candidates[0], "verify", "wrong_answer")
    assert await voted(fallen, stop=STOP) == Again(2)
    assert await voted(group(), stop=STOP) is None


async def test_a_model_can_say_whether_two_responses_answer_the_same():
    def judge(call: Call) -> str:
        prompt = str(call.body["messages"][0]["content"])
        return '{"same": true}' if "four" in prompt and "quatre" in prompt else '{"same": false}'

    model = ScriptedModel(judge)
    one = group("four", "five", "quatre", "four ")
    await VoteStage(Place("vote", 3), Vote(extract="model", endpoint="main"), None, model, 7).process(one)
    assert states(one) == ["live", "outvoted", "live", "live"]
    assert len(model.calls) == 2
    assert all(call.keep for call in model.calls), "another wave asks again for nothing"


async def test_a_response_that_could_not_be_compared_fails_alone():
    model = ScriptedModel(lambda call: "Hm." if "odd" in str(call.body["messages"][0]) else '{"same": false}')
    one = group("four", "odd", "four")
    await VoteStage(Place("vote", 3), Vote(extract="model", endpoint="main"), None, model, 7).process(one)
    assert states(one) == ["live", "unreadable", "live"]
