"""A sample as a conversation: the prompt that stands before the answer, and the answer as the assistant's turn."""

from __future__ import annotations

from typing import Literal

from stages.core.errors import CandidateError, InputError
from stages.core.record import Candidate, Group, Message
from stages.prompts.template import Template

Reasoning = Literal["field", "think_tags", "drop"]


class Turns:
    """Makes the turns of samples by an output's `prompt` and `reasoning`."""

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
                self._rendered = group, [{"role": "user", "content": self._render(self._template, group)}]
            return self._rendered[1]
        messages = group.seed.messages
        if messages and messages[-1]["role"] != "assistant":
            return messages
        return (candidate and candidate.prompt) or messages or []

    @staticmethod
    def _render(template: Template, group: Group) -> str:
        try:
            return template.render(group.scope())
        except CandidateError as error:
            raise InputError(f"outputs: the `prompt` cannot be made for seed {group.seed.id}: {error.detail}") from None

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
