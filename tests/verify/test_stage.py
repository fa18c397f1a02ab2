from __future__ import annotations

import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from config.schema import Verify
from stages.core.base import Place
from stages.core.errors import InputError
from stages.core.events import VerdictGiven
from stages.core.record import Candidate, Group, Seed
from stages.verify.stage import VerifyStage


def group_of(*texts: str, **row: Any) -> Group:
    return Group(Seed(no=1, id="s1", row=row), [Candidate(n=n, text=text) for n, text in enumerate(texts)])


@asynccontextmanager
async def verify(place: Place | None = None, **config: Any) -> AsyncIterator[VerifyStage]:
    stage = VerifyStage(place or Place("check", 1), Verify.model_validate(config))
    try:
        await stage.start()
        yield stage
    finally:
        await stage.stop()


async def verdicts(group: Group, **config: Any) -> list[tuple[str, str, str]]:
    async with verify(**config) as stage:
        assert await stage.process(group) is None
    return [(c.state, c.reason, c.detail) for c in group.candidates]


PASSED = ("live", "", "")


@pytest.mark.parametrize("check", ["numeric", "math"])
async def test_a_wrong_answer_is_rejected_with_what_was_found_and_expected(check):
    group = group_of("A: 20", "A: 18.00", "I do not know.\nSorry.", answer="9 * 2\n#### 20")
    assert await verdicts(group, check=check, against="{{ answer }}") == [
        PASSED,
        ("rejected", "wrong_answer", "found 18, expected 20"),
        ("rejected", "no_answer", "found no answer, expected 20"),
    ]
    assert [c.fields.get("answer") for c in group.candidates] == ["20", "18", None]


@pytest.mark.parametrize("against", ["{{ answer }}", "{{ answer | after('####') }}"])
async def test_the_column_that_holds_what_is_right_is_not_hidden_by_what_was_extracted(against):
    """A stage extracts a field `answer`; a second one with the same `against` must still see the column `answer`."""
    group = group_of("A: 18", answer="so it is #### 20")
    async with verify(check="numeric", against=against, action="mark", place=Place("one", 1, "mark")) as stage:
        await stage.process(group)
        await stage.process(group)
    assert group.candidates[0].verdicts["one"].passed is False


@pytest.mark.parametrize(
    ("check", "gold", "detail"),
    [
        ("numeric", "no number", "there is no number in the reference 'no number'"),
        ("math", "  ", "the reference is empty"),
        ("exact", "", "the reference is empty"),
    ],
)
async def test_a_reference_that_says_nothing_fails_the_verdict_and_rejects_nobody(check, gold, detail):
    group = group_of("A: 18", "A: 20", gold=gold)
    assert await verdicts(group, check=check, against="{{ gold }}") == [("failed", "bad_reference", detail)] * 2
    assert [c.verdicts["check"].passed for c in group.candidates] == [None, None]


async def test_an_against_that_does_not_fit_the_row_fails_the_verdict_with_the_templates_words():
    group = group_of("A: 18", gold="18")
    ((state, reason, detail),) = await verdicts(group, check="math", against="{{ gold | after('####') }}")
    assert (state, reason) == ("failed", "bad_reference")
    assert 'there is no "####"' in detail


async def test_exact_compares_character_by_character_but_for_space_around():
    group = group_of(" yes\n", "Yes", "", gold="yes")
    assert await verdicts(group, check="exact", against="{{ gold }}") == [
        PASSED,
        ("rejected", "wrong_answer", "found Yes, expected yes"),
        ("rejected", "no_answer", "found no answer, expected yes"),
    ]


async def test_a_long_find_is_cut_in_the_detail():
    ((_, _, detail),) = await verdicts(group_of("x" * 10_000, gold="y"), check="exact", against="{{ gold }}")
    assert len(detail) < 300


async def test_regex_searches_the_response():
    group = group_of("a step\n42", "none")
    assert await verdicts(group, check="regex", pattern=r"(?m)^\d+$") == [
        PASSED,
        ("rejected", "no_match", r"(?m)^\d+$ is not in the text"),
    ]


async def test_mark_records_the_verdict_and_rejects_nobody_and_where_leaves_out():
    seen: list[object] = []
    group = group_of("A: 1", "A: 2", gold="2")
    place = Place("check", 1, "mark", where=lambda scope: scope["id"] != "s1/1", observe=seen.append)
    async with verify(place, check="numeric", against="{{ gold }}") as stage:
        await stage.process(group)
    first, second = group.candidates
    assert first.state == second.state == "live"
    assert first.verdicts["check"].passed is False
    assert second.verdicts == {}
    assert seen == [VerdictGiven("check", "marked", "wrong_answer")]


async def test_a_group_without_live_candidates_passes_through():
    assert await verdicts(group_of(gold="1"), check="math", against="{{ gold }}") == []


async def test_math_without_its_library_says_what_to_type(monkeypatch):
    monkeypatch.setitem(sys.modules, "math_verify", None)  # how Python says "not installed"
    with pytest.raises(InputError, match=r"python -m pip install 'math-verify"):
        async with verify(check="math", against="1"):
            pass
