"""What the service answers with, as models: the shapes of the OpenAI API where it has them, and ours beside them.

Times are whole seconds since 1970.
"""

from __future__ import annotations

from typing import Any, Generic, Literal, TypeVar

from pydantic import BaseModel, Field

from queues.registry import Record

T = TypeVar("T", bound=BaseModel)

JobState = Literal["queued", "running", "paused", "complete", "budget", "failed", "cancelled"]
ENDED: tuple[JobState, ...] = ("complete", "budget", "failed", "cancelled")


class Fault(BaseModel):
    """What went wrong: words, a kind, where in the request, and a label for programs."""

    message: str
    type: str
    param: str | None = None
    code: str | None = None


class Mistake(BaseModel):
    """One mistake of a pipeline: where, as `stages[0].prompts[1]`, and what to write instead."""

    loc: str
    message: str


class Error(BaseModel):
    """Every answer that is not what was asked for."""

    error: Fault
    errors: list[Mistake] = Field(default=[], description="Where a pipeline has mistakes: all of them.")


class Listed(BaseModel, Generic[T]):
    """A part of a list."""

    object: Literal["list"] = "list"
    data: list[T]
    first_id: str | None = None
    last_id: str | None = None
    has_more: bool = False


def listed(data: list[T], has_more: bool = False) -> Listed[T]:
    """Return things, each of which has an `id`, as a part of a list."""
    ids = [str(getattr(one, "id", "")) for one in data]
    return Listed(data=data, first_id=next(iter(ids), None), last_id=ids[-1] if ids else None, has_more=has_more)


class Deleted(BaseModel):
    """What is gone."""

    id: str
    object: str
    deleted: Literal[True] = True


class File(BaseModel):
    """An uploaded file, or one that a batch made."""

    id: str
    object: Literal["file"] = "file"
    bytes: int
    created_at: int
    filename: str
    purpose: str
    status: Literal["processed"] = "processed"

    @classmethod
    def of(cls, record: Record) -> File:
        return cls(id=record.id, created_at=record.created_at, **record.body)


class JobError(BaseModel):
    """Why a job stopped. input: it could not start; stopped: it could not go on; quota; defect: of tamis."""

    message: str
    code: Literal["input", "stopped", "quota", "defect"]


class StageProgress(BaseModel):
    """One stage of a running job: its queue, the seeds it works on, what it found.

    `came` and `went` are candidates, those on their way with them; `per_s`: how many came, over ten seconds. Of
    earlier processes what they settled counts, as passed where it was only marked.
    """

    name: str
    type: str
    phase: int
    waiting: int
    capacity: int
    busy: int
    per_s: float
    came: int
    went: int
    made: int
    passed: int
    rejected: int
    failed: int
    marked: int
    reasons: dict[str, int]


class Progress(BaseModel):
    """A running job at one moment. Rates are of the last ten seconds; `eta_s` is of the phase that runs."""

    seeds: int
    seeds_done: int
    seeds_solved: int
    accepted: int
    rejected: int
    failed: int
    calls: int
    in_flight: int
    refused: int = Field(description="Calls that were told to come later (429, 503), in this process.")
    prompt_tokens: int
    completion_tokens: int
    cost_usd: float | None = Field(description="null where some calls have no known price.")
    phase: int
    phases: int
    phase_seeds: int = Field(description="Seeds that this process has to take through the phase.")
    phase_done: int
    calls_per_s: float
    accepted_per_s: float
    eta_s: float | None
    stages: list[StageProgress]


class Fallen(BaseModel):
    """How many candidates of a stage were rejected, or failed, for one reason."""

    state: Literal["rejected", "failed"]
    reason: str
    count: int


class FunnelStage(BaseModel):
    """One stage of a job: the settled candidates that came to it, fell at it, and went on."""

    id: str
    object: Literal["funnel_stage"] = "funnel_stage"
    type: str
    came: int
    rejected: int
    failed: int
    went: int
    reasons: list[Fallen] = Field(description="The most frequent first.")


class Funnel(BaseModel):
    """What has become of a job's candidates and seeds, over all processes that ran it. `pending` ones wait in it."""

    object: Literal["funnel"] = "funnel"
    stages: list[FunnelStage]
    accepted: int
    pending: int
    seeds: dict[str, int] = Field(description="Settled seeds by state.")


class Job(BaseModel):
    """A pipeline that was submitted, and what became of it."""

    id: str
    object: Literal["job"] = "job"
    name: str
    state: JobState
    stopping: Literal["paused", "cancelled"] | None = Field(description="The state it is draining towards.")
    created_at: int
    started_at: int | None
    ended_at: int | None
    priority: int
    tenant: str
    limit: int | None
    seeds: int = Field(description="Seeds that it reads.")
    error: JobError | None
    counts: dict[str, Any] | None = Field(description="As in manifest.json; null before it has run.")
    calls: dict[str, int] | None
    tokens: dict[str, int] | None
    cost_usd: float | None
    wall_s: float | None
    progress: Progress | None = Field(description="Of a running job.")
    warnings: list[str]
    files: list[str] = Field(description="The uploads that it reads.")
    urls: dict[str, str]


class Check(BaseModel):
    """Whether a pipeline can be submitted."""

    object: Literal["check"] = "check"
    valid: bool
    seeds: int | None
    warnings: list[str]
    errors: list[Mistake]


class EndpointShown(BaseModel):
    """An endpoint that the caller may name."""

    id: str
    object: Literal["endpoint"] = "endpoint"
    model: str | None


class Sample(BaseModel):
    """A candidate and what became of it. Texts are cut at 4,000 characters in lists; `truncated` says so."""

    id: str
    object: Literal["sample"] = "sample"
    candidate: str
    seed_no: int
    seed_id: str
    topic: str
    state: Literal["accepted", "rejected", "failed", "live"]
    stage: str
    reason: str
    detail: str
    origin: str
    text: str
    reasoning: str | None
    tool_calls: list[dict[str, Any]] | None
    truncated: bool
    scores: dict[str, float]
    verdicts: dict[str, Any]
    lineage: dict[str, Any]
    fields: dict[str, Any]
    prompt: list[dict[str, Any]] | None = Field(description="As it was sent; null in lists.")


class Seed(BaseModel):
    """A seed and how it ended; its candidates where it is asked for by itself."""

    id: str
    object: Literal["seed"] = "seed"
    seed_id: str
    topic: str
    state: str
    parent_id: str | None
    row: dict[str, Any]
    truncated: bool
    failure: str
    candidates: list[Sample] | None


class RunFile(BaseModel):
    """A file of a job's run directory."""

    id: str
    object: Literal["run_file"] = "run_file"
    bytes: int


class Health(BaseModel):
    """ok, ready, or why not."""

    status: str


class AnyObject(BaseModel):
    """A JSON object of no fixed shape."""

    model_config = {"extra": "allow"}
