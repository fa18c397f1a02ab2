"""Endpoints: the only place where URLs and the names of keys stand. A key itself never stands in a file."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field, Tag, model_validator

from config.base import Config, Count, FilePath, Flag, NonNegative, OneOrMany, Positive, either, wrong

Url = Annotated[str, Field(pattern=r"^https?://[^\s]+$")]


class Limits(Config):
    """What the server allows. Aliases of one `group` share one limit."""

    requests_per_minute: Positive | None = None
    tokens_per_minute: Positive | None = None
    max_concurrency: Count | None = None
    """Calls in flight at once, at most; refusals may lower what is used of it. Left out, tamis finds by itself how many
    the server takes, up to 1,024; 16 for the embedded model."""
    group: str | None = None
    reserve: Literal["max_tokens", "p95"] = "max_tokens"
    """What a call reserves of the token limit: all it may take, or what replies were seen to take."""


class Price(Config):
    """USD per million tokens."""

    input_per_mtok: NonNegative = Field(examples=[0.15])
    output_per_mtok: NonNegative = Field(examples=[0.6])

    def usd(self, prompt: float, completion: float) -> float:
        """Return the cost of so many tokens."""
        return (prompt * self.input_per_mtok + completion * self.output_per_mtok) / 1e6


class Gguf(Config):
    """A model file of one's own for the embedded server."""

    gguf: FilePath = Field(examples=["model.gguf"])


Embedded = Annotated[
    Annotated[Literal["smollm2"], Tag("text")] | Annotated[Gguf, Tag("keys")],
    either("write `smollm2`, or {gguf: PATH}"),
]


class Batch(Config):
    """How requests are put into batches, with `mode: batch`."""

    max_requests: Annotated[Count, Field(le=50_000)] = 50_000
    """Requests of one batch; fewer where a provider's limit on waiting tokens is low."""
    max_mb: Annotated[Positive, Field(ge=1, le=200)] = 200
    poll_s: Positive = 30
    """How often the provider is asked whether a batch has ended."""
    window: Annotated[str, Field(pattern=r"^\d+[hdm]$")] = "24h"
    """The time within which the provider answers, or gives up; most know 24h only."""


class Endpoint(Config):
    """A language model behind an alias: a server's URL and model, or the embedded model that tamis starts itself."""

    embedded: Embedded | None = None
    base_url: OneOrMany[Url] = ()
    """One URL or several that serve the same model: the one with the fewest calls in flight is asked first."""
    model: Annotated[str, Field(min_length=1)] | None = None
    """The model's name at its server; always given where `base_url` is."""
    api: Literal["chat", "completions"] = "chat"
    api_key_env: OneOrMany[str] = ()
    """The environment variables that hold the keys; none for a keyless server. Where KEY is not set, KEY_FILE may name
    a file with it, such as a container's secret."""
    api_key_file: OneOrMany[FilePath] = ()
    api_key_header: str = "Authorization"
    """The header the key goes into: `Authorization` sends `Bearer KEY`, any other (Azure's `api-key`) the bare key."""
    headers: dict[str, str] = Field(default={})
    query: dict[str, str] = Field(default={})
    proxy: Url | None = None
    ca_file: FilePath | None = None
    body: dict[str, Any] = Field(default={})
    """Merged into every request; null removes a field."""
    limits: Limits = Limits()
    price: Price | None = None
    """Unknown where left out; the cost is then said to be unknown."""
    timeout_s: Positive = 300
    """For one attempt of a call, not for its wait at the gate."""
    reasoning: Literal["separate", "inline", "drop"] = "separate"
    send_seed: Flag = True
    structured: Flag = True
    """Whether the server takes `response_format` with a JSON schema."""
    logprobs: Flag = True
    """Whether the server gives log-probabilities of tokens; judges read their scores from them."""
    mode: Literal["live", "batch"] = "live"
    """`batch`: calls go out together through the provider's Batch API, in hours and for less."""
    batch: Batch = Batch()

    @model_validator(mode="before")
    @classmethod
    def _embedded_defaults(cls, data: Any) -> Any:
        if isinstance(data, dict) and data.get("embedded") is not None:
            limits = data.get("limits", {})
            if isinstance(limits, dict):
                return {**data, "limits": {"max_concurrency": 16, **limits}}
        return data

    @model_validator(mode="after")
    def _one_kind(self) -> Endpoint:
        if self.embedded is not None and self.base_url:
            raise wrong("an endpoint is either `embedded` or has a `base_url`; remove one of the two")
        if self.embedded is None and not self.base_url:
            raise wrong("write `base_url:` and `model:` of a server, or `embedded: smollm2`")
        if any(url.rstrip("/").endswith("/completions") for url in self.base_url):
            raise wrong(
                "`base_url` ends before `/chat/completions` and `/completions`, mostly with `/v1`; cut it there"
            )
        if self.base_url and self.model is None:
            raise wrong("`model:` is missing: write the model's name at its server")
        return self

    @model_validator(mode="after")
    def _batches(self) -> Endpoint:
        if self.mode == "live" and self.batch != Batch():
            raise wrong("`batch:` is read with `mode: batch` only; write that, or remove it")
        if self.mode == "batch" and self.embedded is not None:
            raise wrong("`mode: batch` needs a provider; the embedded model has no Batch API")
        if self.mode == "batch" and len(self.base_url) > 1:
            raise wrong("`mode: batch` takes one `base_url`: a batch and its files lie at one server")
        if self.mode == "batch" and len(self.api_key_env) + len(self.api_key_file) > 1:
            raise wrong("`mode: batch` takes one key: batches belong to its account")
        return self
