"""How often `check: math` tells right from wrong on answers of every kind: the table, its hits, and what it misses."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import pytest

from stages.core.errors import CandidateError
from stages.core.record import Candidate
from stages.verify.maths import Maths

PAIRS = [
    json.loads(line) for line in (Path(__file__).parent / "equivalence_pairs.jsonl").read_text("utf-8").splitlines()
]
HITS_FLOOR = 300


async def _misses() -> list[dict[str, Any]]:
    maths = Maths()
    await maths.start()
    try:
        missed = []
        for pair in PAIRS:
            verdict = await maths.judge(Candidate(n=0, text=pair["answer"]), pair["gold"])
            if verdict.passed is not pair["equivalent"]:
                missed.append(pair)
        return missed
    finally:
        await maths.stop()


async def test_the_table_of_pairs_is_decided_as_people_would(capsys):
    """A wrong answer called equal poisons the data, so none may be; a right one called different only costs a try."""
    missed = await _misses()
    with capsys.disabled():
        sys.stdout.write(f"\nmath decides {len(PAIRS) - len(missed)} of {len(PAIRS)} pairs as expected; it misses:\n")
        for pair in missed:
            sys.stdout.write(f"  {pair['kind']}: {pair['gold']!r} and {pair['answer']!r}\n")
    assert [pair for pair in missed if not pair["equivalent"]] == []
    assert len(PAIRS) - len(missed) >= HITS_FLOOR


def test_the_table_is_as_large_and_as_mixed_as_promised():
    assert len(PAIRS) >= 200
    assert len({(pair["gold"], pair["answer"]) for pair in PAIRS}) == len(PAIRS)
    assert sum(not pair["equivalent"] for pair in PAIRS) >= 50
    assert {"fraction", "interval", "percent", "set", "units", "decimal"} <= {pair["kind"] for pair in PAIRS}


async def test_a_pair_that_never_ends_is_lost_after_the_limit_and_says_so():
    maths = Maths(limit_s=0.5)
    await maths.start()
    try:
        with pytest.raises(
            CandidateError, match=r"timeout: comparing 10\^\{10\^\{10\}\} with 5 took longer than 0.5 s"
        ):
            await maths.judge(Candidate(0, "10^{10^{10}}"), "5")
        assert (await maths.judge(Candidate(1, "\\sqrt{25}"), "5")).passed
    finally:
        await maths.stop()


@pytest.mark.parametrize("answer", ["{{{{{{", "\\frac{", "\\left(", "\\begin{pmatrix}", "x^", "\x00", "\\unknown{3}"])
async def test_what_cannot_be_parsed_is_a_wrong_answer_and_no_failure(answer):
    maths = Maths()
    await maths.start()
    try:
        verdict = await maths.judge(Candidate(0, answer), "\\sqrt{5}")
    finally:
        await maths.stop()
    assert verdict.passed is False
    assert verdict.reason == "wrong_answer"
