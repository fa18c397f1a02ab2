"""A provider's JSON becomes a Reply. The same bytes give the same Reply, live and from the ledger.

Servers differ in where they put a reasoning trace: a field `reasoning` or `reasoning_content`, parts of type
`thinking`, or `<think>` in the text, with the opening tag at times left in the prompt template and the closing one lost
to truncation. All of that ends here, in `Choice.reasoning` and `Choice.text`.
"""

from __future__ import annotations

from collections.abc import Mapping
from itertools import accumulate
from typing import Any, Literal

import orjson

from stages.llm.protocol import Choice, Reply, Usage

Reasoning = Literal["separate", "inline", "drop"]
Json = Mapping[str, Any]

_OPEN, _CLOSE = "<think>", "</think>"
# What servers call the two endings that stages ask about.
_FINISH = {"max_tokens": "length", "model_length": "length", "eos": "stop", "stop_sequence": "stop"}


class MalformedReply(ValueError):
    """The provider answered 200 with something that is no completion. The message says what is wrong with it."""


DEEPEST = 500
"""How deep a reply may be nested: the ledger's SQLite reads about a thousand levels, orjson a few more."""

MOST_COUNTED = 10**9
"""Tokens of one reply: the ledger adds them up in 64 bits, for thousands of millions of replies."""

_NO_BRACKETS = bytes(set(range(256)) - set(b"[]{}"))


def parse(raw: bytes, reasoning: Reasoning = "separate") -> Reply:
    """Return the reply in a completion, embeddings, or the number that a reward model gave. Raises MalformedReply."""
    body = _object(_loads(raw), "the reply")
    choices, usage, model = body.get("choices"), _usage(body.get("usage")), str(body.get("model") or "")
    if "choices" not in body and (judged := body.get("data") or body.get("results")):
        if isinstance(judged, list) and isinstance(judged[0], dict) and "embedding" in judged[0]:
            return Reply((), usage, model, _vectors(judged))
        return Reply((Choice(str(_number(judged))),), usage, model)
    if not isinstance(choices, list) or not choices:
        raise MalformedReply("the reply has no choices")
    return Reply(tuple(_choice(_object(choice, "a choice"), reasoning) for choice in choices), usage, model)


def _vectors(data: list[Any]) -> tuple[list[float], ...]:
    """Return the embeddings of all inputs, in the order of these, all of the same length and none zero."""
    found = sorted((_object(one, "an embedding") for one in data), key=lambda one: _count(one, "index"))
    vectors: list[Any] = []
    for one in found:
        vector: Any = one.get("embedding")
        numbers = isinstance(vector, list) and any(vector)
        numbers = numbers and all(isinstance(number, int | float) for number in vector)
        if not numbers or len(vector) != len((vectors or [vector])[0]):
            raise MalformedReply("an embedding is no list of numbers, or not as long as the others")
        vectors.append(vector)
    return tuple(vectors)


def _number(judged: Any) -> float:
    """Return the number in a reply of /classify, /score, /rerank or /pooling about one text.

    Of the probabilities of several classes, or of the scores of several tokens, it is the last.
    """
    while isinstance(judged, list) and judged:
        judged = judged[-1]
        if isinstance(judged, dict):
            judged = next((judged[key] for key in ("probs", "score", "relevance_score", "data") if key in judged), None)
    if isinstance(judged, bool) or not isinstance(judged, int | float):
        raise MalformedReply("the reply holds no score")
    return judged


def _loads(raw: bytes) -> Any:
    try:
        value = orjson.loads(raw)
    except orjson.JSONDecodeError as error:
        raise MalformedReply(f"the reply is no JSON: {error}") from error
    brackets = raw.translate(None, _NO_BRACKETS)
    if len(brackets) > 2 * DEEPEST and max(accumulate(1 if one in b"[{" else -1 for one in brackets)) > DEEPEST:
        raise MalformedReply(f"the reply is nested more than {DEEPEST} deep")
    return value


def _object(value: Any, what: str) -> Json:
    if not isinstance(value, dict):
        raise MalformedReply(f"{what} is no JSON object")
    return value


def _choice(choice: Json, mode: Reasoning) -> Choice:
    finish = str(choice.get("finish_reason") or "stop")
    if finish == "error":
        raise MalformedReply("the provider broke off with an error in the middle of its answer")
    if "message" in choice:
        message = _object(choice["message"], "a message")
        text, trace = _message(message)
        tool_calls, logprobs = _objects(message.get("tool_calls")), _logprobs(choice.get("logprobs"))
    elif isinstance(choice.get("text"), str):
        text, trace, tool_calls = choice["text"], None, None
        logprobs = _text_logprobs(choice.get("logprobs"))
    else:
        raise MalformedReply("a choice has neither message nor text")
    if mode == "inline":
        text, trace = (text if trace is None else f"{_OPEN}\n{trace}\n{_CLOSE}\n\n{text}"), None
    else:
        text, trace = split_think(text) if trace is None else (text, trace)
    return Choice(text, _FINISH.get(finish, finish), trace if mode == "separate" else None, tool_calls, logprobs)


def _message(message: Json) -> tuple[str, str | None]:
    """Return the text of a message and the reasoning trace that the server set apart, if it did."""
    trace = message.get("reasoning_content") or message.get("reasoning") or None
    content = message.get("content")
    if isinstance(content, list):
        content, thought = _parts(content)
        trace = trace or thought
    elif content is None:
        if not (trace or message.get("tool_calls") or "content" in message or "refusal" in message):
            raise MalformedReply("a message has no content")
        content = message.get("refusal") or ""
    if not isinstance(content, str) or not isinstance(trace, str | None):
        raise MalformedReply("the content of a message is no text")
    return content, trace


def _parts(parts: list[Any]) -> tuple[str, str | None]:
    """Return text and reasoning of a content in parts: `{type: text, text}`, `{type: thinking, thinking}`."""
    text, trace = "", ""
    for part in (_object(one, "a part of a message") for one in parts):
        thinking = part.get("thinking")
        if isinstance(thinking, list):
            trace += _parts(thinking)[0]
        elif thinking:
            trace += str(thinking)
        else:
            text += str(part.get("text") or "")
    return text, trace or None


def split_think(text: str) -> tuple[str, str | None]:
    """Return (answer, reasoning) of a text that may start with a `<think>` block.

    A block without its end is all reasoning: truncation cut it off. An end without its start is one whose start the
    server's template put into the prompt.
    """
    opened = text.lstrip()
    starts = opened.startswith(_OPEN)
    if not starts and _CLOSE not in text:
        return text, None
    trace, _, answer = (opened[len(_OPEN) :] if starts else text).partition(_CLOSE)
    return answer.lstrip(), trace.strip()


def _objects(value: Any) -> list[dict[str, Any]] | None:
    """Return a list of objects, None where the server sent none; an empty list means the same."""
    if not value:
        return None
    if not isinstance(value, list):
        raise MalformedReply("tool calls or log-probabilities are no list")
    return [dict(_object(one, "a tool call or log-probability")) for one in value]


def _logprobs(logprobs: Any) -> list[dict[str, Any]] | None:
    return _objects(logprobs.get("content")) if isinstance(logprobs, dict) else None


def _text_logprobs(logprobs: Any) -> list[dict[str, Any]] | None:
    """Return the text-completion form (parallel lists) in the chat form (a dict per token)."""
    if not isinstance(logprobs, dict) or "tokens" not in logprobs:
        return _logprobs(logprobs)
    try:
        tokens, values = logprobs["tokens"], logprobs["token_logprobs"]
        tops = logprobs.get("top_logprobs") or [None] * len(tokens)
        return [
            {"token": token, "logprob": value, "top_logprobs": _alternatives(top)}
            for token, value, top in zip(tokens, values, tops, strict=True)
        ]
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise MalformedReply(f"the log-probabilities are no parallel lists: {error}") from error


def _alternatives(top: Any) -> list[dict[str, Any]]:
    return [{"token": token, "logprob": logprob} for token, logprob in (top or {}).items()]


def _usage(usage: Any) -> Usage:
    """Return the tokens as our definition has them: completion tokens include reasoning, prompt tokens include cached.

    Some providers leave reasoning out of `completion_tokens`, but not out of the total.
    """
    if not isinstance(usage, dict):
        return Usage()
    prompt, completion = _count(usage, "prompt_tokens"), _count(usage, "completion_tokens")
    reasoning = _count(usage.get("completion_tokens_details"), "reasoning_tokens")
    cached = _count(usage.get("prompt_tokens_details"), "cached_tokens") or _count(usage, "prompt_cache_hit_tokens")
    return Usage(prompt, max(completion, _count(usage, "total_tokens") - prompt, reasoning), reasoning, cached)


def _count(of: Any, name: str) -> int:
    """Return a number of tokens or a place; 0 where none is told, or one that cannot be meant."""
    value = of.get(name) if isinstance(of, dict) else None
    return int(value) if isinstance(value, int | float) and 0 < value <= MOST_COUNTED else 0
