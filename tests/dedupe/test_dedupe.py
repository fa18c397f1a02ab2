from __future__ import annotations

import asyncio
from collections.abc import Sequence
from copy import deepcopy
from pathlib import Path

import orjson
import pytest
from decisions import MadeDecisions
from hypothesis import given, settings
from hypothesis import strategies as st

from config.schema import Dedupe
from stages.core.base import PhaseStage, Place
from stages.core.errors import InputError, RunStopped
from stages.core.record import Candidate, Group, Seed, Verdict
from stages.dedupe.dedupe import dedupe_stage

LONG = "first add three and four which makes seven and then take two away so the answer is five"


def group(no: int, *texts: str, question: str = "What is 3 + 4 - 2?") -> Group:
    candidates = [Candidate(n, text) for n, text in enumerate(texts)]
    return Group(Seed(no, f"s{no}", {"id": f"s{no}", "question": question}), candidates)


async def run(groups: Sequence[Group], place: Place | None = None, **config: object) -> None:
    """Stream groups through the stage as the pipeline does."""
    stage = dedupe_stage(place or Place("dedupe", 3), Dedupe.model_validate(config), MadeDecisions())
    await stage.start()
    if isinstance(stage, PhaseStage):
        for _ in range(stage.passes - 1):
            for one in groups:
                await stage.survey(one)
    for one in groups:
        await stage.process(one)


def states(groups: Sequence[Group]) -> list[list[str]]:
    return [[candidate.state for candidate in one.candidates] for one in groups]


async def test_a_pair_seen_before_is_dropped_and_names_its_twin():
    groups = [group(0, LONG, "Five."), group(1, LONG.upper() + "  ")]
    await run(groups)
    assert states(groups) == [["live", "live"], ["rejected"]]
    dropped = groups[1].candidates[0]
    assert (dropped.stage, dropped.reason, dropped.detail) == ("dedupe", "duplicate", "of s0/0, similarity 1.00")
    assert dropped.verdicts["dedupe"].as_dict()["twin"] == "s0/0"


async def test_a_near_twin_is_dropped_unless_its_parsed_answer_differs():
    groups = [group(0, LONG), group(1, LONG + " yes"), group(2, LONG + " no")]
    for one, answer in zip(groups, ("5", "5", "6"), strict=True):
        one.candidates[0].fields["answer"] = answer
    await run(groups, near={"threshold": 0.8})
    assert states(groups) == [["live"], ["rejected"], ["live"]]
    assert groups[1].candidates[0].detail == "of s0/0, similarity 0.93"


async def test_an_answer_of_0_is_one_too():
    """A plugin may have left numbers."""
    groups = [group(0, LONG), group(1, LONG + " yes")]
    for no, one in enumerate(groups):
        one.candidates[0].fields["answer"] = no
    await run(groups, near={"threshold": 0.8})
    assert states(groups) == [["live"], ["live"]]


async def test_near_twins_are_found_in_scripts_without_spaces():
    text = "小明有三个苹果又买了四个一共有七个然后吃掉了两个所以最后还剩下五个苹果"
    groups = [group(0, text), group(1, text + "了"), group(2, text[::-1])]
    await run(groups, near={"threshold": 0.8})
    assert states(groups) == [["live"], ["rejected"], ["live"]]


async def test_equal_answers_to_different_questions_are_no_twins_as_pairs_but_are_as_responses():
    def made() -> list[Group]:
        return [group(0, "Five."), group(1, "Five.", question="How many fingers has a hand?")]

    pairs, responses = made(), made()
    await run(pairs)
    await run(responses, on="response")
    assert states(pairs) == [["live"], ["live"]]
    assert states(responses) == [["live"], ["rejected"]]


async def test_on_prompt_a_repeated_question_goes_whole_and_answers_to_one_question_stay():
    groups = [group(0, "a", "a"), group(1, "b", "c"), group(2, "d", question="Another?")]
    await run(groups, on="prompt")
    assert states(groups) == [["live", "live"], ["rejected", "rejected"], ["live"]]
    assert groups[1].candidates[1].detail == "of s0, similarity 1.00"


async def test_scope_seed_compares_within_a_seed_only_and_needs_no_phase():
    groups = [group(0, "a", "b", "A"), group(1, "a")]
    assert not isinstance(
        dedupe_stage(Place("dedupe", 0), Dedupe(name="dedupe", scope="seed"), MadeDecisions()), PhaseStage
    )
    await run(groups, scope="seed", on="response")
    assert states(groups) == [["live", "live", "rejected"], ["live"]]


async def test_the_best_of_a_cluster_can_stay_instead_of_the_first():
    groups = [group(0, LONG), group(1, LONG), group(2, LONG)]
    for one, score in zip(groups, (0.1, 0.9, 0.9), strict=True):
        one.candidates[0].scores["score"] = score
    await run(groups, keep={"by": "score"})
    assert states(groups) == [["rejected"], ["live"], ["rejected"]]
    assert groups[2].candidates[0].detail == "of s1/0, similarity 1.00"


async def test_marking_drops_nothing_and_says_what_it_would():
    groups = [group(0, LONG), group(1, LONG)]
    await run(groups, Place("dedupe", 3, action="mark"))
    assert states(groups) == [["live"], ["live"]]
    assert groups[1].candidates[0].verdicts["dedupe"].passed is False


async def test_what_where_leaves_out_neither_drops_nor_is_dropped():
    groups = [group(0, LONG), group(1, LONG), group(2, LONG)]
    await run(groups, Place("dedupe", 3, where=lambda scope: scope["seed_id"] != "s0"))
    assert states(groups) == [["live"], ["live"], ["rejected"]]
    assert groups[0].candidates[0].verdicts == {}


@pytest.mark.parametrize("by", ["first", "score"])
async def test_after_an_interruption_the_rest_is_decided_as_it_would_have_been(by: str):
    """Some groups were decided before and went on: fell, were scored anew, gave derived candidates."""

    def made() -> list[Group]:
        groups = [group(0, LONG, "b"), group(1, LONG, "c"), group(2, "b", LONG), group(3, "c", "d")]
        for one in groups:
            for candidate in one.candidates:
                candidate.scores["s"] = float((one.seed.no * 7 + candidate.n * 3) % 5)
        return groups

    keep = {"by": by}
    undisturbed = made()
    await run(undisturbed, keep=keep)
    expected = states(undisturbed)
    assert sum(state.count("rejected") for state in expected) == 4

    resumed = made()
    await run(resumed, keep=keep)
    for one in (resumed[0], resumed[2]):
        for candidate in one.live:
            candidate.scores["later"] = 100.0
            one.reject(candidate, "later", "too long")
        one.candidates.append(Candidate(2, "c", "derived"))
    for one, fresh in ((resumed[1], made()[1]), (resumed[3], made()[3])):
        one.candidates = fresh.candidates
    stage = dedupe_stage(Place("dedupe", 3), Dedupe.model_validate({"keep": keep}), MadeDecisions())
    assert isinstance(stage, PhaseStage)
    for one in resumed:
        await stage.survey(one)
    for one in (resumed[1], resumed[3]):
        await stage.process(one)
    assert [states(resumed)[i] for i in (1, 3)] == [expected[i] for i in (1, 3)]


async def test_a_group_with_nothing_alive_claims_nothing():
    dead, other = group(0, LONG), group(1, LONG)
    dead.reject(dead.candidates[0], "judge", "eliminated")
    await run([dead, other])
    assert states([dead, other]) == [["rejected"], ["live"]]
    assert "dedupe" not in dead.candidates[0].verdicts


async def test_an_earlier_verdict_stands_for_the_score_it_was_decided_by():
    decided, waiting = group(0, LONG), group(1, LONG)
    decided.candidates[0].verdicts["dedupe"] = Verdict(True, 0.2)
    decided.candidates[0].scores["later"] = 1.0
    waiting.candidates[0].scores["s"] = 0.1
    stage = dedupe_stage(Place("dedupe", 3), Dedupe.model_validate({"keep": {"by": "score"}}), MadeDecisions())
    assert isinstance(stage, PhaseStage)
    for one in (decided, waiting):
        await stage.survey(one)
    await stage.process(waiting)
    assert waiting.candidates[0].state == "rejected"


WORDS = [f"w{i}" for i in range(40)]
windows = st.lists(st.lists(st.tuples(st.integers(0, 6), st.integers(0, 3)), max_size=2), max_size=10)


def shifted(rows: Sequence[Sequence[tuple[int, int]]]) -> list[Group]:
    """Groups of windows over words: the next window is a twin, the one after it is not."""
    groups = [group(no, *(" ".join(WORDS[at : at + 24]) for at, _ in row)) for no, row in enumerate(rows)]
    for one, row in zip(groups, rows, strict=True):
        for candidate, (_, score) in zip(one.candidates, row, strict=True):
            candidate.scores["s"] = float(score)
    return groups


@settings(max_examples=60)
@given(windows, st.sets(st.integers(0, 9)), st.integers(1, 3), st.sampled_from(["first", "score"]))
def test_wherever_a_decision_was_cut_the_rest_is_decided_as_it_would_have_been(
    rows: list[list[tuple[int, int]]], decided: set[int], per_cluster: int, by: str
):
    config = {"near": {"threshold": 0.85}, "keep": {"per_cluster": per_cluster, "by": by}}
    whole, resumed = shifted(rows), shifted(rows)
    asyncio.run(run(whole, **config))
    resumed = [deepcopy(done) if done.seed.no in decided else one for done, one in zip(whole, resumed, strict=True)]
    asyncio.run(run(resumed, **config))
    assert states(resumed) == states(whole)


@settings(max_examples=60)
@given(windows, st.sets(st.integers(0, 9)), st.sampled_from(["first", "score"]))
def test_what_was_decided_on_a_part_of_the_seeds_stands_and_no_twin_of_it_is_kept_beside_it(
    rows: list[list[tuple[int, int]]], first: set[int], by: str
):
    """As when a spent budget ended the run: the others come later, some with lower numbers or better scores."""
    config = {"near": {"threshold": 0.85}, "keep": {"by": by}}
    groups = shifted(rows)
    part = [one for one in groups if one.seed.no in first]
    asyncio.run(run(part, **config))
    before = states(part)
    asyncio.run(run(groups, **config))
    assert states(part) == before
    fresh = shifted(rows)
    for one in fresh:
        one.candidates = [candidate for candidate in one.candidates if kept(groups, one, candidate)]
    asyncio.run(run(fresh, **config))
    assert not any("rejected" in row for row in states(fresh)), "what is kept has no twins"


def kept(groups: Sequence[Group], one: Group, candidate: Candidate) -> bool:
    return groups[one.seed.no].candidates[candidate.n].state == "live"


async def test_what_exists_already_goes_first_as_messages_or_as_columns(tmp_path: Path):
    old = tmp_path / "old.jsonl"
    turns = [{"role": "user", "content": "What is 3 + 4 - 2?"}, {"role": "assistant", "content": LONG}]
    old.write_bytes(orjson.dumps({"messages": turns}) + b"\n\n" + orjson.dumps({"q": "Why?", "a": "So."}) + b"\n")
    groups = [group(0, LONG), group(1, "So.", "No.")]
    for one, question in zip(groups, ("What is 3 + 4 - 2?", "Why?"), strict=True):
        one.seed.messages = [{"role": "user", "content": question}]
    await run(groups, keep={"by": "score"}, existing={"path": str(old), "prompt": "q", "response": "a"})
    assert states(groups) == [["rejected"], ["rejected", "live"]]
    assert [one.candidates[0].verdicts["dedupe"].data["twin"] for one in groups] == ["old.jsonl:1", "old.jsonl:3"]


async def test_a_row_without_texts_is_refused_with_its_place(tmp_path: Path):
    old = tmp_path / "old.jsonl"
    old.write_text('{"prompt": "Why?"}\n')
    with pytest.raises(InputError, match=r'old.jsonl:1: .* neither `messages` nor "prompt" and "response"; .* prompt'):
        await run([group(0, LONG)], existing={"path": str(old)})


async def test_an_index_beyond_its_limit_stops_the_run_in_words():
    words = " ".join(f"word{n}" for n in range(40_000))
    groups = [group(no, *(f"{no} {n} {words}" for n in range(8))) for no in range(8)]
    with pytest.raises(RunStopped, match="the index of dedupe has reached memory_mb: 1"):
        await run(groups, near={}, memory_mb=1)


async def test_the_size_of_the_index_is_written_down():
    decisions, groups = MadeDecisions(), [group(0, LONG, "b"), group(1, LONG)]
    stage = dedupe_stage(Place("dedupe", 3), Dedupe.model_validate({"near": {}}), decisions)
    assert isinstance(stage, PhaseStage)
    for one in groups:
        await stage.survey(one)
    await stage.process(groups[0])
    ((kind, scope, body),) = decisions.rows
    assert (kind, scope, body["documents"]) == ("index", "dedupe", 3)
