"""Stages that take out what is wrong or redundant: checks, duplicates, contamination."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from config.base import (
    Config,
    Count,
    FilePath,
    Flag,
    OneOrMany,
    Schema,
    Share,
    Text,
)
from config.stage import Alias, BaseStage, Extract


class Verify(BaseStage):
    """A check by program, one candidate at a time."""

    type: Literal["verify"] = "verify"
    check: Literal["numeric", "exact", "regex", "json_schema", "math", "python", "grounded", "plugin"] = Field(
        examples=["math"]
    )
    against: Text | None = None
    """What is right (numeric, exact, math)."""
    pattern: str | None = None
    schema_: Schema | None = Field(default=None, alias="schema")
    tests: Text | None = None
    entry_point: str | None = None
    function: str | None = None
    """A plugin: `./file.py:function` or an entry point's name."""


class CrossCheck(BaseStage):
    """A model solves again by another method, or checks the answer that was given."""

    type: Literal["cross_check"] = "cross_check"
    endpoint: Alias
    prompt: Text = Field(examples=["Solve it by a different method: {{ question }}"])
    sees: Literal["question", "response"] = "question"
    samples: Count = 1
    min_agree: Count = 1
    extract: Extract = "math"


class Near(Config):
    """Near duplicates: Jaccard similarity of word 5-grams."""

    threshold: Share = 0.8


class Semantic(Config):
    """Duplicates in meaning: cosine similarity of embeddings."""

    threshold: Share = 0.95
    endpoint: str | None = None


class Keep(Config):
    """How many of a cluster of duplicates stay, and which."""

    per_cluster: Count = 1
    by: Literal["first", "score"] = "first"


class Dedupe(BaseStage):
    """Remove redundant pairs, prompts or responses."""

    type: Literal["dedupe"] = "dedupe"
    on: Literal["pair", "prompt", "response"] = "pair"
    scope: Literal["run", "seed"] = "run"
    mode: Literal["canonical", "online"] = "canonical"
    exact: Flag = True
    near: Near | None = None
    semantic: Semantic | None = None
    keep: Keep = Keep()


class Decontaminate(BaseStage):
    """Remove what overlaps with benchmark files."""

    type: Literal["decontaminate"] = "decontaminate"
    against: OneOrMany[FilePath] = Field(min_length=1, examples=["bench.jsonl"])
    field: str = Field(examples=["question"])
    on: Literal["prompt", "response", "pair"] = "prompt"
    ngram: Count = 13
