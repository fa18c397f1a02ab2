"""The simulator's Batch API: files, batches and their states, in OpenAI's shapes.

A batch is answered when somebody looks at it after its time, so nothing runs in the background. A request that an
endpoint would leave hanging is one that the batch did not come to: it has expired, and the batch with it.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import orjson
from aiohttp import web

from service.simulator.asked import Kind, Refusal
from service.simulator.limits import Clock

Answer = Callable[[Kind, bytes], tuple[int, bytes] | None]
"""Answers one request: status and body; None where it never would."""
Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
Route = tuple[Callable[[str, Handler], web.RouteDef], str, Handler]
"""What makes the route of a path and a handler (`web.get`), and these two."""

KINDS: dict[str, Kind] = {
    "/v1/chat/completions": "chat",
    "/v1/completions": "completions",
    "/v1/embeddings": "embeddings",
}
MOST = 50_000
_TURN = 50
"""Requests that are answered before others on the loop get their turn."""


@dataclass(slots=True)
class _Batch:
    """A batch as the API shows it (`shown`), when it is due, and its requests."""

    shown: dict[str, Any]
    due: float
    requests: list[dict[str, Any]]
    lock: asyncio.Lock = field(default_factory=asyncio.Lock)

    def move(self, state: str) -> None:
        self.shown |= {"status": state, f"{state}_at": int(time.time())}


class BatchFront:
    """Files and batches. A batch takes `seconds`."""

    def __init__(self, seconds: float, clock: Clock, answer: Answer) -> None:
        self._seconds, self._clock, self._answer = seconds, clock, answer
        self._files: dict[str, dict[str, Any]] = {}
        self._contents: dict[str, bytes] = {}
        self._batches: dict[str, _Batch] = {}

    @property
    def created(self) -> int:
        """How many batches there are."""
        return len(self._batches)

    def routes(self) -> list[Route]:
        return [
            (web.post, "/v1/files", self._upload),
            (web.get, "/v1/files/{id}", self._file),
            (web.get, "/v1/files/{id}/content", self._content),
            (web.post, "/v1/batches", self._create),
            (web.get, "/v1/batches", self._list),
            (web.get, "/v1/batches/{id}", self._retrieve),
            (web.post, "/v1/batches/{id}/cancel", self._cancel),
        ]

    async def _upload(self, request: web.Request) -> web.Response:
        purpose, content, name = "", None, ""
        async for part in _parts(request):
            if part.name == "file":
                content, name = bytes(await part.read()), part.filename or "file"
            elif part.name == "purpose":
                purpose = await part.text()
        if content is None or purpose != "batch":
            raise Refusal(400, "A file and `purpose: batch` are needed.", param="purpose")
        return _json(self._keep(name, content))

    def _keep(self, name: str, content: bytes, purpose: str = "batch") -> dict[str, Any]:
        id_ = f"file-{len(self._files) + 1:06}"
        self._contents[id_] = content
        self._files[id_] = {"id": id_, "object": "file", "bytes": len(content), "created_at": int(time.time())}
        self._files[id_] |= {"filename": name, "purpose": purpose, "status": "processed"}
        return self._files[id_]

    async def _file(self, request: web.Request) -> web.Response:
        return _json(_known(self._files, request.match_info["id"], "file"))

    async def _content(self, request: web.Request) -> web.Response:
        content = _known(self._contents, request.match_info["id"], "file")
        return web.Response(body=content, content_type="application/octet-stream")

    async def _create(self, request: web.Request) -> web.Response:
        body = orjson.loads(await request.read())
        content = _known(self._contents, str(body.get("input_file_id")), "file")
        if body.get("endpoint") not in KINDS or body.get("completion_window") != "24h":
            raise Refusal(400, f"`endpoint` is one of {', '.join(KINDS)}, `completion_window` is 24h.")
        id_ = f"batch_{len(self._batches) + 1:06}"
        shown = {"id": id_, "object": "batch", "created_at": int(time.time()), "metadata": body.get("metadata")}
        shown |= {key: body[key] for key in ("endpoint", "input_file_id", "completion_window")}
        shown |= {"errors": None, "output_file_id": None, "error_file_id": None}
        batch = _Batch(shown, self._clock() + self._seconds, [])
        batch.move("in_progress")
        errors = _read(content, str(body["endpoint"]), batch.requests)
        if errors:
            shown["errors"] = {"object": "list", "data": errors[:100]}
            batch.move("failed")
        shown["request_counts"] = {"total": len(batch.requests), "completed": 0, "failed": 0}
        self._batches[id_] = batch
        return _json(shown)

    async def _list(self, request: web.Request) -> web.Response:
        newest = list(reversed(self._batches))
        after, limit = request.query.get("after"), int(request.query.get("limit", "20"))
        first = newest.index(after) + 1 if after in self._batches else 0
        page = [self._batches[id_].shown for id_ in newest[first : first + limit]]
        ends = {"first_id": page[0]["id"], "last_id": page[-1]["id"]} if page else {"first_id": None, "last_id": None}
        return _json({"object": "list", "data": page, **ends, "has_more": first + limit < len(newest)})

    async def _retrieve(self, request: web.Request) -> web.Response:
        batch = _known(self._batches, request.match_info["id"], "batch")
        async with batch.lock:
            if batch.shown["status"] == "in_progress" and self._clock() >= batch.due:
                await self._finish(batch)
        return _json(batch.shown)

    async def _cancel(self, request: web.Request) -> web.Response:
        batch = _known(self._batches, request.match_info["id"], "batch")
        if batch.shown["status"] == "in_progress":
            batch.move("cancelled")
        return _json(batch.shown)

    async def _finish(self, batch: _Batch) -> None:
        lines: dict[bool, list[bytes]] = {True: [], False: []}
        expired = 0
        for number, asked in enumerate(batch.requests):
            if number % _TURN == 0:
                await asyncio.sleep(0)
            answered = self._answer(KINDS[asked["url"]], orjson.dumps(asked["body"]))
            line = {"id": f"{batch.shown['id']}_{number}", "custom_id": asked["custom_id"], "response": None}
            if answered is None:
                expired += 1
                line["error"] = {"code": "batch_expired", "message": "This request could not be executed in time."}
            else:
                status, body = answered
                line["response"] = {"status_code": status, "request_id": f"req_{number}", "body": _loaded(body)}
                line["error"] = None
            lines[answered is not None and answered[0] == 200].append(orjson.dumps(line) + b"\n")
        for good, key in ((True, "output_file_id"), (False, "error_file_id")):
            if lines[good]:
                batch.shown[key] = self._keep("output.jsonl", b"".join(lines[good]), "batch_output")["id"]
        batch.shown["request_counts"] |= {"completed": len(lines[True]), "failed": len(lines[False])}
        batch.move("expired" if expired else "completed")


async def _parts(request: web.Request) -> AsyncIterator[Any]:
    if not request.content_type.startswith("multipart/"):
        raise Refusal(400, "A file is uploaded as multipart/form-data.")
    async for part in await request.multipart():
        yield part


def _read(content: bytes, url: str, requests: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Read the lines of an input file into `requests`; return what is wrong with them, as the API tells it."""
    errors: list[dict[str, Any]] = []
    seen: set[str] = set()
    for number, line in enumerate(content.splitlines(), 1):
        try:
            asked = orjson.loads(line)
            key, wrong = asked["custom_id"], asked["url"] != url or asked["method"] != "POST" or not asked["body"]
        except (orjson.JSONDecodeError, KeyError, TypeError):
            errors.append({"code": "invalid_json_line", "line": number, "message": "This line is no valid request."})
            continue
        if wrong or key in seen:
            code = "duplicate_custom_id" if key in seen else "invalid_url"
            errors.append({"code": code, "line": number, "message": f"This line's request cannot be taken: {code}."})
        seen.add(key)
        requests.append(asked)
    if len(requests) > MOST:
        errors.append({"code": "too_many_tasks", "line": None, "message": f"At most {MOST:,} requests are allowed."})
    return errors


def _loaded(body: bytes) -> Any:
    """Return a body as it stands in an output file; one that is no JSON is null."""
    try:
        return orjson.loads(body)
    except orjson.JSONDecodeError:
        return None


def _known(things: Mapping[str, Any], id_: str, what: str) -> Any:
    if id_ not in things:
        raise Refusal(404, f"No such {what}: {id_}.")
    return things[id_]


def _json(body: Any) -> web.Response:
    return web.Response(body=orjson.dumps(body), content_type="application/json")
