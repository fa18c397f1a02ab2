"""Questions with known answers, found inside whatever prompt they were put into.

Both sides are compared as lower-case words and operators, so white space, case, quotation and line breaks of the
template around and inside a question do not matter. One pass over a prompt finds every known question in it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from config.sources import JsonlSource
from stages.core.errors import CandidateError, InputError
from stages.io.sources import open_source
from stages.prompts.template import Template

_WORD = re.compile(r"\w+|[-+*/^=<>%]")


@dataclass(frozen=True, slots=True)
class Question:
    """A question with its truth. `steps` lead to it where they are known; `end` is where it ends in the prompt."""

    text: str
    gold: str
    end: int
    steps: tuple[tuple[str, str], ...] = ()


class KnownQuestions:
    """An index by content. Two questions of the same words are one; the first one's answer stands."""

    def __init__(self, pairs: Iterable[tuple[str, str]] = ()) -> None:
        self._golds: dict[tuple[str, ...], str] = {}
        for question, gold in pairs:
            if words := tuple(_WORD.findall(question.lower())):
                self._golds.setdefault(words, gold)
        self.golds = tuple(dict.fromkeys(self._golds.values()))
        self._opening = min(map(len, self._golds), default=1)
        self._lengths: dict[tuple[str, ...], list[int]] = {}
        """The opening words of questions -> how many words the questions have that open so, longest first."""
        for words in sorted(self._golds, key=len, reverse=True):
            self._lengths.setdefault(words[: self._opening], []).append(len(words))

    @classmethod
    def load(cls, path: Path, column: str, gold: str) -> KnownQuestions:
        """Read a JSONL file. Raises InputError with the row that is broken or lacks what is asked for."""
        return cls(_pairs(path, column, Template(gold)))

    def find(self, prompt: str) -> Iterator[Question]:
        """Yield the known questions in a prompt, in their order; inside one, the longest, no other is looked for."""
        if not self._golds:
            return
        found = list(_WORD.finditer(prompt))
        said = tuple(word[0].lower() for word in found)
        at = 0
        while at < len(said):
            lengths = self._lengths.get(said[at : at + self._opening], ())
            words = next((words for length in lengths if (words := said[at : at + length]) in self._golds), ())
            if words:
                yield Question(" ".join(words), self._golds[words], found[at + len(words) - 1].end())
            at += len(words) or 1


def _pairs(path: Path, column: str, gold: Template) -> Iterator[tuple[str, str]]:
    for group in open_source(JsonlSource(path=str(path))).groups():
        row = group.seed.row
        if column not in row:
            raise InputError(f"{path}: row {group.seed.no + 1}: no column {column!r}; there is: {', '.join(row)}")
        try:
            yield str(row[column]), gold.render(group.scope()).strip()
        except CandidateError as error:
            raise InputError(f"{path}: row {group.seed.no + 1}: --gold: {error.detail}") from error
