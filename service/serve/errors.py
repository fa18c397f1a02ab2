"""Every error that the service answers with, in the one shape that there is.

`{"error": {"message", "type", "param", "code"}}`, and beside it `errors`, a list of `{loc, message}`, where a pipeline
has mistakes. `type` follows from the status.
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any

import orjson
from aiohttp import web
from aiohttp.http_exceptions import HttpProcessingError

from config.problems import ConfigError, Problem, shown
from queues.ledger import LedgerError
from queues.registry import KeyTaken
from service.observe.logs import Log
from stages.core.errors import InputError

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
TYPES = {401: "authentication_error", 403: "permission_error", 429: "rate_limit_error"}
KEY = "Idempotency-Key"
MOST = 100
"""Mistakes that one answer lists."""


class ApiError(Exception):
    """What a caller is told instead of what they asked for. `param` is where in the request, `code` a bounded label."""

    def __init__(
        self,
        status: int,
        message: str,
        *,
        param: str | None = None,
        code: str | None = None,
        errors: Sequence[Mapping[str, str]] = (),
        headers: Mapping[str, str] | None = None,
    ) -> None:
        self.status, self.message, self.param, self.code = status, message, param, code
        self.errors, self.headers = list(errors), dict(headers or {})
        super().__init__(message)

    def response(self) -> web.Response:
        kind = TYPES.get(self.status, "invalid_request_error" if self.status < 500 else "server_error")
        body: dict[str, Any] = {
            "error": {"message": self.message, "type": kind, "param": self.param, "code": self.code}
        }
        if self.errors:
            body["errors"] = self.errors
        return as_json(body, self.status, self.headers)


def as_json(body: Any, status: int = 200, headers: Mapping[str, str] | None = None) -> web.Response:
    return web.Response(body=orjson.dumps(body), status=status, headers=headers, content_type="application/json")


def not_found(what: str, name: str) -> ApiError:
    return ApiError(404, f"there is no {what} {name!r:.120}", code="not_found")


def mistakes(problems: Sequence[Problem | str]) -> list[dict[str, str]]:
    """Return problems of a pipeline as answers list them."""
    told = [
        {"loc": shown(problem.loc), "message": problem.message}
        if isinstance(problem, Problem)
        else {"loc": "", "message": problem}
        for problem in problems[:MOST]
    ]
    more = len(problems) - len(told)
    return [*told, {"loc": "", "message": f"… and {more:,} more"}] if more else told


def in_words(log: Log) -> Any:
    """Return the middleware that makes an answer of whatever is raised; what nobody foresaw goes to the log."""

    @web.middleware
    async def answered(request: web.Request, handler: Handler) -> web.StreamResponse:
        try:
            return await handler(request)
        except ApiError as error:
            told = error
        except web.HTTPException as error:
            if error.status < 400:
                raise
            told = _of_http(error, request)
        except (ConfigError, InputError) as error:
            errors = mistakes(error.problems)
            told = ApiError(400, errors[0]["message"], code="invalid_pipeline", errors=errors)
        except web.RequestPayloadError as error:
            told = ApiError(400, f"the body cannot be read: {error}", code="invalid_body")
        except KeyTaken:
            told = ApiError(409, f"this {KEY} came before with something else", param=KEY, code="key_taken")
        except LedgerError:
            log.exception("storage")
            told = ApiError(503, "the service cannot read or write its disk", code="storage")
        except Exception:  # a defect: the caller gets words, and the operator the traceback
            log.exception("defect", path=request.path)
            told = ApiError(500, "tamis has a defect; the operator's log has the details", code="defect")
        return told.response()

    return answered


def is_ours_to_know(record: logging.LogRecord) -> bool:
    """Drop of aiohttp's log what strangers who speak no HTTP could fill it with, a traceback each."""
    return not (record.exc_info and isinstance(record.exc_info[1], HttpProcessingError))


def _of_http(error: web.HTTPException, request: web.Request) -> ApiError:
    """Return what aiohttp answers by itself, in our shape: no such path or method, a body too large, a bad request."""
    words = {
        404: f"there is nothing at {request.path!r:.200}; /openapi.json says what there is",
        405: f"{request.method} cannot be done here; {error.headers.get('Allow', 'nothing')} can",
        413: "the body is larger than what is taken here; what is large is uploaded to /v1/files",
    }
    headers = {name: value for name, value in error.headers.items() if name == "Allow"}
    return ApiError(error.status, words.get(error.status, error.reason), headers=headers)
