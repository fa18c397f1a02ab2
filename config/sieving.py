"""Stages that decide who goes on: checks, judges, votes, rankings, duplicates."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from config.base import (
    Config,
    Count,
    FilePath,
    Flag,
    NonNegative,
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


class Escalate(Config):
    """Ask a stronger judge when the cheap ones are unsure."""

    to: Alias
    when: Literal["split", "unsure"] = "split"


class Audit(Config):
    """How far a judge is tried in every run: what it said is asked again, and responses that hold nothing are shown."""

    share: Share = 0.05
    """Of the candidates of first waves, judged again with the order of options and criteria reversed."""
    max: Count = 200
    """At most about so many of them."""


class Judge(BaseStage):
    """A model judges by the constitution. Several endpoints are a panel."""

    type: Literal["judge"] = "judge"
    endpoint: OneOrMany[str] = Field(min_length=1, examples=["main"])
    mode: Literal["eliminate", "rubric", "checklist"] = "eliminate"
    constitution: FilePath | None = None
    prompt: Text | None = None
    """In place of the built-in one. It sees columns, `response`, `task`, `principles`; it must ask for `pass`."""
    decide: Literal["majority", "mean"] = "majority"
    escalate: Escalate | None = None
    rubric: str | None = None
    """The column with each prompt's own checklist."""
    temperature: NonNegative = 0.0
    max_tokens: Count | None = 1024
    audit: Audit | None = Audit()
    """`null` switches it off; it never changes what is accepted."""


class Vote(BaseStage):
    """The answer that most candidates give."""

    type: Literal["vote"] = "vote"
    extract: Extract = "math"
    min_agreement: Share = 0.0


class Rank(BaseStage):
    """Candidates of one seed compared in pairs."""

    type: Literal["rank"] = "rank"
    endpoint: Alias
    method: Literal["swiss", "all_pairs", "knockout"] = "swiss"
    order: Literal["random", "both"] = "random"
    constitution: FilePath | None = None


SelectBy = Literal["order", "rank", "score", "vote"]


class Agree(Config):
    """Take only what stands in the top of other orders as well."""

    with_: tuple[SelectBy, ...] = Field(alias="with", min_length=1, examples=[["score"]])
    within_top: Count = 1


class Select(BaseStage):
    """Keep the best of a seed's candidates."""

    type: Literal["select"] = "select"
    top: Count = 1
    by: SelectBy = "order"
    agree: Agree | None = None


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
