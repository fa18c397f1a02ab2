"""The table that the HTTP API is made of: each route's path, handler, and the models of what it takes and gives.

The same table makes the router, the checking of queries and bodies, and the OpenAPI document.
"""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import orjson
from aiohttp import web
from pydantic import BaseModel, ValidationError

from config.base import Config
from config.problems import shown
from config.repair import place
from service.serve.errors import ApiError, as_json
from service.serve.who import NOBODY, Caller, Doorkeeper

BODY_BYTES = 4 * 1024 * 1024
DEPTH, VALUES = 64, 100_000
"""How deep a body may be nested, and how many values it may have."""


@dataclass(frozen=True, slots=True)
class Asked:
    """One request as a handler gets it: who asks, and the query and body as the models that the route names."""

    request: web.Request
    caller: Caller
    query: Any = None
    body: Any = None

    def part(self, name: str) -> str:
        """Return what stands in the path at `{name}`."""
        return self.request.match_info[name]


Answer = Callable[[Asked], Awaitable[web.StreamResponse | BaseModel]]


@dataclass(frozen=True, slots=True)
class Route:
    """One thing that can be asked. `reply`: the model of the answer, or the media type of one that is no JSON.

    `form`: the model of a multipart body, which the handler reads itself. `headers`: the JSON schemas of
    those that it reads. `also`: other statuses of a good answer, each with when. `open`: nobody needs a token for it.
    """

    method: str
    path: str
    answer: Answer
    summary: str
    reply: type[BaseModel] | str
    query: type[Config] | None = None
    body: type[Config] | None = None
    form: type[BaseModel] | None = None
    headers: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    status: int = 200
    also: Mapping[int, str] = field(default_factory=dict)
    open: bool = False


def add_routes(app: web.Application, routes: Sequence[Route], doorkeeper: Doorkeeper) -> None:
    """Put routes into an application; what nobody needs a token for can be asked for without its body, too."""
    for route in routes:
        handler = _handler(route, doorkeeper)
        app.router.add_route(route.method, route.path, handler)
        if route.open:
            app.router.add_route("HEAD", route.path, handler)


def _handler(route: Route, doorkeeper: Doorkeeper) -> Callable[[web.Request], Awaitable[web.StreamResponse]]:
    async def handle(request: web.Request) -> web.StreamResponse:
        doorkeeper.guard(request)
        caller = NOBODY if route.open else doorkeeper.caller(request)
        query = None if route.query is None else _checked(route.query, dict(request.query), "the query")
        body = None if route.body is None else _checked(route.body, await _json(request), "the body")
        answer = await route.answer(Asked(request, caller, query, body))
        if isinstance(answer, BaseModel):
            return as_json(answer.model_dump(mode="json", by_alias=True), route.status)
        return answer

    return handle


def _checked(model: type[Config], data: Mapping[str, Any], what: str) -> Config:
    try:
        return model.model_validate(data)
    except ValidationError as error:
        first = error.errors()[0]
        param = shown(place(data, first["loc"], first["ctx"]["absent"]))
        where = f"{param}: " if param else f"{what}: "
        raise ApiError(400, where + first["msg"], param=param or None, code="invalid_value") from None


async def _json(request: web.Request) -> dict[str, Any]:
    """Read the body as an object. Raises ApiError 400, 415; aiohttp's own error of a body that is too large."""
    if request.content_type != "application/json":
        raise ApiError(415, f"the body must be application/json, not {request.content_type!r:.80}")
    try:
        data = orjson.loads(await request.read())
    except orjson.JSONDecodeError as error:
        raise ApiError(400, f"the body is not JSON: {error}", code="invalid_json") from None
    if not isinstance(data, dict):
        raise ApiError(400, "the body must be a JSON object", code="invalid_json")
    if _is_complex(data):
        message = f"the body is nested deeper than {DEPTH} levels, or has more than {VALUES:,} values"
        raise ApiError(400, message, code="too_complex")
    return data


def _is_complex(data: Any) -> bool:
    level, values = [data], 0
    for _ in range(DEPTH):
        values += len(level)
        level = [inner for value in level for inner in _inside(value)]
        if not level or values > VALUES:
            break
    return bool(level) or values > VALUES


def _inside(value: Any) -> Sequence[Any]:
    return list(value.values()) if isinstance(value, dict) else value if isinstance(value, list) else ()


def parameters(path: str) -> list[str]:
    """Return the names in a path's braces."""
    return re.findall(r"{(\w+)", path)
