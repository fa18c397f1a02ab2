"""Reads a request's body: what of it the simulator answers to. Whatever it cannot honour it refuses in words."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import orjson
from xxhash import xxh3_128_hexdigest

from service.simulator import refusal, tokens


@dataclass(frozen=True, slots=True)
class Asked:
    """One request. `digest` stands for the whole body, in whatever order its keys came.

    `prompt` is the last user message, `conversation` all messages. `top_logprobs` None: no log-probabilities wanted.
    """

    digest: str
    chat: bool
    model: str
    prompt: str
    conversation: str
    prompt_tokens: int
    n: int
    max_tokens: int | None
    temperature: float
    schema: dict[str, Any] | None
    top_logprobs: int | None


def read(raw: bytes, *, chat: bool, models: Sequence[str], context_tokens: int | None) -> Asked:
    """Parse a body of `/v1/chat/completions` (`chat`) or `/v1/completions`; raises Refusal."""
    try:
        body = orjson.loads(raw)
    except orjson.JSONDecodeError as error:
        raise refusal.bad_request(f"We could not parse the JSON body of your request: {error}") from error
    if not isinstance(body, dict):
        raise refusal.bad_request("The body of your request must be a JSON object.")
    if body.get("model") not in models:
        raise refusal.unknown_model(body.get("model"))
    if body.get("stream"):
        raise refusal.bad_request("The simulator does not stream; leave `stream` out.", "stream")
    prompt, conversation = _messages(body) if chat else _text_prompt(body)
    max_tokens = _number(body, "max_completion_tokens", 1) or _number(body, "max_tokens", 1)
    prompt_tokens = tokens.estimate(conversation)
    if context_tokens and prompt_tokens + int(max_tokens or 0) > context_tokens:
        raise refusal.too_long(context_tokens, prompt_tokens, int(max_tokens or 0))
    temperature = _number(body, "temperature", 0)
    return Asked(
        digest=xxh3_128_hexdigest(orjson.dumps(body, option=orjson.OPT_SORT_KEYS)),
        chat=chat,
        model=body["model"],
        prompt=prompt,
        conversation=conversation,
        prompt_tokens=prompt_tokens,
        n=int(_number(body, "n", 1) or 1),
        max_tokens=int(max_tokens) if max_tokens else None,
        temperature=1.0 if temperature is None else float(temperature),
        schema=_schema(body),
        top_logprobs=_top_logprobs(body, chat=chat),
    )


def _messages(body: dict[str, Any]) -> tuple[str, str]:
    messages = body.get("messages")
    if not isinstance(messages, list) or not messages or not all(isinstance(message, dict) for message in messages):
        raise refusal.bad_request("'messages' must be a non-empty list of objects.", "messages")
    texts = [(message.get("role"), _text(message.get("content"))) for message in messages]
    last = next((text for role, text in reversed(texts) if role == "user"), texts[-1][1])
    return last, "\n".join(text for _, text in texts)


def _text_prompt(body: dict[str, Any]) -> tuple[str, str]:
    prompt = body.get("prompt")
    if not isinstance(prompt, str):
        raise refusal.bad_request("'prompt' must be one string here.", "prompt")
    return prompt, prompt


def _text(content: object) -> str:
    if isinstance(content, list):  # a message in parts
        return "\n".join(str(part.get("text", "")) for part in content if isinstance(part, dict))
    return "" if content is None else str(content)


def _number(body: dict[str, Any], key: str, least: int) -> float | None:
    value = body.get(key)
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float) or value < least:
        raise refusal.bad_request(f"Invalid value for '{key}': expected a number of at least {least}.", key)
    return value


def _schema(body: dict[str, Any]) -> dict[str, Any] | None:
    """Find the JSON schema that the reply must follow, in OpenAI's, vLLM's and llama.cpp's places for it."""
    asked, structured = _object(body, "response_format"), _object(body, "structured_outputs")
    found = _object(asked, "json_schema").get("schema") or asked.get("schema")
    found = found or body.get("guided_json") or structured.get("json")
    if found is not None and not isinstance(found, dict):
        raise refusal.bad_request("The JSON schema of the reply must be an object.", "response_format")
    return found


def _object(body: dict[str, Any], key: str) -> dict[str, Any]:
    value = body.get(key)
    if value is not None and not isinstance(value, dict):
        raise refusal.bad_request(f"'{key}' must be an object.", key)
    return value or {}


def _top_logprobs(body: dict[str, Any], *, chat: bool) -> int | None:
    if not body.get("logprobs"):
        return None
    return int(_number(body, "top_logprobs" if chat else "logprobs", 0) or 0)
