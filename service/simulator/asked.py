"""Reads a request: what of its body the simulator answers to. Whatever it cannot honour it refuses in words."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Literal, TypeVar

import orjson
from pydantic import BaseModel, BeforeValidator, Field, ValidationError
from xxhash import xxh3_128_hexdigest

from service.simulator import tokens

T = TypeVar("T")
Kind = Literal["chat", "completions", "embeddings", "classify", "score", "rerank", "pooling"]
Texts = Annotated[list[str], BeforeValidator(lambda value: [value] if isinstance(value, str) else value)]
Tokens = Annotated[int | None, Field(ge=1)]


class Refusal(Exception):
    """Ends a request with an error in OpenAI's words and shape. `kind` is the name it is counted under."""

    def __init__(
        self,
        status: int,
        message: str,
        kind: str = "invalid",
        code: str | None = None,
        param: str | None = None,
        headers: dict[str, str] | None = None,
    ) -> None:
        self.status, self.kind, self.headers = status, kind, headers
        blamed = "invalid_request_error" if status in {400, 401, 404} else kind
        self.body = orjson.dumps({"error": {"message": message, "type": blamed, "param": param, "code": code}})


class Message(BaseModel):
    """One turn; its content may come in parts."""

    role: str = "user"
    content: str | list[dict[str, Any]] | None = None

    @property
    def text(self) -> str:
        if isinstance(self.content, list):
            return "\n".join(str(part.get("text", "")) for part in self.content)
        return self.content or ""


class Body(BaseModel, strict=True):
    """The keys of all routes that are read; others may stand beside them."""

    model: str = ""
    messages: Annotated[list[Message], Field(min_length=1)] | None = None
    prompt: str | None = None
    input: Texts = []
    query: Texts = []
    documents: Texts = []
    text_1: Texts = []
    text_2: Texts = []
    n: int = Field(1, ge=1, le=128)
    max_tokens: Tokens = None
    max_completion_tokens: Tokens = None
    temperature: float | None = Field(None, ge=0)
    logprobs: bool | int | None = None
    top_logprobs: int | None = None
    top_n: int | None = None
    response_format: dict[str, Any] | None = None
    stream: Literal[False] | None = None


@dataclass(frozen=True, slots=True)
class Asked:
    """One request. `digest` stands for the whole body, in whatever order its keys came.

    `prompt` is the last user message, `conversation` all messages; of a request for rewards or embeddings, `pairs` are
    the texts, each with what it answers.
    """

    digest: str
    kind: Kind
    body: Body
    prompt: str
    conversation: str
    pairs: Sequence[tuple[str, str]] = ()

    @property
    def prompt_tokens(self) -> int:
        return tokens.estimate(self.conversation)

    @property
    def max_tokens(self) -> int | None:
        return self.body.max_completion_tokens or self.body.max_tokens

    @property
    def reserved_tokens(self) -> int:
        return self.prompt_tokens + self.body.n * (self.max_tokens or 0)

    @property
    def schema(self) -> dict[str, Any] | None:
        """The JSON schema that the reply must follow, in OpenAI's or llama.cpp's place for it."""
        asked = self.body.response_format or {}
        return (asked.get("json_schema") or asked).get("schema")

    @property
    def top_logprobs(self) -> int | None:
        """How many alternatives to each token are wanted; None: no log-probabilities at all."""
        body = self.body
        if body.logprobs in (None, False):
            return None
        return body.top_logprobs or 0 if self.kind == "chat" else int(body.logprobs or 0)


def read(raw: bytes, kind: Kind, models: Sequence[str], context: int | None = None) -> Asked:
    """Parse a body; raises Refusal."""
    try:
        given = orjson.loads(raw)
        body = Body.model_validate(given)
    except orjson.JSONDecodeError as error:
        raise Refusal(400, f"We could not parse the JSON body of your request: {error}") from error
    except ValidationError as error:
        wrong = error.errors()[0]
        key = str(wrong["loc"][0]) if wrong["loc"] else "body"
        raise Refusal(400, f"Invalid '{key}': {wrong['msg']}.", param=key) from error
    if body.model not in models:
        message = f"The model `{body.model}` does not exist or you do not have access to it."
        raise Refusal(404, message, code="model_not_found", param="model")
    digest = xxh3_128_hexdigest(orjson.dumps([kind, given], option=orjson.OPT_SORT_KEYS))
    asked = Asked(digest, kind, body, *_texts(body, kind))
    prompt, completion = asked.prompt_tokens, asked.max_tokens or 0
    if context and prompt + completion > context:
        message = (
            f"This model's maximum context length is {context} tokens. However, you requested {prompt + completion} "
            f"tokens ({prompt} in the messages, {completion} in the completion)."
        )
        raise Refusal(400, message, code="context_length_exceeded", param="messages")
    return asked


def _texts(body: Body, kind: Kind) -> tuple[str, str, Sequence[tuple[str, str]]]:
    """Return the last user message, all messages together, and the pairs of what is to be rated."""
    if kind == "completions":
        return (prompt := _given(body.prompt, "prompt")), prompt, ()
    if kind == "chat":
        turns = _given(body.messages, "messages")
        last = next((turn.text for turn in reversed(turns) if turn.role == "user"), turns[-1].text)
        return last, "\n".join(turn.text for turn in turns), ()
    pairs = _pairs(body, kind)
    return "", "\n".join(text for pair in pairs for text in pair), pairs


def _pairs(body: Body, kind: Kind) -> list[tuple[str, str]]:
    if kind in {"classify", "pooling", "embeddings"}:
        if body.messages:
            *before, last = (turn.text for turn in body.messages)
            return [("\n".join(before), last)]
        return [("", text) for text in _given(body.input, "input")]
    if kind == "rerank":
        asks, texts = _given(body.query, "query"), _given(body.documents, "documents")
    else:
        asks, texts = _given(body.text_1, "text_1"), _given(body.text_2, "text_2")
    asks = asks * len(texts) if len(asks) == 1 else asks
    if len(asks) != len(texts):
        raise Refusal(400, f"There are {len(asks)} texts to compare with {len(texts)}: send one, or as many.")
    return list(zip(asks, texts, strict=True))


def _given(value: T | None, key: str) -> T:
    if not value:
        raise Refusal(400, f"'{key}' is missing.", param=key)
    return value
