"""`check: grounded`: what the response says stands in the reference, as far as can be told without a model.

A response passes where the share of its sentences that are supported is `min_score` or more (all of them, if left out),
and every quotation is one. What is looked at:

- The field `evidence`, where the candidate has one, and every passage of four words or more in quotation marks must
  stand in the reference word for word (`core.quotes`).
- A sentence is supported where all its numbers and names stand in the reference (`core.facts`) and at least half of its
  words of four letters or more, by their first six letters.

So what it catches is what was made up: a number, a name, a quotation, a sentence of other matter. It does not see that
a sentence turns what the reference says round, or joins what does not belong together; a result that was calculated
from the reference does not stand in it, and fails. It is no proof, and it is free.
"""

from __future__ import annotations

import regex

from stages.core.errors import CandidateError
from stages.core.facts import missing_names, missing_numbers, sentences
from stages.core.quotes import find_span
from stages.core.record import Candidate, Verdict
from stages.core.text import normal
from stages.verify.check import Check, bad_reference, shown

_QUOTED = regex.compile(r"[\"“„«]([^\"“”„«»]+)[\"”“»]")
_LEAST_WORDS = 4
_CONTENT = regex.compile(r"[\p{Han}\p{Hiragana}\p{Katakana}]|[\p{L}\p{M}]{4,}")
_STEM = 6
_ENOUGH = 0.5


class Grounded(Check):
    """The check against a reference, with the share of sentences as the verdict's score."""

    def __init__(self, min_score: float | None = None) -> None:
        self._min_score = 1.0 if min_score is None else min_score

    async def judge(self, candidate: Candidate, reference: str) -> Verdict:
        if not reference.strip():
            raise bad_reference("the reference is empty")
        evidence = candidate.fields.get("evidence")
        quoted = [text for text in _QUOTED.findall(candidate.text) if len(text.split()) >= _LEAST_WORDS]
        for text in [evidence, *quoted] if isinstance(evidence, str) else quoted:
            if find_span(text, reference) is None:
                return Verdict(False, 0.0, "ungrounded", f"this is no quotation from the reference: {shown(text)}")
        said = list(sentences(candidate.text))
        if not said:
            raise CandidateError("empty", "the response has no text")
        there = _stems(reference)
        lacks = {text: lack for text in said if (lack := _lack(text, reference, there))}
        score = sum(text not in lacks for text in said) / len(said)
        if score >= self._min_score:
            return Verdict(True, score)
        text, lack = next(iter(lacks.items()))
        return Verdict(False, score, "ungrounded", f"{lack}: {shown(text)}")


def _lack(sentence: str, reference: str, there: set[str]) -> str:
    """Return what of a sentence the reference has not, in words; empty where it is supported."""
    for what, missing in (("numbers", missing_numbers), ("names", missing_names)):
        if lost := missing(sentence, reference):
            return f"{what} that are not in the reference ({', '.join(lost):.80})"
    content = _stems(sentence)
    if content and len(content & there) < _ENOUGH * len(content):
        return f"{len(content & there)} of {len(content)} longer words are in the reference"
    return ""


def _stems(text: str) -> set[str]:
    return {word[:_STEM] for word in _CONTENT.findall(normal(text))}
