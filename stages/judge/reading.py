"""Reads a judge's reply: strict where it is JSON, tolerant where a model wrapped it in words.

What cannot be read is None, never a verdict: a guess would be a wrong label in the data.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

_DECODER = json.JSONDecoder()
_YES, _NO = ("true", "yes", "pass", "passes", "passed"), ("false", "no", "fail", "fails", "failed")
_CUT_OFF = re.compile(r'"pass"\s*:\s*"?(true|false|yes|no|pass|fail)\b', re.IGNORECASE)
_LONE_WORD = re.compile(rf"[\s*_\"'`#]*(?:(?:verdict|answer|pass)\s*[:=]\W*)?({'|'.join(_YES + _NO)})\b", re.IGNORECASE)
_WORD = re.compile(rf"\b(?:{'|'.join(_YES + _NO)})\b", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Judgement:
    """What a judge said: whether the response passes, and which principle it named."""

    passes: bool
    principle: str = ""


def read_judgement(text: str) -> Judgement | None:
    """Return what the judge said, or None where that cannot be told.

    Understood: an object with `pass` (and `principle`) anywhere in the text, also fenced or cut off behind `pass`; and
    a reply that begins with yes, no, pass or fail and nowhere says the opposite.
    """
    for found in _objects(text):
        passes = _truth(found.get("pass"))
        if passes is not None:
            named = found.get("principle")
            return Judgement(passes, named if isinstance(named, str) else "")
    if cut := _CUT_OFF.search(text):
        return Judgement(bool(_truth(cut.group(1))))
    word = _LONE_WORD.match(text)
    if word and len({_truth(one) for one in _WORD.findall(text, word.start(1))}) == 1:
        return Judgement(bool(_truth(word.group(1))))
    return None


def _objects(text: str) -> Iterator[dict[str, Any]]:
    """Yield every JSON object that begins somewhere in the text, outer ones before those inside them."""
    start = text.find("{")
    while start >= 0:
        try:
            value, _ = _DECODER.raw_decode(text, start)
        except (ValueError, RecursionError):
            value = None
        if isinstance(value, dict):
            yield value
        start = text.find("{", start + 1)


def _truth(value: object) -> bool | None:
    if isinstance(value, bool):
        return value
    word = value.strip().casefold() if isinstance(value, str) else ""
    return True if word in _YES else False if word in _NO else None
