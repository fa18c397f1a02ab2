"""Whether two texts are in one language, by py3langid (naive Bayes over byte n-grams, 130 languages, no download).

It answers for texts of any length, and of short ones not reliably: so only a clear difference is told.
"""

from __future__ import annotations

from py3langid import classify, rank

_CLEAR = 15.0
"""By how much more likely, as a natural logarithm, a text must be in another language than in the one it should be."""


def other_language(before: str, after: str) -> str | None:
    """Return the code of the language that `after` clearly is in, where that is not the one of `before`."""
    language, _ = classify(before)
    likelihoods = {code: float(value) for code, value in rank(after)}
    best = max(likelihoods, key=lambda code: likelihoods[code])
    return best if likelihoods[best] - likelihoods.get(language, 0.0) > _CLEAR else None


def load() -> None:
    """Load the model, which takes a second or two, ahead of the first question."""
    classify("")
