"""What all export formats share: the turns of a sample, which samples an output takes, and the columns that it adds."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator
from typing import Any, Literal, NamedTuple

from config.schema import Output
from stages.core.errors import CandidateError, InputError
from stages.core.record import Candidate, Group, Message
from stages.core.task import conversation
from stages.prompts.template import Expression, Template

Row = dict[str, Any]
Reasoning = Literal["field", "think_tags", "drop"]


class Turns:
    """A sample as a conversation, by an output's `prompt` and `reasoning`: what stands before the answer, and that."""

    def __init__(self, prompt: str | None = None, reasoning: Reasoning = "field") -> None:
        self._template = None if prompt is None else Template(prompt)
        self._reasoning = reasoning
        self._rendered: tuple[Group, list[Message]] | None = None

    def prompt(self, group: Group, candidate: Candidate | None) -> list[Message]:
        """Return what stands before the answer: the first that there is of these.

        The output's `prompt`, rendered over the row, as the one user turn; the seed's own messages, where they end
        with a turn to answer; the prompt as it was sent, its system turn included. Empty where a candidate was given
        and there is none of them.
        """
        if self._template is not None:
            if self._rendered is None or self._rendered[0] is not group:  # all of a group's candidates have the same
                self._rendered = group, [{"role": "user", "content": rendered(self._template, group, "prompt")}]
            return self._rendered[1]
        messages = group.seed.messages
        if messages and messages[-1]["role"] != "assistant":
            return messages
        return (candidate and candidate.prompt) or messages or []

    def answer(self, candidate: Candidate) -> Message:
        """Return the assistant's turn. A reasoning trace goes into `reasoning_content`, into tags, or nowhere.

        The names are those that chat templates of reasoning models read (Qwen3's, DeepSeek's).
        """
        content, reasoning = candidate.text, candidate.reasoning
        if reasoning and self._reasoning == "think_tags":
            content = f"<think>\n{reasoning}\n</think>\n\n{content}"
        message: Message = {"role": "assistant", "content": content}
        if reasoning and self._reasoning == "field":
            message["reasoning_content"] = reasoning
        if candidate.tool_calls:
            message["tool_calls"] = candidate.tool_calls
        return message


def rendered(template: Template, group: Group, key: str) -> str:
    """Return what the template under an output's `key` makes of a seed. Raises InputError where it cannot."""
    try:
        return template.render(group.scope())
    except CandidateError as error:
        raise InputError(f"outputs: the `{key}` cannot be made for seed {group.seed.id}: {error.detail}") from None


class Made(NamedTuple):
    """A row, and the candidate that it is taken for: the better one of a pair; None for a prompt without an answer."""

    row: Row
    sample: Candidate | None


class Format(ABC):
    """Makes the rows of one output, group by group.

    `undecided` counts the candidates for which `where` could not be told, e.g. for want of a verdict: they are left
    out. `decided` counts those for which it could, and `why` has the words of the first for which it could not.
    """

    def __init__(self, output: Output) -> None:
        self._output = output
        self._turns = Turns(output.prompt, output.reasoning)
        self._where = None if output.where is None else Expression(output.where)
        self.undecided = self.decided = 0
        self.why = ""

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
            let_in = self._where(group.scope(candidate))
        except CandidateError as error:
            self.undecided += 1
            self.why = self.why or error.detail
            return False
        self.decided += 1
        return let_in

    def _prompt(self, group: Group, candidate: Candidate | None) -> list[Message]:
        """Return what stands before the answer. Raises InputError where nothing does: no trainer could use the row."""
        if prompt := self._turns.prompt(group, candidate):
            return prompt
        raise InputError(
            "outputs: the candidates were given, so nothing says what was asked; "
            'write it as `prompt:` in the output, e.g. prompt: "{{ question }}"'
        )

    def _messages(self, group: Group, sample: Candidate) -> list[Message]:
        """Return a sample as a whole conversation."""
        return [*self._prompt(group, sample), self._turns.answer(sample)]

    def _more(self, group: Group) -> Row:
        """Return the columns beside the format's own: the seed's tools, and what `columns` asks for."""
        seed = group.seed
        more: Row = {"tools": seed.tools} if seed.tools else {}
        return more | {name: seed.row.get(column) for name, column in self._output.columns.items()}
