"""What it takes to tell equal answers: votes count them, cross-checks and rewrites compare them."""

from __future__ import annotations

from collections.abc import Hashable
from typing import Any, Protocol

from stages.core.base import Tool


class Answers(Tool, Protocol):
    """Finds the answers of one kind in texts and tells whether two of them mean the same.

    An answer is some hashable value: `str()` of it is its wording, and equal values are never asked about.
    """

    def find(self, text: str) -> Hashable | None:
        """Return what a response answers; None where it gives no answer of this kind."""
        ...

    async def same(self, one: Any, other: Any) -> bool:
        """Tell whether two answers that `find` gave mean the same; False where that cannot be told."""
        ...
