"""Decisions kept in memory: what a ledger would hold of them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any


class MadeDecisions:
    """Keeps the rows `(kind, scope, body)` in the order in which they were made."""

    def __init__(self) -> None:
        self.rows: list[tuple[str, str, Any]] = []

    def made(self, kind: str) -> Iterator[tuple[str, Any]]:
        return ((scope, body) for made, scope, body in list(self.rows) if made == kind)

    async def make(self, kind: str, scope: str, body: Any) -> None:
        self.rows.append((kind, scope, body))
