"""The one door to a language model: what a stage asks, and what it gets back.

`Model.ask` looks in the ledger, waits at the gate, sends, retries, commits the reply and only then returns it.
It raises `CandidateError` when this one request cannot be served, `RunStopped` or `BudgetReached` when none can.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal, NamedTuple, Protocol

from stages.core.record import Group

Route = Literal["generate", "embeddings", "classify", "score", "rerank", "pooling"]
"""What is asked of a server: to generate, to embed, or one of vLLM's ways to ask a reward model or a cross-encoder."""


@dataclass(slots=True)
class Call:
    """One request. `body` is the OpenAI request body without `model`; the endpoint's own `body` is merged into it.

    `purpose`, `sample` and `part` tell calls of one stage and seed apart (`part`: panellist, pair, order, re-ask).
    `depth` is the stage's place in the pipeline: later stages are served first.

    `keep`: the group will ask this again, in a later wave, and then gets the reply that is there.

    Where `route` is not `generate`, `body` is what that route takes. The reply to `embeddings` has a vector for each
    `input`, that to any other is one number, its `text`.
    """

    stage: str
    depth: int
    purpose: str
    group: Group
    body: dict[str, Any]
    sample: int = 0
    part: str = ""
    route: Route = "generate"
    keep: bool = False


class Usage(NamedTuple):
    """Tokens of one reply. Reasoning tokens are part of completion tokens, cached ones part of prompt tokens."""

    prompt_tokens: int = 0
    completion_tokens: int = 0
    reasoning_tokens: int = 0
    cached_tokens: int = 0


class Choice(NamedTuple):
    """One completion. `reasoning` is kept apart from `text` (or not, as the endpoint's `reasoning` key says).

    `logprobs`: the `content` list of the OpenAI reply, a dict per token with `token`, `logprob`, `top_logprobs`.
    """

    text: str
    finish_reason: str = "stop"
    reasoning: str | None = None
    tool_calls: list[dict[str, Any]] | None = None
    logprobs: list[dict[str, Any]] | None = None

    @property
    def truncated(self) -> bool:
        return self.finish_reason == "length"


class Reply(NamedTuple):
    """What came back: one choice, or several where the request asked for `n`; or the embeddings that it asked for."""

    choices: tuple[Choice, ...]
    usage: Usage = Usage()
    model: str = ""
    vectors: tuple[list[float], ...] = ()

    @property
    def first(self) -> Choice:
        return self.choices[0]

    @property
    def text(self) -> str:
        return self.choices[0].text


class Model(Protocol):
    """An endpoint alias as the stages see it."""

    alias: str
    name: str
    """The model's name at its server, for lineage and keys."""

    sends_seed: bool
    """Whether a sampling seed per candidate belongs in the body."""
    structured: bool
    """Whether the server takes `response_format` with a JSON schema."""
    logprobs: bool
    """Whether the server gives log-probabilities of tokens."""

    def committed(self, call: Call) -> bool:
        """Tell whether the group holds the reply to this call, so that asking for it sends nothing."""
        ...

    async def ask(self, call: Call) -> Reply: ...
