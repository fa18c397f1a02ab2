"""Groups with candidates in every state, for tests of what is stored and derived."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

from config.schema import Output
from queues.ledger.reader import Reader
from service.exports.alike import NearRows
from stages.core.record import Candidate, Group, Seed
from stages.io.exports.export import Written
from stages.io.outputs import export
from stages.io.threshold import Threshold

LedgerOf = Callable[[Iterable[tuple[Group, str]]], Awaitable[Reader]]


def group(no: int, *candidates: Candidate, **row: Any) -> Group:
    """Return a group whose candidates are numbered as they stand."""
    for n, candidate in enumerate(candidates):
        candidate.n = n
    return Group(Seed(no, f"q{no}", {"question": f"What is {no} + {no}?", **row}), list(candidates))


def accepted(text: str = "right", **more: Any) -> Candidate:
    return Candidate(0, text, state="accepted", **more)


def rejected(text: str = "wrong", stage: str = "verify", reason: str = "wrong_answer", **more: Any) -> Candidate:
    return Candidate(0, text, state="rejected", stage=stage, reason=reason, **more)


def exported(reader: Reader, output: Output, path: Path, moved: Sequence[Threshold] = ()) -> Written:
    """Write an export of one file and return what is in it."""
    (written,) = export(reader, output, path, NearRows, moved).values()
    return written
