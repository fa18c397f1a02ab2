from __future__ import annotations

import asyncio

import pytest

from stages.core.errors import CandidateError, InputError
from stages.core.record import Candidate
from stages.verify.pattern import Pattern

RUINOUS = r"(?:a|aa|aaa)+$"
TEXT = "a" * 60 + "b"


async def test_a_pattern_that_backtracks_for_ever_is_stopped_and_fails_the_verdict_only():
    pattern = Pattern(RUINOUS, limit_s=0.1)
    with pytest.raises(CandidateError, match=r"timeout: `pattern` took longer than 0.1 s on this text"):
        await pattern.judge(Candidate(0, TEXT), "")
    assert (await pattern.judge(Candidate(1, "aaa"), "")).passed


async def test_the_loop_runs_on_while_a_pattern_backtracks():
    pattern = Pattern(RUINOUS, limit_s=0.3)
    judging = asyncio.create_task(pattern.judge(Candidate(0, TEXT), ""), name="judging")
    turns = 0
    while not judging.done():
        await asyncio.sleep(0)
        turns += 1
    assert turns > 1000


def test_a_pattern_that_cannot_be_compiled_is_the_persons_mistake():
    with pytest.raises(InputError, match=r"`pattern` '\(' is not a regular expression"):
        Pattern("(")
