from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable

import pytest
from scripted_model import ScriptedModel

from config.schema import Rank
from stages.core.base import Place
from stages.core.record import Candidate, Group, Seed
from stages.judge.constitution import Constitution
from stages.judge.rank import RankStage
from stages.llm.protocol import Call


def shown(call: Call) -> list[int]:
    """Return the two responses of a comparison, each a number, as they are shown."""
    return [int(found) for found in re.findall(r"<response_[ab]>\n(\d+)\n", str(call.body["messages"][0]["content"]))]


def larger(call: Call) -> str:
    first, second = shown(call)
    return f'{{"better": "{"A" if first > second else "B"}"}}'


async def ranking(
    texts: list[str],
    judge: Callable[[Call], str] = larger,
    top: int | None = None,
    seed_id: str = "s",
    constitution: Constitution | None = None,
    **config: object,
) -> tuple[list[Candidate], list[Call]]:
    model = ScriptedModel(judge)
    group = Group(Seed(0, seed_id, {"question": "Which?"}), [Candidate(n, text) for n, text in enumerate(texts)])
    settings = Rank.model_validate({"endpoint": "main", **config})
    await RankStage(Place("rank", 3), settings, model, constitution, top, 7).process(group)
    return group.candidates, model.calls


def places(candidates: list[Candidate]) -> list[int]:
    return [candidate.verdicts["rank"].data["rank"] for candidate in candidates]


@pytest.mark.parametrize(("method", "calls"), [("all_pairs", 28), ("swiss", 20)])
async def test_the_order_is_that_of_the_comparisons(method: str, calls: int):
    candidates, asked = await ranking(list("37514628"), method=method)
    assert len(asked) <= calls
    if method == "all_pairs":
        assert places(candidates) == [6, 2, 4, 8, 5, 3, 7, 1]
    assert places(candidates)[-1] == 1


async def test_a_knockout_finds_the_best_in_one_call_less_than_there_are():
    candidates, asked = await ranking(list("37514628"), method="knockout", top=1)
    assert (places(candidates)[-1], len(asked)) == (1, 7)


async def test_it_ends_when_the_top_is_settled():
    def one_stands_out(call: Call) -> str:
        return larger(call) if 9 in shown(call) else '{"better": "tie"}'

    _, few = await ranking(list("12345679"), one_stands_out, method="all_pairs", top=1)
    _, all_of_them = await ranking(list("12345679"), one_stands_out, method="all_pairs")
    assert (len(few), len(all_of_them)) == (20, 28)
    _, none = await ranking(list("123"), top=3)
    assert none == [], "all of them go on"


async def test_who_is_shown_first_is_drawn_and_repeats():
    first = Counter[bool]()
    for n in range(40):
        _, (call,) = await ranking(["1", "2"], seed_id=f"s{n}")
        _, (again,) = await ranking(["1", "2"], seed_id=f"s{n}")
        assert call.body == again.body
        first[shown(call)[0] == 1] += 1
    assert min(first.values()) > 10


async def test_both_orders_undo_a_judge_who_takes_what_comes_first():
    candidates, calls = await ranking(["1", "2"], lambda _: '{"better": "A"}', order="both")
    assert sorted(map(tuple, map(shown, calls))) == [(1, 2), (2, 1)]
    assert len({call.part for call in calls}) == 2
    strengths = [candidate.verdicts["rank"].data["strength"] for candidate in candidates]
    assert strengths[0] == pytest.approx(strengths[1])
    assert places(candidates) == [1, 2]


async def test_each_comparison_is_kept_from_both_sides():
    candidates, (call,) = await ranking(["1", "2"])
    led = shown(call)[0] == 1
    assert candidates[0].verdicts["rank"].data["duels"] == [{"with": 1, "first": led, "won": 0.0}]
    assert candidates[1].verdicts["rank"].data["duels"] == [{"with": 0, "first": not led, "won": 1.0}]


async def test_a_comparison_that_cannot_be_read_counts_for_neither():
    def judge(call: Call) -> str:
        return "Hm." if 2 in shown(call) and 1 in shown(call) else larger(call)

    candidates, calls = await ranking(["1", "2", "3"], judge, method="all_pairs")
    assert [candidate.state for candidate in candidates] == ["live"] * 3
    assert places(candidates)[2] == 1
    duels = {duel["with"]: duel for duel in candidates[0].verdicts["rank"].data["duels"]}
    assert duels[1].items() >= {"failed": "unreadable"}.items()
    assert duels[2]["won"] == 0
    assert len(calls) == 4, "three pairs, one asked again"


async def test_nobody_has_a_place_where_no_comparison_succeeds():
    candidates, _ = await ranking(["1", "2"], lambda _: "Hm.")
    assert [(candidate.state, candidate.reason) for candidate in candidates] == [("failed", "unreadable")] * 2


async def test_a_single_candidate_is_the_first():
    candidates, calls = await ranking(["1"])
    assert (places(candidates), calls) == ([1], [])


async def test_principles_say_what_to_compare_by():
    principles = [{"id": "a", "text": "It is kind."}, {"id": "b", "text": "B.", "compare": ["Which is shorter?"]}]
    _, (call,) = await ranking(["1", "2"], constitution=Constitution.model_validate({"principles": principles}))
    assert "- It is kind.\n- Which is shorter?\n" in call.body["messages"][0]["content"]
    schema = call.body["response_format"]["json_schema"]["schema"]
    assert schema["properties"] == {"better": {"type": "string", "enum": ["A", "B", "tie"]}}


async def test_a_prompt_of_ones_own_sees_both_responses():
    _, (call,) = await ranking(["1", "2"], lambda _: "A", prompt="{{ question }} {{ response_a }} {{ response_b }}")
    assert sorted(call.body["messages"][0]["content"].split()[1:]) == ["1", "2"]
