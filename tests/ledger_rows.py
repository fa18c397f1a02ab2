"""Rows for a ledger, each a function of its number, so that a test can tell whether one came back whole."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from typing import Any

import orjson

from queues.ledger import CandidateRow, Ledger, ReplyRow, SeedRow


def key_of(number: int) -> str:
    return f"{number:032x}"


def raw_of(number: int, size: int = 1000) -> bytes:
    """Return a reply of about `size` bytes."""
    return orjson.dumps({"id": number, "choices": [{"message": {"content": f"answer {number} ".ljust(size, "x")}}]})


def a_reply(number: int, **changes: Any) -> ReplyRow:
    row = ReplyRow(
        seed=number,
        key=key_of(number),
        stage="generate",
        endpoint="main",
        raw=raw_of(number),
        prompt_tokens=60,
        completion_tokens=160,
        reasoning_tokens=40,
        cached_tokens=10,
        cost_usd=0.25,
        wait_s=0.5,
        duration_s=2.0,
    )
    return row._replace(**changes)


def a_seed(no: int, **changes: Any) -> SeedRow:
    row = SeedRow(no, f"id-{no}", "algebra", None, None, "solved", 0, orjson.dumps({"question": no}), b"{}")
    return row._replace(**changes)


def a_candidate(seed: int, n: int, **changes: Any) -> CandidateRow:
    row = CandidateRow(seed, n, "accepted", "", "", "", "generated", f"text {seed}/{n}", orjson.dumps({"n": n}))
    return row._replace(**changes)


async def write(ledger: Ledger, replies: Iterable[ReplyRow]) -> None:
    await asyncio.gather(*map(ledger.reply, replies))
