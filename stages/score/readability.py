"""How easy a text is to read, by Flesch's formula (1948), which is for English prose.

100 is very easy, 60 plain, 0 very hard; texts of a few words, formulas and tables give figures without meaning.
"""

from __future__ import annotations

import re
from functools import lru_cache

_WORD = re.compile(r"[a-z]+(?:'[a-z]+)?")
_SENTENCE_END = re.compile(r"[.!?:](?=\s)|\n")
_VOWELS = re.compile(r"[aeiouy]+")
_SILENT = re.compile(r"(?<=[^aeiouyl])e$|(?<=[^aeioutdy])ed$|(?<=[^aeiouycgsxzh])es$")  # not `little`, `added`, `uses`


def reading_ease(text: str) -> float:
    """Return 206.835 - 1.015 x words a sentence - 84.6 x syllables a word; 0 for a text without words."""
    text = text.lower()
    words = _WORD.findall(text)
    if not words:
        return 0.0
    sentences = sum(1 for sentence in _SENTENCE_END.split(text) if _WORD.search(sentence))
    return 206.835 - 1.015 * len(words) / sentences - 84.6 * sum(map(_syllables, words)) / len(words)


@lru_cache(maxsize=1 << 16)  # texts say the same words again and again
def _syllables(word: str) -> int:
    return max(1, len(_VOWELS.findall(_SILENT.sub("", word))))
