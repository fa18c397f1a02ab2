"""Stages that take out what is wrong or redundant: checks, duplicates, contamination."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from config.base import (
    Config,
    Count,
    FilePath,
    Flag,
    Function,
    NonNegative,
    Number,
    OneOrMany,
    Positive,
    Schema,
    Share,
    Text,
)
from config.stage import Alias, BaseStage, Extract

GOLD = ("numeric", "exact", "math")
"""The checks of `verify` against a right answer; of the others only tests of code, too, tell right from wrong."""
RIGHT_OR_WRONG = (*GOLD, "python")


class Fallback(Config):
    """A model looks once more at what a program rejected: programs reject right answers, too."""

    endpoint: Alias
    share: Share = 0.05
    """Of the rejected candidates, drawn at random."""
    prompt: Text | None = None
    """In place of the built-in one. It sees columns, `response`, `task`, `reference`; it must ask for `pass`."""
    revive: Flag = False
    """Whether the model's yes lets a candidate go on; otherwise it only measures how often the program is wrong."""


class Verify(BaseStage):
    """A check by program, one candidate at a time."""

    type: Literal["verify"] = "verify"
    check: Literal["numeric", "exact", "regex", "json_schema", "math", "python", "grounded", "plugin"] = Field(
        examples=["math"]
    )
    against: Text | None = None
    """What is right (numeric, exact, math), or what the response must keep to (grounded)."""
    pattern: str | None = None
    schema_: Schema | None = Field(default=None, alias="schema")
    tests: Text | None = None
    entry_point: str | None = None
    function: Function | None = None
    """plugin: `./file.py:function`, or an entry point of the group `tamis.verify`."""
    min_score: Number | None = None
    """plugin: from which score on a candidate passes, where the function gives nothing else; left out: 0.5. grounded:
    which share of the sentences must be supported; left out: all."""
    timeout_s: Positive | None = None
    """plugin: for one candidate; left out: 10."""
    fallback: Fallback | None = None


class CrossCheck(BaseStage):
    """A model or a program solves again by another method, or checks the answer that was given."""

    type: Literal["cross_check"] = "cross_check"
    endpoint: Alias | None = Field(default=None, examples=["main"])
    prompt: Text | None = Field(default=None, examples=["Solve it by a different method: {{ question }}"])
    """In place of the built-in one. It sees columns and `task`; with `sees: response` the candidate too."""
    function: Function | None = None
    """A program beside the model or instead of it: it returns an answer, or judges as a plugin does."""
    sees: Literal["question", "response"] = "question"
    samples: Count = 1
    """How often the model is asked."""
    min_agree: Count = 1
    """How many must agree: of the model's samples, and the program."""
    extract: Extract = "math"
    """question: how answers are found and compared."""
    temperature: NonNegative = 0.7
    max_tokens: Count | None = 4096
    timeout_s: Positive = 10.0
    """Of one call of the function."""


class Near(Config):
    """Near duplicates: Jaccard similarity of word 5-grams."""

    threshold: Share = 0.8


class Semantic(Config):
    """Duplicates in meaning: cosine similarity of embeddings."""

    threshold: Share = 0.95
    endpoint: Alias | None = None
    """Whose `/v1/embeddings` is asked; left out: a small model on this machine (the extra `semantic`)."""


class Keep(Config):
    """How many of a cluster of duplicates stay, and which."""

    per_cluster: Count = 1
    by: Literal["first", "score"] = "first"


class Existing(Config):
    """Data sets that are there already: what has a twin in them goes."""

    path: OneOrMany[FilePath] = Field(min_length=1, examples=["old.jsonl"])
    """JSONL files; rows with `messages` are read as conversations that end with the response."""
    prompt: str = "prompt"
    """The key of the prompt, in rows without messages."""
    response: str = "response"


class Dedupe(BaseStage):
    """Remove redundant pairs, prompts or responses."""

    type: Literal["dedupe"] = "dedupe"
    on: Literal["pair", "prompt", "response"] = "pair"
    scope: Literal["run", "seed"] = "run"
    mode: Literal["canonical", "online"] = "canonical"
    """`online` decides as candidates come, before later stages are paid; a twin comes back when the other one falls."""
    exact: Flag = True
    near: Near | None = None
    semantic: Semantic | None = None
    keep: Keep = Keep()
    existing: Existing | None = None
    memory_mb: Count = 4_000
    """The run stops, resumable, before its index takes more: a million documents of 250 words take about 1,300."""


class Decontaminate(BaseStage):
    """Remove what overlaps with benchmark files. Any of its three rules is enough."""

    type: Literal["decontaminate"] = "decontaminate"
    against: OneOrMany[FilePath] = Field(min_length=1, examples=["bench.jsonl"])
    """JSONL files."""
    field: str = Field(examples=["question"])
    """The key of their rows that must not be learnt."""
    on: Literal["prompt", "response", "pair"] = "prompt"
    ngram: Annotated[int, Field(strict=True, ge=8)] = 13
    """So many words in a row are too many (GPT-3)."""
    share: Share = 0.5
    """More of a row's words than this in common 8-grams are too many (Tulu 3)."""
    similarity: Annotated[float, Field(strict=True, ge=0.5, le=1)] = 0.95
    """As alike as this, by edits, is too much (OpenThoughts)."""
