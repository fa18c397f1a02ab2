"""Word 5-grams and their Jaccard similarity as a book writes them, for the fast ones to agree with."""

from __future__ import annotations

from collections.abc import Callable

import pytest

Similarity = Callable[[str, str], float]


def grams(text: str) -> set[tuple[str, ...]]:
    words = text.casefold().split()
    return {tuple(words[i : i + 5]) for i in range(max(1, len(words) - 4))}


@pytest.fixture(scope="session")
def similarity() -> Similarity:
    def count(one: str, other: str) -> float:
        a, b = grams(one), grams(other)
        return len(a & b) / len(a | b)

    return count
