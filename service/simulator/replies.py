"""The reply to a request in OpenAI's shape: how much of what is said fits, what it counts, log-probabilities."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import accumulate
from typing import Any

import orjson

from service.simulator import tokens
from service.simulator.asked import Asked
from service.simulator.draws import Draws
from service.simulator.options import Reasoning
from service.simulator.speech import Speaker

_CREATED = 1_700_000_000
"""A constant: the same body is to get the same bytes on any day."""
_THOUGHTS = (
    "The request is clear enough; let me check what it asks before I answer.",
    "I should be careful here: first read it again, then decide.",
    "One way is to take it apart and look at each piece.",
    "Before I write it down I go over it once more.",
)


@dataclass(frozen=True, slots=True)
class Composed:
    """A reply's body and the tokens it took."""

    body: bytes
    total_tokens: int


class Composer:
    """Turns a request into the bytes of its reply, a function of the seed and the request alone."""

    def __init__(self, seed: int, speaker: Speaker, reasoning: Reasoning) -> None:
        self._seed, self._speaker, self._reasoning = seed, speaker, reasoning

    def compose(self, asked: Asked) -> Composed:
        choices, completion, reasoning = [], 0, 0
        for index in range(asked.n):
            draws = Draws(self._seed, asked.digest, index)
            thoughts, words, finish = self._spoken(asked, draws)
            choices.append({"index": index, "finish_reason": finish, **self._shape(asked, thoughts, words, draws)})
            reasoning += len(thoughts)
            completion += len(thoughts) + len(words)
        total = asked.prompt_tokens + completion
        usage = {"prompt_tokens": asked.prompt_tokens, "completion_tokens": completion, "total_tokens": total}
        details = {"completion_tokens_details": {"reasoning_tokens": reasoning}} if reasoning else {}
        kind, prefix = ("chat.completion", "chatcmpl-") if asked.chat else ("text_completion", "cmpl-")
        head = {"id": prefix + asked.digest, "object": kind, "created": _CREATED, "model": asked.model}
        return Composed(orjson.dumps({**head, "choices": choices, "usage": {**usage, **details}}), total)

    def _spoken(self, asked: Asked, draws: Draws) -> tuple[list[str], list[str], str]:
        """Return the tokens of the trace and of the text, cut at `max_tokens` together, and why they end."""
        thoughts = tokens.split(draws.pick("thought", _THOUGHTS)) if self._reasoning != "off" else []
        words = tokens.split(self._speaker.say(asked, draws))
        whole = len(thoughts) + len(words)
        room = whole if asked.max_tokens is None else asked.max_tokens
        cut = thoughts[:room], words[: max(room - len(thoughts), 0)]
        return *cut, "stop" if whole <= room else "length"

    def _shape(self, asked: Asked, thoughts: list[str], words: list[str], draws: Draws) -> dict[str, Any]:
        trace, text = "".join(thoughts), "".join(words)
        if self._reasoning == "tags":  # a trace that was cut off has no end
            text = f"<think>\n{trace}\n</think>\n\n{text}" if text else f"<think>\n{trace}"
        logprobs = None if asked.top_logprobs is None else _logprobs(asked, words, draws)
        if not asked.chat:
            return {"text": text, "logprobs": logprobs}
        message = {"role": "assistant", "content": text}
        if self._reasoning == "field":
            message["reasoning_content"] = trace
        return {"message": message, "logprobs": logprobs}


def _logprobs(asked: Asked, words: list[str], draws: Draws) -> dict[str, Any]:
    entries = tokens.logprobs(words, asked.top_logprobs or 0, draws)
    if asked.chat:
        return {"content": entries}
    return {
        "tokens": words,
        "token_logprobs": [entry["logprob"] for entry in entries],
        "top_logprobs": [{one["token"]: one["logprob"] for one in entry["top_logprobs"]} for entry in entries],
        "text_offset": list(accumulate(map(len, words), initial=0))[:-1],
    }
