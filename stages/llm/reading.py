"""Reads a judge's reply: strict where it is JSON, tolerant where a model wrapped it in words.

What cannot be read is None, never a verdict: a guess would be a wrong label in the data. Where the reply has the
log-probabilities of its tokens, a value is the expectation over what might have stood in its place (G-Eval, arXiv
2303.16634): finer than the one value that was said, and without more calls.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import accumulate
from math import exp
from typing import Any

from stages.llm.protocol import Choice

Worth = Callable[[object], float | None]
"""What a value in a reply is worth; None where it is none of those that were asked for."""

_DECODER = json.JSONDecoder()
_TRUTH = dict.fromkeys(("true", "yes", "pass", "passes", "passed"), 1.0)
_TRUTH |= dict.fromkeys(("false", "no", "fail", "fails", "failed"), 0.0)
_SIDES = {"A": 1.0, "B": 0.0, "tie": 0.5, "Tie": 0.5}
_OUT_OF = re.compile(r"(?<=\d)\s*(?:/|out of)\s*\d+", re.IGNORECASE)
_LONE = re.compile(r"[\s*_\"'`#(]*(?:(?:verdict|answer|pass|score|rating|better)\s*[:=]\W*)?(?=\w)", re.IGNORECASE)
_WORD = re.compile(r"[^\W\d_]+|\d+(?:\.\d+)?")
_AROUND = " \t\n\"'*`"


def truth(value: object) -> float | None:
    """Read a yes or no as 1 or 0."""
    if isinstance(value, bool):
        return float(value)
    return _TRUTH.get(value.strip().casefold()) if isinstance(value, str) else None


def side(value: object) -> float | None:
    """Read which of two is better: 1 for A, 0 for B, one half for a tie."""
    return _SIDES.get(value.strip()) if isinstance(value, str) else None


def grade(low: float, high: float) -> Worth:
    """Return what reads a number on a scale."""

    def worth(value: object) -> float | None:
        if isinstance(value, str) and _WORD.fullmatch(value := _OUT_OF.sub("", value).strip()) and value[0].isdecimal():
            value = float(value)
        if isinstance(value, bool) or not isinstance(value, int | float):
            return None
        return float(value) if low <= value <= high else None

    return worth


@dataclass(frozen=True, slots=True)
class Reading:
    """What a judge said: the value of each key, and the JSON object that held them, if they stood in one."""

    values: dict[str, float]
    said: dict[str, Any] = field(default_factory=dict)


def read(choice: Choice, keys: Sequence[str], worth: Worth) -> Reading | None:
    """Return the value of every key, or None where one of them cannot be told.

    Understood: an object with the keys anywhere in the text, also fenced or cut off behind the last of them; and, for a
    single key, a reply that begins with the value itself and nowhere says another one.
    """
    found = _in_object(choice.text, keys, worth) or _in_pieces(choice.text, keys, worth)
    if found is None and len(keys) == 1 and (lone := _alone(choice.text, worth)) is not None:
        found = Reading({keys[0]: lone})
    if found is None or not choice.logprobs:
        return found
    return Reading(
        {key: _expected(choice.logprobs, key, value, worth) for key, value in found.values.items()}, found.said
    )


def _in_object(text: str, keys: Sequence[str], worth: Worth) -> Reading | None:
    for said in objects(text):
        values = {key: value for key in keys if (value := worth(said.get(key))) is not None}
        if len(values) == len(keys):
            return Reading(values, said)
    return None


def objects(text: str) -> Iterator[dict[str, Any]]:
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


def _in_pieces(text: str, keys: Sequence[str], worth: Worth) -> Reading | None:
    values = {}
    for key in keys:
        found = re.search(rf'{_opening(key)}([\w.]+)(?=[\s,"}}])', text)
        value = worth(found[1]) if found else None
        if value is None:
            return None
        values[key] = value
    return Reading(values)


def _opening(key: str) -> str:
    """Return the pattern of what stands before a key's value."""
    return rf'"{re.escape(key)}"\s*:\s*"?'


def _alone(text: str, worth: Worth) -> float | None:
    text = _OUT_OF.sub("", text)
    start = _LONE.match(text)
    words = _WORD.findall(text, start.end()) if start else []
    said = {value for word in words if (value := worth(word)) is not None}
    return said.pop() if words and worth(words[0]) is not None and len(said) == 1 else None


def _expected(tokens: Sequence[dict[str, Any]], key: str, value: float, worth: Worth) -> float:
    """Return the expectation of a value over the alternatives to its token; the value itself where it has none."""
    words = [str(token.get("token", "")) for token in tokens]
    text, ends = "".join(words), list(accumulate(map(len, words)))
    starts = [found.end() for found in re.finditer(_opening(key), text)]
    starts += [found.end() for found in [_LONE.match(text)] if found]
    for start in starts:
        at = next((at for at, end in enumerate(ends) if end > start), None)
        if at is not None and worth(words[at].strip(_AROUND)) == value:
            return _mean(tokens[at].get("top_logprobs"), worth, value)
    return value


def _mean(alternatives: object, worth: Worth, said: float) -> float:
    known = list(_known(alternatives, worth))
    total = sum(chance for chance, _ in known)
    return sum(chance * value for chance, value in known) / total if total else said


def _known(alternatives: object, worth: Worth) -> Iterator[tuple[float, float]]:
    """Yield chance and worth of each alternative that has both; some servers write null for a chance of nothing."""
    for one in alternatives if isinstance(alternatives, list) else ():
        logprob = one.get("logprob") if isinstance(one, dict) else None
        if isinstance(logprob, int | float) and (value := worth(str(one.get("token")).strip(_AROUND))) is not None:
            yield exp(min(logprob, 0.0)), value
