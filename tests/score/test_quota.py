from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from random import Random

import pytest
from decisions import MadeDecisions
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from config.schema import Difficulty
from config.scoring import Bucket
from stages.core.base import Place
from stages.core.record import Candidate, Group, Seed, Verdict
from stages.score.quota import QuotaStage, allotted

SHARES: dict[Bucket, float] = {"easy": 0.2, "moderate": 0.5, "hard": 0.3}
THERE: dict[Bucket, int] = {"easy": 40, "moderate": 30, "hard": 21, "unsolved": 9}


def groups(there: dict[Bucket, int] = THERE, first: int = 0) -> list[Group]:
    buckets = [bucket for bucket, number in there.items() for _ in range(number)]
    made = []
    for no, bucket in enumerate(buckets, start=first):
        verdicts = {"difficulty": Verdict(True, data={"difficulty": bucket})}
        made.append(
            Group(Seed(no, f"s{no}", {}), [Candidate(0, "x", verdicts=verdicts), Candidate(1, "not looked at")])
        )
    return made


async def passed(
    there: Iterable[Group], target: dict[Bucket, float], stop: int | None = None, action: str = "reject"
) -> tuple[set[str], MadeDecisions]:
    """Return the ids of the seeds that pass; with `stop`, the process ends after so many groups."""
    decisions, there = MadeDecisions(), list(there)
    place = Place("difficulty", 3, "mark" if action == "mark" else "reject")
    stage = QuotaStage(place, target, decisions, 7)
    for group in there:
        await stage.survey(group)
    waiting = [group for group in there if "quota" not in verdict(group).data]
    for group in waiting[:stop]:
        await stage.process(group)
    return {group.seed.id for group in there if verdict(group).data.get("quota")}, decisions


def verdict(group: Group) -> Verdict:
    return group.candidates[0].verdicts["difficulty"]


async def test_by_shares_the_largest_total_is_taken_in_which_every_bucket_has_its_share():
    there = groups()
    kept, decisions = await passed(there, SHARES)
    taken = Counter(verdict(group).data["difficulty"] for group in there if group.seed.id in kept)
    assert taken == {"easy": 12, "moderate": 30, "hard": 18}
    (row,) = decisions.rows
    assert row == ("quota", "difficulty", {"there": THERE, "taken": taken, "target": SHARES})


async def test_who_is_over_is_rejected_with_the_reason_and_the_unjudged_stay():
    there = groups()
    kept, _ = await passed(there, {"easy": 2})
    over = next(group for group in there if group.seed.id not in kept and verdict(group).data["difficulty"] == "easy")
    assert (over.candidates[0].state, over.candidates[0].reason) == ("rejected", "over_quota")
    assert over.candidates[0].detail == "enough easy ones"
    assert over.candidates[1].state == "live"


async def test_marking_rejects_nobody_and_says_who_was_drawn():
    there = groups()
    kept, _ = await passed(there, {"easy": 3}, action="mark")
    assert len(kept) == 3
    assert {candidate.state for group in there for candidate in group.candidates} == {"live"}
    assert [verdict(group).passed for group in there] == [group.seed.id in kept for group in there]


@given(st.integers(0, 99), st.randoms(use_true_random=False))
async def test_order_and_interruption_change_nothing(stop: int, random: Random):
    """A second process sees what the first one decided in the groups themselves, and nothing of its memory."""
    want, _ = await passed(groups(), SHARES)
    there = groups()
    random.shuffle(there)
    await passed(there, SHARES, stop)
    again, decisions = await passed(there, SHARES)
    assert again == want
    assert decisions.rows[-1][2]["there"] == THERE


async def test_seeds_that_come_after_a_finished_run_leave_those_that_it_let_pass():
    there = groups()
    first, _ = await passed(there, SHARES)
    more = groups({"easy": 30, "moderate": 10, "hard": 30}, first=1000)
    both, decisions = await passed([*there, *more], SHARES)
    assert first < both
    taken = decisions.rows[0][2]["taken"]
    assert taken == {"easy": 16, "moderate": 40, "hard": 24}
    assert len(both) == 80


async def test_seeds_without_a_live_candidate_are_not_counted():
    there = groups({"easy": 2})
    for candidate in there[0].candidates:
        there[0].reject(candidate, "select", "not_selected")
    kept, decisions = await passed(there, {"easy": 2})
    assert kept == {"s1"}
    assert decisions.rows[0][2]["there"] == {"easy": 1}


@given(
    st.dictionaries(st.sampled_from(["easy", "moderate", "hard"]), st.integers(0, 10**6), min_size=3),
    st.lists(st.integers(1, 20), min_size=3, max_size=3),
)
def test_shares_are_kept_to_the_seed_and_cannot_be_raised(there: dict[Bucket, int], parts: list[int]):
    target: dict[Bucket, float] = {
        bucket: part / sum(parts) for bucket, part in zip(("easy", "moderate", "hard"), parts, strict=True)
    }
    taken = allotted(target, there)
    total = min(there[bucket] / share for bucket, share in target.items())
    for bucket, share in target.items():
        assert taken[bucket] <= there[bucket]
        assert taken[bucket] == pytest.approx(share * total, abs=1)
    assert any(taken[bucket] == there[bucket] for bucket in target)


def test_of_an_empty_bucket_nobody_has_a_share():
    assert allotted(SHARES, {"easy": 5, "moderate": 5}) == {"easy": 0, "moderate": 0, "hard": 0}


def test_counts_are_taken_as_far_as_there_are_any():
    assert allotted({"easy": 3, "hard": 50}, {"easy": 9, "hard": 7, "unknown": 3}) == {"easy": 3, "hard": 7}


@pytest.mark.parametrize("target", [{"easy": 0.2, "hard": 0.3}, {"easy": 1.5}, {"tough": 1}, {"easy": -1, "hard": 2}])
def test_a_target_is_shares_of_one_or_whole_numbers_of_known_buckets(target: dict[str, float]):
    with pytest.raises(ValidationError):
        Difficulty.model_validate({"target": target})
