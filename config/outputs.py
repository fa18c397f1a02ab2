"""What is written when a run ends: the files a trainer reads."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BeforeValidator, Field

from config.base import Config, Count, Expr, NonNegative, OneOrMany, Share, Text, Whole, wrong


def _columns(value: object) -> object:
    if isinstance(value, (list, tuple)) and all(isinstance(name, str) for name in value):
        return {name: name for name in value}
    if isinstance(value, dict):
        return value
    raise wrong("write a list of the source's columns, or {new_name: column}")


class Pairs(Config):
    """Which candidates make a preference pair."""

    chosen: Literal["selected"] = "selected"
    by: Literal["stage", "model"] = "stage"
    """What makes one of two worse: a stage that it did not pass, or the model that wrote it."""
    rejected: tuple[str, ...] = ()
    """stage: those whose rejects may stand as the worse one; left out: every stage's."""
    strong: OneOrMany[str] = ()
    """model: the endpoints whose accepted samples may stand as the better one."""
    weak: OneOrMany[str] = ()
    """model: the endpoints whose candidates, accepted or not, may stand as the worse one."""
    pick: Literal["nearest_length", "first", "lowest_score"] = "nearest_length"
    per_seed: Count = 1
    min_margin: NonNegative = 0.0


class Split(Config):
    """A part held out for validation."""

    validation: Annotated[float, Field(strict=True, gt=0, lt=1)] = Field(examples=[0.05])
    """The share of the seeds; duplicates stand in one part, and with `by: root` what came of one row of the source."""
    by: Literal["root", "seed"] = "root"


class Output(Config):
    """One export, `exports/<format>.<file>`; with sizes, a split and shards `<format>.<size>.<part>-00000.<file>`."""

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
    ground_truth: Text | None = Field(default=None, examples=["{{ answer | after('####') }}"])
    """grpo, verl: what is right for a seed."""
    include: Literal["accepted", "all"] = "accepted"
    """grpo, verl: only seeds with an accepted sample, or unsolved ones too."""
    data_source: str = Field(default="tamis", min_length=1)
    """verl: by this name its trainer finds the reward function."""
    split: Split | None = None
    shard_rows: Count | None = None
    """Rows of a file at the most; the next ones go into the next file."""
    max_samples: OneOrMany[Count] = ()
    """Rows at the most; of several sizes each gets a file, the smaller ones contained in the larger."""
    order: Literal["source", "score"] = "source"
    """Who is taken first. The lines of a file stand in the source's order all the same."""
    diverse: Share | None = None
    """Leave out what is more similar than this to what was taken: Jaccard similarity of word 5-grams."""
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
