"""What a simulator can be told, in the slices that its parts take."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

Reasoning = Literal["off", "field", "tags"]


@dataclass(frozen=True, slots=True)
class Skill:
    """How often answers are right. Each question has its own chance, drawn from Beta(`beta`), or `accuracy` for all.

    `common_wrong` is the share of the wrong answers to a question that are one and the same answer.
    """

    accuracy: float | None = None
    beta: tuple[float, float] = (0.5, 0.8)
    common_wrong: float = 0.5


@dataclass(frozen=True, slots=True)
class TruthFile:
    """A JSONL file of questions with known answers: the question's column, and the template that gives the answer."""

    path: Path
    question: str = "question"
    gold: str = "{{ answer }}"


@dataclass(frozen=True, slots=True)
class JudgeSkill:
    """`sensitivity`: the share of right answers that pass; `specificity`: the share of wrong ones that do not."""

    sensitivity: float = 0.95
    specificity: float = 0.9


@dataclass(frozen=True, slots=True)
class Latency:
    """Log-normal: the median in seconds, and the sigma of its logarithm."""

    median_s: float = 0.0
    jitter: float = 0.0


@dataclass(frozen=True, slots=True)
class Limits:
    """What is refused with a 429. `retry_after_s` is what refusals advise; None: what the bucket really needs."""

    requests_per_minute: float | None = None
    tokens_per_minute: float | None = None
    max_concurrency: int | None = None
    retry_after_s: float | None = None


@dataclass(frozen=True, slots=True)
class FaultShares:
    """Shares of the calls that go wrong, each 0 to 1. `refuse` counts first arrivals only, the others every arrival."""

    refuse: float = 0.0
    error: float = 0.0
    reset: float = 0.0
    hang: float = 0.0
    malformed: float = 0.0


@dataclass(frozen=True, slots=True)
class Access:
    """The bearer token that is asked for (None: none), and after how many replies it is worth nothing any more."""

    api_key: str | None = None
    revoke_after: int | None = None


@dataclass(frozen=True, slots=True)
class Options:
    """The whole simulator. `port` 0 takes a free one; `context_tokens` bounds prompt and `max_tokens` together."""

    seed: int = 7
    models: tuple[str, ...] = ("simulated",)
    skill: Skill = field(default_factory=Skill)
    truth: TruthFile | None = None
    judge: JudgeSkill = field(default_factory=JudgeSkill)
    latency: Latency = field(default_factory=Latency)
    limits: Limits = field(default_factory=Limits)
    faults: FaultShares = field(default_factory=FaultShares)
    access: Access = field(default_factory=Access)
    context_tokens: int | None = None
    reasoning: Reasoning = "off"
    host: str = "127.0.0.1"
    port: int = 0
