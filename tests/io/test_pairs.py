"""Which candidates make a preference pair."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from config.schema import Pairs
from stages.core.record import Candidate, Verdict
from stages.io.exports.pairs import BY_COMPARISON, Pair, margin, pairs

RIGHT, WRONG = Verdict(True), Verdict(False, reason="wrong_answer")


def good(n: int, text: str = "right", **more: Any) -> Candidate:
    return Candidate(n, text, state="accepted", **{"verdicts": {"verify": RIGHT}, **more})


def bad(n: int, text: str = "wrong", **more: Any) -> Candidate:
    full = {"stage": "verify", "reason": "wrong_answer", "verdicts": {"verify": WRONG}, **more}
    return Candidate(n, text, state="rejected", **full)


def paired(*candidates: Candidate, **policy: Any) -> list[tuple[int, int]]:
    samples = [candidate for candidate in candidates if candidate.state == "accepted"]
    made = pairs(samples, candidates, Pairs(**policy), lambda one: [])
    return [(pair.chosen.n, pair.rejected.n) for pair in made]


scores = st.dictionaries(st.just("score"), st.sampled_from([0.0, 0.5, 1.0]), max_size=1)
verdicts = st.dictionaries(
    st.sampled_from(["verify", "judge", "select"]),
    st.builds(
        Verdict,
        st.sampled_from([True, False, None]),
        st.sampled_from([None, 0.0, 1.0]),
        st.sampled_from(["wrong_answer", "not_selected", ""]),
    ),
)
answers = st.sampled_from(["a", "A ", "\uff21", "b", "bb", "a  b", "A\nB", ""])
anyone = st.builds(
    Candidate,
    st.just(0),
    answers,
    state=st.sampled_from(["accepted", "rejected", "failed", "live"]),
    stage=st.sampled_from(["verify", "select"]),
    reason=st.just("not_selected"),
    verdicts=verdicts,
    scores=scores,
)
policies = st.builds(
    Pairs,
    rejected=st.sampled_from([(), ("verify",), ("judge", "select")]),
    pick=st.sampled_from(["nearest_length", "first", "lowest_score"]),
    per_seed=st.integers(1, 3),
    min_margin=st.sampled_from([0.0, 0.5, 1.0]),
)


@given(st.lists(anyone, max_size=8), policies)
def test_whatever_the_candidates_a_pair_is_a_true_preference(candidates: list[Candidate], policy: Pairs) -> None:
    for n, candidate in enumerate(candidates):
        candidate.n = n
    samples = [candidate for candidate in candidates if candidate.state == "accepted"]
    made = pairs(samples, candidates, policy, lambda one: [])
    assert len(made) <= policy.per_seed
    assert len({pair.rejected.n for pair in made}) == len(made)
    for pair in made:
        assert pair.chosen.state == "accepted"
        assert pair.rejected.n != pair.chosen.n
        assert pair.chosen.text.strip().casefold() != pair.rejected.text.strip().casefold()
        assert pair.margin > 0 and pair.margin >= policy.min_margin
        assert not policy.rejected or pair.by in policy.rejected


def test_right_against_wrong_is_a_margin_of_one() -> None:
    assert margin(good(0), bad(1), "verify") == 1.0


def test_a_stage_that_scores_gives_the_difference_of_its_scores() -> None:
    better, worse = Verdict(True, 0.9), Verdict(False, 0.4, "low")
    assert margin(good(0, verdicts={"judge": better}), bad(1, verdicts={"judge": worse}), "judge") == pytest.approx(0.5)


@pytest.mark.parametrize("reason", sorted(BY_COMPARISON))
def test_who_only_lost_a_comparison_is_worse_by_the_score_alone(reason: str) -> None:
    lost = {"stage": "select", "reason": reason, "verdicts": {"select": Verdict(False, reason=reason)}}
    winner = {"select": Verdict(True)}
    assert margin(good(0, verdicts=winner), bad(1, **lost), "select") is None
    high, low, same = ({"score": value} for value in (0.8, 0.3, 0.8))
    assert margin(good(0, verdicts=winner, scores=high), bad(1, **lost, scores=low), "select") == pytest.approx(0.5)
    assert paired(good(0, scores=high), bad(1, **lost, scores=same)) == []


def test_who_was_ranked_lower_is_worse_by_how_often_it_would_lose() -> None:
    def ranked(strength: float, **more: Any) -> dict[str, Any]:
        return {"verdicts": {"rank": Verdict(True, data={"strength": strength}), "select": Verdict(**more)}}

    first = good(0, scores={"score": 0.1}, **ranked(3.0, passed=True))
    lost = {"stage": "select", "reason": "not_selected", "scores": {"score": 0.9}}
    third = bad(1, **lost, **ranked(1.0, passed=False, reason="not_selected"))
    level = bad(2, **lost, **ranked(3.0 - 1e-9, passed=False, reason="not_selected"))
    assert margin(first, third, "select") == pytest.approx(3 / 4 - 1 / 4)
    assert paired(first, third, level) == [(0, 1)]


def test_who_was_not_judged_by_the_stage_is_neither_better_nor_worse() -> None:
    assert paired(good(0, verdicts={}), bad(1)) == []
    assert paired(good(0), bad(1, stage="generate", reason="truncated", verdicts={})) == []


def test_a_failed_candidate_is_no_worse_one() -> None:
    assert paired(good(0), Candidate(1, "x", state="failed", stage="verify", reason="timeout")) == []


def test_what_was_marked_and_not_rejected_is_a_worse_one_even_where_it_was_accepted() -> None:
    marked = Candidate(1, "wrong", state="accepted", verdicts={"verify": WRONG})
    assert paired(good(0), marked, rejected=("verify",)) == [(0, 1)]


def test_the_nearest_in_length_is_taken_first_and_ties_go_by_order() -> None:
    group = (good(0, "12345"), bad(1, "1"), bad(2, "123456"), bad(3, "1234"), good(4, "1234567"))
    assert paired(*group) == [(0, 2)]
    assert paired(*group, per_seed=3) == [(0, 2), (0, 3), (0, 1)]
    assert paired(*group, pick="first") == [(0, 1)]


def test_lowest_score_takes_the_largest_margin() -> None:
    verdicts = [{"judge": Verdict(score > 0.5, score)} for score in (0.9, 0.4, 0.1)]
    group = (good(0, verdicts=verdicts[0]), bad(1, "near", verdicts=verdicts[1]), bad(2, "far", verdicts=verdicts[2]))
    assert paired(*group, pick="lowest_score") == [(0, 2)]
    assert paired(*group, pick="lowest_score", min_margin=0.9) == []


def test_only_the_named_stages_rejects_count() -> None:
    judged = bad(1, stage="judge", verdicts={"verify": RIGHT, "judge": WRONG})
    chosen = good(0, verdicts={"verify": RIGHT, "judge": RIGHT})
    assert paired(chosen, judged, rejected=("verify",)) == []
    assert paired(chosen, judged, rejected=("verify", "judge")) == paired(chosen, judged) == [(0, 1)]


def test_answers_that_differ_in_their_tool_calls_alone_do_differ() -> None:
    assert paired(good(0, "", tool_calls=[{"id": "a"}]), bad(1, "", tool_calls=[{"id": "b"}])) == [(0, 1)]


def test_a_pair_answers_one_prompt() -> None:
    assert pairs([good(0)], [good(0), bad(1)], Pairs(), lambda one: [{"content": one.text}]) == []
    assert isinstance(pairs([good(0)], [bad(1)], Pairs(), lambda one: [])[0], Pair)
