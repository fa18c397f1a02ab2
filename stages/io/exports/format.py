"""What all export formats share: which samples an output takes, and the columns that it adds."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator
from typing import Any, NamedTuple

from config.schema import Output
from stages.core.errors import CandidateError, InputError
from stages.core.record import Candidate, Group, Message
from stages.core.task import conversation
from stages.io.exports.turns import Turns
from stages.prompts.template import Expression

Row = dict[str, Any]


class Made(NamedTuple):
    """A row, and the candidate that it is taken for: the better one of a pair; None for a prompt without an answer."""

    row: Row
    sample: Candidate | None


class Format(ABC):
    """Makes the rows of one output, group by group.

    `undecided` counts the candidates for which `where` could not be told, e.g. for want of a verdict: they are left
    out.
    """

    def __init__(self, output: Output) -> None:
        self._turns = Turns(output.prompt, output.reasoning)
        self._where = None if output.where is None else Expression(output.where)
        self._columns = output.columns
        self.undecided = 0

    @abstractmethod
    def rows(self, group: Group) -> Iterator[Made]:
        """Yield the rows that a group gives, in canonical order."""

    def texts(self, group: Group, sample: Candidate | None) -> tuple[str, str]:
        """Return what two rows are compared by: the prompt and the answer."""
        asked = sample or next(iter(group.candidates), None)
        return conversation(self._turns.prompt(group, asked)), "" if sample is None else sample.text

    def _samples(self, group: Group) -> list[Candidate]:
        """Return the accepted candidates that `where` lets in."""
        return [c for c in group.candidates if c.state == "accepted" and self._lets_in(group, c)]

    def _lets_in(self, group: Group, candidate: Candidate | None) -> bool:
        if self._where is None:
            return True
        try:
            return self._where(group.scope(candidate))
        except CandidateError:
            self.undecided += 1
            return False

    def _prompt(self, group: Group, candidate: Candidate | None) -> list[Message]:
        """Return what stands before the answer. Raises InputError where nothing does: no trainer could use the row."""
        if prompt := self._turns.prompt(group, candidate):
            return prompt
        raise InputError(
            "outputs: the candidates were given, so nothing says what was asked; "
            'write it as `prompt:` in the output, e.g. prompt: "{{ question }}"'
        )

    def _more(self, group: Group) -> Row:
        """Return the columns beside the format's own: the seed's tools, and what `columns` asks for."""
        seed = group.seed
        more: Row = {"tools": seed.tools} if seed.tools else {}
        return more | {name: seed.row.get(column) for name, column in self._columns.items()}
