"""The requests of a batch as they stand in its file: looked over once, and read again when they are asked.

A request is known by the number of its line, from 0. No file is ever in memory: of one that is read there is about a
megabyte, and one line.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Container, Iterator, Mapping
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

import orjson

from config.schema import Endpoint
from service.serve.batches.shapes import BatchFault

MOST = 50_000
MOST_BYTES = 200 * 10**6
LINE_BYTES = 4 * 1024 * 1024
ID_CHARS = 512
TOLD = 100
"""Mistakes that are told of one file."""
PAGE_BYTES = 1 << 20
COUNTS = ("n", "max_tokens", "max_completion_tokens")
"""Fields that limits are reckoned with, and which must be numbers."""
CHAT = "/v1/chat/completions"


class Request(NamedTuple):
    """One request; `body` is without `model`, which is the alias."""

    number: int
    custom_id: str
    alias: str
    body: dict[str, Any]


class Found(NamedTuple):
    """What a file of requests holds: how many, to which aliases, and what is wrong with it."""

    requests: int
    models: list[str]
    faults: list[BatchFault]


class _WrongLine(Exception):
    def __init__(self, code: str, message: str, param: str | None = None) -> None:
        self.code, self.message, self.param = code, message, param
        super().__init__(message)


def look_over(path: Path, url: str, endpoints: Mapping[str, Endpoint]) -> Found:
    """Read a file of requests to `url`, and find all that is wrong with it. It blocks."""
    if path.stat().st_size > MOST_BYTES:
        message = f"the file is larger than {MOST_BYTES // 10**6} MB; make several batches of it"
        return Found(0, [], [BatchFault(code="file_too_large", message=message)])
    seen, models, faults = set[str](), dict[str, None](), list[BatchFault]()
    requests = 0
    with path.open("rb") as file:
        for number, line in _lines(file):
            requests += 1
            if requests > MOST:
                message = f"the file has more than {MOST:,} requests; make several batches of it"
                return Found(requests, [], [BatchFault(code="too_many_requests", message=message), *faults])
            try:
                asked = _request(number, line, url, endpoints, seen)
            except _WrongLine as error:
                if len(faults) < TOLD:
                    fault = {"code": error.code, "message": error.message, "param": error.param, "line": number + 1}
                    faults.append(BatchFault(**fault))
                continue
            seen.add(asked.custom_id)
            models[asked.alias] = None
    if not requests:
        faults.append(BatchFault(code="empty_file", message="the file has no requests"))
    return Found(requests, list(models), faults)


async def read(path: Path) -> AsyncIterator[Request]:
    """Yield the requests of a file that was found to be good."""
    first = 0
    with path.open("rb") as file:
        while lines := await asyncio.to_thread(file.readlines, PAGE_BYTES):
            for number, line in enumerate(lines, first):
                if line.strip():
                    yield _read(number, orjson.loads(line))
            first += len(lines)


def custom_ids(path: Path) -> Iterator[tuple[int, str]]:
    """Yield the number and the custom_id of each request of a good file. It blocks."""
    with path.open("rb") as file:
        for number, line in _lines(file):
            yield number, orjson.loads(line)["custom_id"]


def _lines(file: BinaryIO) -> Iterator[tuple[int, bytes]]:
    """Yield all lines that are not empty, of what is too long only its beginning."""
    number = 0
    while line := file.readline(LINE_BYTES + 1):
        rest = line
        while rest and not rest.endswith(b"\n"):
            rest = file.readline(LINE_BYTES)
        if line.strip():
            yield number, line
        number += 1


def _request(number: int, line: bytes, url: str, endpoints: Mapping[str, Endpoint], seen: Container[str]) -> Request:
    """Return the request of a line; `seen` are the custom_ids before it. Raises _WrongLine."""
    if len(line) > LINE_BYTES:
        raise _WrongLine("line_too_long", f"the line is longer than {LINE_BYTES // 2**20} MB")
    try:
        data = orjson.loads(line)
    except orjson.JSONDecodeError as error:
        raise _WrongLine("invalid_json_line", f"the line is not JSON: {error}") from None
    if not isinstance(data, dict):
        raise _WrongLine("invalid_json_line", "the line is no JSON object")
    custom_id, body = data.get("custom_id"), data.get("body")
    if not isinstance(custom_id, str) or not 0 < len(custom_id) <= ID_CHARS:
        message = f"`custom_id` must be a text of 1 to {ID_CHARS} characters"
        raise _WrongLine("missing_custom_id" if custom_id is None else "invalid_custom_id", message, "custom_id")
    if custom_id in seen:
        raise _WrongLine("duplicate_custom_id", f"the custom_id {custom_id!r:.100} came before", "custom_id")
    if data.get("method") != "POST":
        raise _WrongLine("invalid_method", f"`method` must be POST, not {data.get('method')!r:.40}", "method")
    if data.get("url") != url:
        message = f"`url` must be {url} as the batch's `endpoint`, not {data.get('url')!r:.100}"
        raise _WrongLine("invalid_url", message, "url")
    if not isinstance(body, dict):
        raise _WrongLine("invalid_request", "`body` must be a JSON object", "body")
    _look_over_model(body, url, endpoints)
    _look_over_body(body, url)
    return _read(number, data)


def _look_over_model(body: Mapping[str, Any], url: str, endpoints: Mapping[str, Endpoint]) -> None:
    endpoint = endpoints.get(body["model"]) if isinstance(body.get("model"), str) else None
    if endpoint is None:
        there = ", ".join(endpoints) or "none"
        message = f"there is no model {body.get('model')!r:.100} for you; there is: {there}"
        raise _WrongLine("model_not_found", message, "body.model")
    if endpoint.mode == "batch":
        message = f"{body['model']} goes out in batches of its provider's already; name an endpoint that is asked live"
        raise _WrongLine("invalid_model", message, "body.model")
    if url == CHAT and endpoint.api != "chat":
        message = f"{body['model']} is a base model (`api: {endpoint.api}`), and takes no chats"
        raise _WrongLine("invalid_model", message, "body.model")


def _look_over_body(body: Mapping[str, Any], url: str) -> None:
    for name in COUNTS:
        if type(body.get(name, 1)) not in (int, type(None)):
            raise _WrongLine("invalid_request", f"`{name}` must be a whole number", f"body.{name}")
    if url == CHAT:
        messages = body.get("messages")
        if not isinstance(messages, list) or not messages or not all(isinstance(one, dict) for one in messages):
            raise _WrongLine("invalid_request", "`messages` must be a list of messages", "body.messages")
        if body.get("stream"):
            raise _WrongLine("invalid_request", "a batch has no streams; leave `stream` out", "body.stream")
    elif not body.get("input"):
        raise _WrongLine("invalid_request", "`input` must be a text, or a list of texts", "body.input")
    elif body.get("encoding_format") not in (None, "float"):
        raise _WrongLine("invalid_request", "`encoding_format` must be float", "body.encoding_format")


def _read(number: int, data: Mapping[str, Any]) -> Request:
    body = dict(data["body"])
    return Request(number, data["custom_id"], body.pop("model"), body)
