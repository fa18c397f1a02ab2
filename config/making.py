"""Stages that make something: a column, candidates, rewrites, difficulties, scores."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BeforeValidator, Field, Tag, model_validator

from config.base import (
    Config,
    Count,
    FilePath,
    Flag,
    NonNegative,
    Number,
    OneOrMany,
    Positive,
    Share,
    Text,
    Whole,
    either,
    wrong,
)
from config.stage import Alias, BaseStage


class Annotate(BaseStage):
    """A model adds a column."""

    type: Literal["annotate"] = "annotate"
    as_: str = Field(alias="as", examples=["topic"])
    endpoint: Alias
    prompt: Text = Field(examples=["Topic of: {{ question }}"])
    choices: tuple[str, ...] = ()


class Until(Config):
    """Adaptive K: waves of candidates until enough are accepted."""

    accepted: Count = 1
    rejected: Whole = 0
    max_candidates: Count = 32
    wave: Count = 2
    after: str | None = None
    """The stage whose verdicts count; left out: the last one that judges one candidate at a time."""
    give_up: Positive | None = None
    """A seed is given up when another acceptance is expected to cost more candidates than this."""
    mean_candidates: Positive | None = None
    """Candidates per seed on average: what easy seeds leave of it goes to hard ones; left out: only the cap holds."""


class Between(Config):
    """A temperature drawn evenly between two."""

    min: NonNegative = Field(examples=[0.3])
    max: NonNegative = Field(examples=[1.0])

    @model_validator(mode="after")
    def _ordered(self) -> Between:
        if self.min > self.max:
            raise wrong(f"`min` ({self.min}) must not be larger than `max` ({self.max})")
        return self


def _shares(value: object) -> object:
    shares = (value,) if isinstance(value, str) else value
    if isinstance(shares, (list, tuple)) and all(isinstance(alias, str) for alias in shares):
        shares = {alias: shares.count(alias) for alias in shares}
    if isinstance(shares, dict) and shares:
        return shares
    raise wrong("write an endpoint's alias, a list of aliases, or shares such as {big: 8, small: 8}")


Shares = Annotated[
    dict[str, Count], BeforeValidator(_shares, json_schema_input_type=str | list[str] | dict[str, Count])
]
Temperature = Annotated[
    Annotated[OneOrMany[NonNegative], Tag("list")] | Annotated[Between, Tag("keys")],
    either("write a number, a list of numbers such as [0.3, 1.0], or {min: 0.3, max: 1.0}", others="list"),
]


class Generate(BaseStage):
    """Prompt templates x models x temperatures, `candidates` of them per seed."""

    type: Literal["generate"] = "generate"
    endpoint: Shares = Field(examples=["main"])
    """Alias -> how many of the candidates it makes, in proportion; one alias or a list means equal shares."""
    prompts: OneOrMany[Text] = ()
    """May be left out where the source has `messages`."""
    system: Text | None = None
    candidates: Count = 1
    until: Until | None = None
    temperature: Temperature = ()
    """Empty: the server's own. Several: the plan goes round every combination of endpoint, prompt and temperature."""
    top_p: Share | None = None
    stop: OneOrMany[str] = ()
    per_request: Count = 1
    max_tokens: Count | None = 1024
    """null: the server's own."""
    on_truncated: Literal["reject", "keep", "continue"] = "reject"
    """`continue` asks the model to go on, three times at most."""
    emit: Literal["candidates", "seeds"] = "candidates"
    """`seeds`: each output becomes a seed of its own, to be generated for in turn."""
    as_: str = Field(alias="as", default="text")
    """The column of such a seed that holds the output; the other columns are those of its parent."""


class Gate(Config):
    """What a rewrite must keep."""

    same_answer: Flag = False
    max_length_ratio: Positive | None = None


class Transform(BaseStage):
    """A model rewrites what is there."""

    type: Literal["transform"] = "transform"
    kind: Literal[
        "succinct", "restyle", "expand_steps", "augment", "critique_revise", "convert", "backtranslate", "custom"
    ] = Field(examples=["succinct"])
    endpoint: Alias
    constitution: FilePath | None = None
    gate: Gate = Gate()
    keep: Literal["replace", "both"] = "replace"


class Difficulty(BaseStage):
    """Easy, moderate, hard, unsolved."""

    type: Literal["difficulty"] = "difficulty"
    by: Literal["pass_rate", "model", "both"] = "pass_rate"
    min_samples: Count = 8
    endpoint: str | None = None
    samples: Count | None = None


def _weight(value: object) -> object:
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        return {"weight": value}
    return value


class Explanation(Config):
    """Phrases such as "because" and "this means"."""

    weight: Number = 1.0
    full_at: Positive = 3.0
    """The count from which the feature gives all of its weight."""


class Steps(Explanation):
    """Step indicators, weighted by kind; a kind left out counts 0, no kinds at all: each counts 1."""

    kinds: dict[Literal["ordinal", "connective", "calculation", "numbered"], NonNegative] = Field(default={})


class Features(Config):
    """Hints read from the text alone. They can be gamed, so give them little weight."""

    steps: Annotated[Steps | None, BeforeValidator(_weight, json_schema_input_type=float | Steps | None)] = None
    explanation: Annotated[
        Explanation | None, BeforeValidator(_weight, json_schema_input_type=float | Explanation | None)
    ] = None


class Score(BaseStage):
    """One score per candidate: axes of the constitution judged by a model, and features of the text."""

    type: Literal["score"] = "score"
    endpoint: str | None = None
    axes: Literal["constitution"] | None = None
    constitution: FilePath | None = None
    gates: dict[str, Number] = Field(default={})
    combine: Literal["weighted", "min", "geometric"] = "weighted"
    features: Features = Features()
