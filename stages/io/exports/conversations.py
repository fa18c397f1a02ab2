"""Accepted samples as conversations: TRL's, for supervised fine-tuning, and ShareGPT's, as LLaMA-Factory reads them."""

from __future__ import annotations

from collections.abc import Iterator

import orjson

from stages.core.record import Group, Message
from stages.core.task import content_text
from stages.io.exports.format import Format, Made, Row

ROLES = {"user": "human", "assistant": "gpt", "tool": "observation"}


class Sft(Format):
    """A row per accepted sample: `messages`, the last one the sample itself."""

    def rows(self, group: Group) -> Iterator[Made]:
        for sample in self._samples(group):
            yield Made({"messages": self._messages(group, sample), **self._more(group)}, sample)


class ShareGpt(Format):
    """A row per accepted sample: `conversations`, `system`, and `tools` as a text that holds JSON."""

    def rows(self, group: Group) -> Iterator[Made]:
        for sample in self._samples(group):
            messages = self._messages(group, sample)
            system = [content_text(one.get("content")) for one in messages if one["role"] not in ROLES]
            turns = [turn for one in messages if one["role"] in ROLES for turn in _turns(one)]
            more = self._more(group)
            tools = orjson.dumps(more.pop("tools", [])).decode()
            yield Made({"conversations": turns, "system": "\n".join(system), "tools": tools, **more}, sample)


def _turns(message: Message) -> Iterator[Row]:
    """Yield a message as turns: what was said, then what was called."""
    text, calls = content_text(message.get("content")), message.get("tool_calls") or ()
    if text or not calls:
        turn: Row = {"from": ROLES[message["role"]], "value": text}
        if reasoning := message.get("reasoning_content"):
            turn["reasoning_content"] = reasoning
        yield turn
    for call in calls:
        function = call["function"] if isinstance(call.get("function"), dict) else call
        arguments = function.get("arguments", {})
        if isinstance(arguments, str):
            arguments = _parsed(arguments)
        value = orjson.dumps({"name": function.get("name"), "arguments": arguments}).decode()
        yield {"from": "function_call", "value": value}


def _parsed(arguments: str) -> object:
    """Return the arguments of a call; as they are where the model wrote no JSON."""
    try:
        return orjson.loads(arguments)
    except orjson.JSONDecodeError:
        return arguments
