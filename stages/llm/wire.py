"""What goes on the wire: pure functions from a call and an endpoint's settings to URL, headers, body and call key."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal

import orjson
from multidict import CIMultiDict
from xxhash import xxh3_128_hexdigest
from yarl import URL

from stages.core.errors import CandidateError
from stages.llm.protocol import Call, Route

Api = Literal["chat", "completions"]

_GENERATING: dict[Api, str] = {"chat": "chat/completions", "completions": "completions"}
_AT_ROOT = ("classify", "pooling")
"""What vLLM and SGLang serve beside `/v1` and not in it."""


def path_of(api: Api, route: Route) -> str:
    """Return the path of a route, below the API's address; that of generating depends on `api`."""
    return _GENERATING[api] if route == "generate" else route


def request_url(base_url: str, api: Api, query: Mapping[str, str], route: Route = "generate") -> URL:
    """Return the address that requests are posted to; `query` is added to what `base_url` itself carries."""
    base = URL(base_url)
    root = base.with_path(base.path.rstrip("/").removesuffix("/v1")) if route in _AT_ROOT else base
    return (root / path_of(api, route)).with_query({**base.query, **query})


def auth_headers(header: str, key: str | None) -> dict[str, str]:
    """Return the header that carries the API key: `Bearer KEY` as Authorization, the bare key in any other."""
    if key is None:
        return {}
    return {header: f"Bearer {key}" if header.lower() == "authorization" else key}


def request_headers(auth: Mapping[str, str], extra: Mapping[str, str]) -> CIMultiDict[str]:
    """Return all headers of a request; the endpoint's `extra` wins over ours, whatever its case."""
    headers = CIMultiDict({"Content-Type": "application/json", "Accept": "application/json", "User-Agent": "tamis"})
    headers.update(auth)
    headers.update(extra)
    return headers


def request_body(body: Mapping[str, Any], model: str, api: Api, extra: Mapping[str, Any]) -> bytes:
    """Return the request as JSON: the stage's `body`, then the endpoint's `extra` over it, null removing a field.

    The top level is sorted, so that the order in which settings were written does not enter the call key; what is
    nested keeps its order, which has meaning (a JSON schema's properties). Raises CandidateError where JSON cannot say
    it.
    """
    merged = {"model": model, **(body if api == "chat" else _completions(body)), **extra}
    try:
        return orjson.dumps({name: merged[name] for name in sorted(merged) if merged[name] is not None})
    except TypeError as error:
        raise CandidateError("bad_request", f"the request cannot be written as JSON: {error}") from error


def _completions(body: Mapping[str, Any]) -> dict[str, Any]:
    """Return a chat request as one for a base model: its prompt is the messages' texts, a blank line between them."""
    if body.get("tools"):
        raise CandidateError("bad_request", "tools need `api: chat`; this endpoint has `api: completions`")
    rest = {name: value for name, value in body.items() if name not in ("messages", "logprobs", "top_logprobs")}
    if body.get("logprobs"):
        rest["logprobs"] = body.get("top_logprobs") or 1
    return {**rest, "prompt": "\n\n".join(_text(message.get("content")) for message in body["messages"])}


def _text(content: str | Sequence[Mapping[str, Any]] | None) -> str:
    if content is None or isinstance(content, str):
        return content or ""
    return "".join(str(part.get("text", "")) for part in content)


def call_key(call: Call, alias: str, body: bytes) -> str:
    """Return what makes two calls the same call: 32 hex digits, by which a committed reply is found again.

    In it stands all that gives a call its meaning, the merged request `body` too; no URL, key, limit or price.
    """
    head = orjson.dumps([call.stage, call.purpose, alias, call.group.seed.id, call.sample, call.part])
    return xxh3_128_hexdigest(head + body)
