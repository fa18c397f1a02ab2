"""What is written when a run ends: the files a trainer reads."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BeforeValidator, Field

from config.base import Config, Count, Expr, NonNegative, Share, Text, Whole, wrong


def _columns(value: object) -> object:
    if isinstance(value, (list, tuple)) and all(isinstance(name, str) for name in value):
        return {name: name for name in value}
    if isinstance(value, dict):
        return value
    raise wrong("write a list of the source's columns, or {new_name: column}")


class Pairs(Config):
    """Which candidates make a preference pair."""

    chosen: Literal["selected"] = "selected"
    rejected: tuple[str, ...] = ()
    """The stages whose rejects may stand as the worse one; left out: every stage's."""
    pick: Literal["nearest_length", "first", "lowest_score"] = "nearest_length"
    per_seed: Count = 1
    min_margin: NonNegative = 0.0


class Split(Config):
    """A part held out for validation."""

    validation: Share = Field(examples=[0.05])
    by: Literal["root", "seed"] = "root"


class Output(Config):
    """One export, `exports/<format>.<file>`."""

    format: Literal["sft", "dpo", "reward", "kto", "prm", "grpo", "verl", "sharegpt"] = Field(examples=["sft"])
    file: Literal["jsonl", "parquet"] = "jsonl"
    prompt: Text | None = None
    """What stands as the user's turn: the question, not the scaffold. Left out: the prompt that was sent."""
    where: Expr | None = None
    columns: Annotated[dict[str, str], BeforeValidator(_columns, json_schema_input_type=list[str] | dict[str, str])] = (
        Field(default={})
    )
    """More columns: the name in the export -> the column of the source."""
    pairs: Pairs = Pairs()
    split: Split | None = None
    shard_rows: Count | None = None
    max_samples: Count | None = None
    order: Literal["source", "score"] = "source"
    diverse: Share | None = None
    reasoning: Literal["field", "think_tags", "drop"] = "field"


class Collapse(Config):
    """How a fall of diversity is answered; an empty list only alarms."""

    respond: tuple[Literal["temperature", "prompt", "persona", "verbalized"], ...] = ()
    personas: tuple[str, ...] = ()
    """Who speaks once `persona` answers, drawn for each candidate; left out: a built-in few."""


class Budget(Config):
    """Where a run ends by itself, each optional. What is there is then complete."""

    usd: NonNegative | None = None
    tokens: Whole | None = None
    calls: Whole | None = None
    wall_s: NonNegative | None = None
