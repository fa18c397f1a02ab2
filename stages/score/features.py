"""What a text shows of its own working: step indicators by kind, phrases that explain, and how long it is.

These are hints, not proof: whoever writes "First, second, because" scores, right or wrong, so three bullets game them.
They order what has already been verified; give them little weight.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

StepKind = Literal["ordinal", "connective", "calculation", "numbered"]


def _any(*patterns: str) -> re.Pattern[str]:
    return re.compile("|".join(patterns), re.IGNORECASE | re.MULTILINE)


_OPENS = r"(?:^|(?<=[.!?;:,\n*)-])|\b(?:and|we|i|you|let's|then))[ \t]*"  # where a bare "second" is no unit of time
_STEPS: dict[StepKind, re.Pattern[str]] = {
    "ordinal": _any(
        r"\b(?:(?:first|second|third|fourth|fifth|last)ly|finally)\b",
        rf"{_OPENS}(?:first|second|third|fourth|fifth)\b",
    ),
    "connective": _any(
        r"\b(?:then|next|after (?:that|this)|afterwards?|therefore|thus|hence|consequently)\b",
        rf"{_OPENS}so\b",
    ),
    "calculation": _any(
        r"\b(?:calculat|comput|multipl|subtract|divid|add(?=s|ed|ing|\b)|sum(?=s|med|ming|\b))\w*",
        r"\d\s*[-+*/\u00d7\u00f7\u2212]\s*[$(]?\d[\d.,]*\s*=",
    ),
    "numbered": _any(r"^[ \t]*(?:[-*#>]+[ \t]*)?(?:\**step[ \t]+\d+|\d{1,2}[.)])(?=[ \t:*])"),
}
_EXPLANATION = _any(
    r"\b(?:because|since|(?:this|that|which|it) (?:means|implies|shows|follows)|so that|in other words|due to)\b",
    r"\b(?:as a result|the reason|given that|in order to|that is why)\b",
)


@dataclass(frozen=True, slots=True)
class TextFeatures:
    """Raw counts of one text: step indicators by kind, explaining phrases, words."""

    steps: dict[StepKind, int]
    explanation: int
    words: int


def text_features(text: str) -> TextFeatures:
    """Count the features of a text. English only."""
    steps = {kind: _count(pattern.finditer(text)) for kind, pattern in _STEPS.items()}
    return TextFeatures(steps, _count(_EXPLANATION.finditer(text)), len(text.split()))


def _count(found: Iterator[re.Match[str]]) -> int:
    return sum(1 for _ in found)


def partial_credit(count: float, full_at: float) -> float:
    """Return the share of full credit that a count earns: in proportion, and no more than 1 from `full_at` on."""
    return min(1.0, count / full_at)
