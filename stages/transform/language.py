"""Whether two texts are in one language, by py3langid (naive Bayes over byte n-grams, 130 languages, no download).

It has an answer for every text, and of a few words or of formulas not a reliable one: so a difference is told only
where each of the two texts is clearly in another language than the other one.
"""

from __future__ import annotations

from py3langid import classify, rank

_CLEAR = 15.0
"""By how much more likely, as a natural logarithm, a text must be in its own language than in the other text's."""


def other_language(before: str, after: str) -> str | None:
    """Return the code of the language that `after` clearly is in, where that is not the one of `before`."""
    old, _ = classify(before)
    new, _ = classify(after)
    return new if old != new and _clearly(before, old, new) and _clearly(after, new, old) else None


def _clearly(text: str, one: str, other: str) -> bool:
    likelihoods = dict(rank(text))
    return float(likelihoods[one] - likelihoods[other]) > _CLEAR


def load() -> None:
    """Load the model, which takes a second or two, ahead of the first question."""
    classify("")
