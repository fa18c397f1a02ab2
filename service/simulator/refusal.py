"""A request that is not answered, in the words and the shape of OpenAI's errors."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import orjson


@dataclass(slots=True)
class Refusal(Exception):
    """Ends a request. `kind` is the name it is counted under."""

    status: int
    kind: str
    message: str
    type: str = "invalid_request_error"
    code: str | None = None
    param: str | None = None
    headers: dict[str, str] = field(default_factory=dict)

    @property
    def body(self) -> bytes:
        error = {"message": self.message, "type": self.type, "param": self.param, "code": self.code}
        return orjson.dumps({"error": error})


def bad_request(message: str, param: str | None = None) -> Refusal:
    return Refusal(400, "invalid", message, param=param)


def unknown_model(model: object) -> Refusal:
    message = f"The model `{model}` does not exist or you do not have access to it."
    return Refusal(404, "invalid", message, code="model_not_found", param="model")


def too_long(context: int, prompt: int, completion: int) -> Refusal:
    message = (
        f"This model's maximum context length is {context} tokens. However, you requested {prompt + completion} tokens "
        f"({prompt} in the messages, {completion} in the completion). "
        "Please reduce the length of the messages or completion."
    )
    return Refusal(400, "invalid", message, code="context_length_exceeded", param="messages")


def no_key() -> Refusal:
    message = (
        "You didn't provide an API key. You need to provide your API key in an Authorization header using Bearer auth "
        "(i.e. Authorization: Bearer YOUR_KEY)."
    )
    return Refusal(401, "unauthorized", message)


def wrong_key(key: str) -> Refusal:
    shown = f"{key[:3]}{'*' * max(len(key) - 7, 1)}{key[-4:]}" if len(key) > 8 else "*" * len(key)
    message = f"Incorrect API key provided: {shown}. Check the key that this simulator was started with."
    return Refusal(401, "unauthorized", message, code="invalid_api_key")


def too_many(kind: str, message: str, wait_s: float, headers: dict[str, str]) -> Refusal:
    """Return a 429 that tells how long to wait, in whole seconds and in milliseconds, as hosted APIs do."""
    advice = {"retry-after": str(math.ceil(wait_s)), "retry-after-ms": str(math.ceil(wait_s * 1000))}
    return Refusal(429, kind, message, type=kind, code="rate_limit_exceeded", headers={**headers, **advice})


def server_error() -> Refusal:
    message = "The server had an error while processing your request. Sorry about that!"
    return Refusal(500, "error", message, type="server_error")
