"""Partial credit: how many steps of a reference solution a response has got to, by the numbers and expressions in them.

A step is a line, or a sentence of one, that brings something new: a number or an expression that stood neither in the
task nor in a step before. What it comes to counts, behind its first `=`, since half of 48 may be written 48 / 2 or not.
It is matched where all that is new in it stands somewhere in the response.
"""

from __future__ import annotations

import re
from typing import NamedTuple

_STEP_END = re.compile(r"(?<=[.;!?])\s+|\n+")
_ANNOTATION = re.compile(r"<<[^<>\n]*>>")  # GSM8K's own, which repeats what stands beside it
_NUMBER = re.compile(r"\d[\d,]*(?:\.\d+)?|\.\d+")
_SIDE = re.compile(r"[\w.,+\-*/^(){}\\]+(?:[ \t]*[-+*/^][ \t]*[\w.(){}\\]+)*")
_EXPRESSION = re.compile(r"(?=.*[a-z])(?=.*[-+*/^\d])(?:[a-z]|\\[a-z]+|[\d.(){}+\-*/^])+", re.IGNORECASE)
_WORD = re.compile(r"(?<!\\)[a-z]{3,}", re.IGNORECASE)


class Matched(NamedTuple):
    """How many of a reference's steps are matched, of how many."""

    matched: int
    steps: int


def matched_steps(response: str, reference: str, task: str) -> Matched:
    """Count the matched steps; the work grows with the texts alone."""
    there, seen = _items(response), _items(task)
    matched = steps = 0
    for step in _STEP_END.split(_ANNOTATION.sub("", reference)):
        _, _, result = step.partition("=")
        new = (_items(result) or _items(step)) - seen
        seen |= _items(step)
        steps += bool(new)
        matched += bool(new) and new <= there
    return Matched(matched, steps)


def _items(text: str) -> set[str]:
    """Return the numbers and expressions of a text, each in one spelling."""
    numbers = {_plain(number) for number in _NUMBER.findall(text)}
    sides = ("".join(side.split()).strip(".,") for side in _SIDE.findall(text))
    return numbers | {side for side in sides if _EXPRESSION.fullmatch(side) and not _WORD.search(side)}


def _plain(number: str) -> str:
    """Return a number without thousands' commas, and without the zeros that say nothing."""
    whole, _, part = number.replace(",", "").partition(".")
    whole, part = whole.lstrip("0") or "0", part.rstrip("0")
    return f"{whole}.{part}" if part else whole
