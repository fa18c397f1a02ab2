"""Stages that make something: a column, candidates, difficulties, scores."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BeforeValidator, Field, Tag, model_validator

from config.base import Config, Count, NonNegative, OneOrMany, Positive, Share, Text, Whole, either, wrong
from config.stage import Alias, BaseStage


class Annotate(BaseStage):
    """A model adds a column to the seeds."""

    type: Literal["annotate"] = "annotate"
    as_: str = Field(alias="as", min_length=1, examples=["topic"])
    """The column; `topic` is also what coverage is reported by."""
    endpoint: Alias
    prompt: Text = Field(examples=["Topic of: {{ question }}"])
    choices: tuple[Annotated[str, Field(min_length=1)], ...] = ()
    """What the column may hold, and null where the model says none of them; left out: whatever the model says."""
    temperature: NonNegative = 0.0
    max_tokens: Count | None = 1024
    """null: the server's own."""

    @model_validator(mode="after")
    def _choices_differ(self) -> Annotate:
        if len({choice.casefold() for choice in self.choices}) < len(self.choices):
            raise wrong("two of the `choices` are the same; case does not tell them apart")
        if len(self.choices) == 1:
            raise wrong("a single one of `choices` leaves nothing to say; name another, such as other")
        return self


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
