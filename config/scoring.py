"""Stages that measure: how hard a seed is, and how good a candidate."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Literal

from pydantic import AfterValidator, BeforeValidator, Field, Tag

from config.base import Config, Count, NonNegative, Number, OneOrMany, Positive, Text, either, wrong
from config.judging import Opinion, Scale
from config.stage import Alias, BaseStage

Bucket = Literal["easy", "moderate", "hard", "unsolved", "unknown"]


def is_shares(target: Mapping[Bucket, float]) -> bool:
    """Tell shares from numbers of seeds: they come to 1, as 0.333 three times over is meant to."""
    return abs(sum(target.values()) - 1) <= 0.001


def _shares_or_counts(target: dict[Bucket, float]) -> dict[Bucket, float]:
    if not is_shares(target) and any(amount % 1 for amount in target.values()):
        raise wrong(f"write shares that come to 1, not {sum(target.values()):g}, or whole numbers of seeds")
    return target


Target = Annotated[dict[Bucket, NonNegative], AfterValidator(_shares_or_counts)]


class Difficulty(BaseStage):
    """Easy, moderate, hard, unsolved: by how often the task is solved, by what a model says of it, or by both."""

    type: Literal["difficulty"] = "difficulty"
    by: Literal["pass_rate", "model", "both"] = "pass_rate"
    of: str | None = None
    """The stage whose verdicts tell right from wrong; left out: the last `verify` by gold or tests, else all that judge
    one candidate at a time."""
    min_samples: Count = 8
    """With fewer judged ones the pass rate is `unknown`."""
    endpoint: Alias | None = None
    """pass_rate: with `samples`, the model to be trained, whose own pass rate counts. model: who rates."""
    samples: Count | None = None
    """How often `endpoint` is asked for a seed; left out: the seed's own candidates count."""
    temperature: NonNegative = 1.0
    """Of these samples, as are `max_tokens` and `prompt`."""
    max_tokens: Count | None = 1024
    prompt: Text | None = None
    """Left out: what the candidates were made with."""
    rater: Alias | None = None
    """Who rates; left out: `endpoint`."""
    rating: Text | None = None
    """In place of the built-in prompt for raters; it sees the columns and `task`, and must ask for `difficulty`."""
    target: Target = Field(default={}, examples=[{"easy": 0.2, "moderate": 0.5, "hard": 0.3}])
    """How many seeds of a bucket go on: shares that come to 1, or whole numbers. A bucket left out: none."""


def _weight(value: object) -> object:
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        return {"weight": value}
    return value


class Weighed(Config):
    """Something read from the text, and what it weighs beside the axes and the others."""

    weight: Number = 1.0


class Explanation(Weighed):
    """Phrases such as "because" and "this means"."""

    full_at: Positive = 3.0
    """The count from which the feature gives all of its weight."""


class Steps(Explanation):
    """Step indicators, weighted by kind; a kind left out counts 0, no kinds at all: each counts 1."""

    kinds: dict[Literal["ordinal", "connective", "calculation", "numbered"], NonNegative] = Field(default={})


class Readability(Weighed):
    """Flesch's reading ease: 100 is very easy English, 0 very hard."""

    full_at: Positive = 60.0
    """The ease from which the feature gives all of its weight; 60 is plain English."""


class Length(Weighed):
    """Words: all of the weight at `target`, in proportion less on either side."""

    target: Positive = Field(examples=[120])


class PartialCredit(Weighed):
    """The share of a reference's steps whose numbers and expressions stand in the response."""

    reference: Text = Field(examples=["{{ solution }}"])


class Features(Config):
    """Hints read from the text alone. They can be gamed, so give them little weight."""

    steps: Annotated[Steps | None, BeforeValidator(_weight, json_schema_input_type=float | Steps | None)] = None
    explanation: Annotated[
        Explanation | None, BeforeValidator(_weight, json_schema_input_type=float | Explanation | None)
    ] = None
    readability: Annotated[
        Readability | None, BeforeValidator(_weight, json_schema_input_type=float | Readability | None)
    ] = None
    length: Length | None = None
    partial_credit: PartialCredit | None = None


Axes = Annotated[
    Annotated[Literal["constitution"], Tag("text")] | Annotated[dict[str, str], Tag("keys")],
    either('write axes: constitution, or axes of your own such as {clarity: "How easy it is to follow."}'),
]


class Score(Opinion):
    """One score per candidate: axes judged by models, and features of the text."""

    type: Literal["score"] = "score"
    endpoint: OneOrMany[str] = Field(default=(), examples=["main"])
    """Several are a panel; the mean counts."""
    axes: Axes | None = None
    """What is rated; left out: one overall mark, which `prompt` asks for."""
    scale: Scale = (1, 5)
    """The lowest and the highest mark."""
    per_call: Literal["one", "all"] = "one"
    """Axes in a call."""
    samples: Count = 1
    """How often each model is asked, every time with options and axes in another order."""
    weights: dict[str, NonNegative] = Field(default={})
    """By axis; left out: the constitution's, else 1."""
    gates: dict[str, Number] = Field(default={})
    """The mark that an axis must have, on the scale; below it the candidate is rejected."""
    combine: Literal["weighted", "min", "geometric"] = "weighted"
    """How the axes become one score."""
    normalise: Literal["none", "per_seed"] = "none"
    """`per_seed`: each model's scores as deviations from its mean for the seed, for those that compare only there."""
    features: Features = Features()
