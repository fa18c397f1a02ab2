"""What a text shows of its own working: step indicators by kind, phrases that explain, how long and how easy it is.

These are hints, not proof: whoever writes "First, second, because" scores, right or wrong, so three bullets game them.
They order what has already been verified; give them little weight. The words are English.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from functools import lru_cache
from typing import Literal, NamedTuple, get_args

from config.scoring import Features
from stages.score.steps import Matched

StepKind = Literal["ordinal", "connective", "calculation", "numbered"]

_WORDS = {
    "ordinal": "firstly secondly thirdly fourthly fifthly lastly finally",
    "connective": "then afterwards afterward therefore thus hence consequently",
    "calculation": "calculate calculates calculated calculating calculation compute computes computed computing "
    "add adds added adding subtract subtracts subtracted subtracting sum sums summed summing "
    "multiply multiplies multiplied multiplying divide divides divided dividing",
    "explanation": "because since",
}
_OPENING_WORDS = {"ordinal": "first second third fourth fifth", "connective": "so next"}
"""These count only where a clause opens: a second is also a unit of time, and the next day no step."""
_PHRASES = {
    "connective": "after that, after this",
    "explanation": "this means, that means, which means, it means, this implies, that implies, which implies, "
    "this shows, which shows, it follows, so that, other words, due to, a result, the reason, given that, order to, "
    "is why",
}
_WORD_KINDS = {word: kind for kind, words in _WORDS.items() for word in words.split()}
_OPENING_KINDS = {word: kind for kind, words in _OPENING_WORDS.items() for word in words.split()}
_PHRASE_KINDS = {tuple(phrase.split()): kind for kind, phrases in _PHRASES.items() for phrase in phrases.split(", ")}
_OPENERS = frozenset({*".!?;:,\n*)-", "", "and", "we", "i", "you", "let's"})
_TOKEN = re.compile(r"[a-z']+|[0-9]+|[.!?;:,\n*)-]")
_EQUATION = re.compile(r"\d\s*[-+*/\u00d7\u00f7\u2212]\s*[$(]?\d[\d.,]*\s*=")
_NUMBERED = re.compile(r"^[ \t]*(?:[-*#>]+[ \t]*)?(?:\**step[ \t]+\d+|\d{1,2}[.)])(?=[ \t:*])", re.MULTILINE)

_ENGLISH_WORD = re.compile(r"[a-z]+(?:'[a-z]+)?")
_SENTENCE_END = re.compile(r"[.!?:](?=\s)|\n")
_VOWELS = re.compile(r"[aeiouy]+")
_SILENT = re.compile(r"(?<=[^aeiouyl])e$|(?<=[^aeioutdy])ed$|(?<=[^aeiouycgsxzh])es$")  # not `little`, `added`, `uses`


class TextFeatures(NamedTuple):
    """Raw counts of one text: step indicators by kind, explaining phrases, words; and Flesch's reading ease."""

    steps: dict[StepKind, int]
    explanation: int
    words: int
    reading_ease: float


def text_features(text: str) -> TextFeatures:
    """Count the features of a text, in about 0.2 us per character."""
    text = text.lower()
    found = Counter[str]()
    before = ""
    for token in _TOKEN.findall(text):
        kind = _WORD_KINDS.get(token) or _PHRASE_KINDS.get((before, token))
        if kind is None and before in _OPENERS:
            kind = _OPENING_KINDS.get(token)
        if kind is not None:
            found[kind] += 1
        before = token
    found["calculation"] += len(_EQUATION.findall(text))
    found["numbered"] += len(_NUMBERED.findall(text))
    steps = {kind: found[kind] for kind in get_args(StepKind)}
    return TextFeatures(steps, found["explanation"], len(text.split()), round(_reading_ease(text), 1))


def _reading_ease(lowered: str) -> float:
    """Return how easy a text is to read, by Flesch's formula (1948), which is for English prose.

    206.835 - 1.015 x words a sentence - 84.6 x syllables a word: 100 is very easy, 60 plain, 0 very hard, and 0 for a
    text without words. Texts of a few words, formulas and tables give figures without meaning.
    """
    words = _ENGLISH_WORD.findall(lowered)
    if not words:
        return 0.0
    sentences = sum(1 for sentence in _SENTENCE_END.split(lowered) if _ENGLISH_WORD.search(sentence))
    return 206.835 - 1.015 * len(words) / sentences - 84.6 * sum(map(_syllables, words)) / len(words)


@lru_cache(maxsize=1 << 16)  # texts say the same words again and again
def _syllables(word: str) -> int:
    return max(1, len(_VOWELS.findall(_SILENT.sub("", word))))


def credit(count: float, full_at: float) -> float:
    """Return the share of full credit that a count earns: in proportion, from none at 0 to all of it at `full_at`."""
    return min(1.0, max(0.0, count / full_at))


def earned(config: Features, found: TextFeatures, matched: Matched | None) -> Iterator[tuple[float, float]]:
    """Yield weight and credit of each feature that is asked for; a reference without a step to match gives none."""
    if (steps := config.steps) is not None:
        kinds = steps.kinds or dict.fromkeys(found.steps, 1.0)
        count = sum(kinds.get(kind, 0.0) * number for kind, number in found.steps.items())
        yield steps.weight, credit(count, steps.full_at)
    if (explanation := config.explanation) is not None:
        yield explanation.weight, credit(found.explanation, explanation.full_at)
    if (readability := config.readability) is not None:
        yield readability.weight, credit(found.reading_ease, readability.full_at)
    if (length := config.length) is not None:
        short, long = sorted((found.words, length.target))
        yield length.weight, short / long
    if config.partial_credit is not None and matched is not None and matched.steps:
        yield config.partial_credit.weight, credit(matched.matched, matched.steps)
