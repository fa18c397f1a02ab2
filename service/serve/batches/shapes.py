"""What the Batch API takes and gives: the shapes of OpenAI's, so that its SDK reads them."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, Field

from config.base import Config

BatchState = Literal[
    "validating", "failed", "in_progress", "finalizing", "completed", "expired", "cancelling", "cancelled"
]
Path = Literal["/v1/chat/completions", "/v1/embeddings"]
Metadata = dict[
    Annotated[str, Field(min_length=1, max_length=64)],
    Annotated[str, Field(max_length=512)],
]


class BatchSubmission(Config):
    """A batch that somebody wants done."""

    input_file_id: Annotated[str, Field(min_length=1, max_length=200)]
    """An upload with `purpose: batch`: one request a line, `{custom_id, method, url, body}`."""
    endpoint: Path
    """The `url` of all its requests; their `body.model` is an alias of the service."""
    completion_window: Literal["24h"]
    metadata: Annotated[Metadata, Field(max_length=16)] | None = None


class BatchFault(BaseModel):
    """Why a batch failed, or what is wrong with one of its lines (the first is 1)."""

    code: str
    message: str
    line: int | None = None
    param: str | None = None


class BatchFaults(BaseModel):
    """All that is wrong with a batch, up to a hundred."""

    object: Literal["list"] = "list"
    data: list[BatchFault]


class RequestCounts(BaseModel):
    """Requests of a batch; those that were not asked are in `total` alone."""

    total: int
    completed: int
    failed: int


class InputDetails(BaseModel):
    """A part of the prompts' tokens."""

    cached_tokens: int


class OutputDetails(BaseModel):
    """A part of the completions' tokens."""

    reasoning_tokens: int


class BatchUsage(BaseModel):
    """Tokens of all replies of a batch."""

    input_tokens: int
    input_tokens_details: InputDetails
    output_tokens: int
    output_tokens_details: OutputDetails
    total_tokens: int


class Batch(BaseModel):
    """A file of requests, and what became of it. `model`: the alias, where all requests name the same one."""

    id: str
    object: Literal["batch"] = "batch"
    endpoint: str
    model: str | None
    errors: BatchFaults | None
    input_file_id: str
    completion_window: str
    status: BatchState
    output_file_id: str | None
    error_file_id: str | None
    created_at: int
    in_progress_at: int | None
    expires_at: int
    finalizing_at: int | None
    completed_at: int | None
    failed_at: int | None
    expired_at: int | None
    cancelling_at: int | None
    cancelled_at: int | None
    request_counts: RequestCounts
    usage: BatchUsage | None = Field(description="Of a batch that has ended.")
    metadata: dict[str, str] | None
