"""Questions with known answers, found inside whatever prompt they were put into.

Both sides are compared as lower-case words and operators, so white space, case, quotation and line breaks of the
template around and inside a question do not matter. One pass over a prompt finds every known question in it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import islice

import orjson

from service.simulator.options import TruthFile
from stages.core.errors import CandidateError, InputError
from stages.prompts.template import Template

_WORD = re.compile(r"\w+|[-+*/^=<>%]")
_OPENING = 8
"""Words of a question that are looked up at each place of a prompt, before the whole of it is compared."""


@dataclass(frozen=True, slots=True)
class Known:
    """A known question, its answer, and the character of the prompt at which it ends."""

    question: str
    gold: str
    end: int


class KnownQuestions:
    """An index by content. Two questions of the same words are one; the first one's answer stands."""

    def __init__(self, pairs: Iterable[tuple[str, str]]) -> None:
        self._gold: dict[str, str] = {}
        self._lengths: dict[tuple[str, ...], list[int]] = {}
        """Opening words -> how many words the questions have that open so, longest first."""
        for question, gold in pairs:
            self._add(_WORD.findall(question.lower()), gold)
        self._openings = sorted({len(opening) for opening in self._lengths}, reverse=True)
        self.golds: tuple[str, ...] = tuple(dict.fromkeys(self._gold.values()))

    def _add(self, words: list[str], gold: str) -> None:
        key = " ".join(words)
        if not words or key in self._gold:
            return
        self._gold[key] = gold
        lengths = self._lengths.setdefault(tuple(words[:_OPENING]), [])
        if len(words) not in lengths:
            lengths.append(len(words))
            lengths.sort(reverse=True)

    @classmethod
    def load(cls, truth: TruthFile | None) -> KnownQuestions:
        """Read a truth file. Raises InputError with the line of a row that is broken or lacks what is asked for."""
        return cls(_pairs(truth) if truth else ())

    def find(self, prompt: str) -> Iterator[Known]:
        """Yield the known questions in a prompt, in their order; inside one, the longest, no other is looked for."""
        if not self._gold:
            return
        text = prompt.lower()
        words = _WORD.findall(text)
        last = -1
        for start, opening in self._candidates(words):
            if start <= last:
                continue
            for length in self._lengths[opening]:
                question = " ".join(words[start : start + length])
                if question in self._gold:
                    last = start + length - 1
                    end = next(islice(_WORD.finditer(text), last, None)).end()
                    yield Known(question, self._gold[question], end)
                    break

    def _candidates(self, words: list[str]) -> list[tuple[int, tuple[str, ...]]]:
        """Return where a known opening stands, longer openings first at each place."""
        return sorted(
            (
                (start, opening)
                for size in self._openings
                for start, opening in enumerate(zip(*(words[shift:] for shift in range(size)), strict=False))
                if opening in self._lengths
            ),
            key=lambda hit: (hit[0], -len(hit[1])),
        )


def _pairs(truth: TruthFile) -> Iterator[tuple[str, str]]:
    template = Template(truth.gold)
    try:
        lines = truth.path.read_bytes().splitlines()
    except OSError as error:
        raise InputError(f"{truth.path}: {error.strerror}; --truth wants a JSONL file") from error
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        try:
            row = orjson.loads(line)
        except orjson.JSONDecodeError as error:
            raise InputError(f"{truth.path}:{number}: not JSON: {error}") from error
        if not isinstance(row, dict) or truth.question not in row:
            there = ", ".join(row) if isinstance(row, dict) else "no object"
            raise InputError(f"{truth.path}:{number}: no column {truth.question!r}; there is: {there}")
        try:
            gold = template.render({**row, "row": row})
        except CandidateError as error:
            raise InputError(f"{truth.path}:{number}: --gold: {error.detail}") from error
        yield str(row[truth.question]), gold.strip()
