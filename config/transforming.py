"""The stage that changes the shape of what is there: rewrites of candidates, and rows made into other rows."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from config.base import Config, Count, FilePath, Flag, NonNegative, OneOrMany, Positive, Schema, Text
from config.stage import Alias, BaseStage, Extract


class Equivalent(Config):
    """A model says whether the meaning is still the same."""

    endpoint: Alias


class Gate(Config):
    """What must be true of the new text beside the old one. The old one is the response, or the row's column."""

    same_answer: Flag = False
    extract: Extract = "math"
    """How that answer is found and compared."""
    max_length_ratio: Positive | None = None
    """Characters of the new text for each one of the old."""
    min_length_ratio: Positive | None = None
    keeps: OneOrMany[Literal["numbers", "names"]] = ()
    """All of them that the old text has."""
    language: Literal["same"] | None = None
    grounded: Flag = False
    """The new text says nothing that the old one does not, as far as `verify: grounded` can tell."""
    equivalent: Equivalent | None = None
    schema_: Schema | None = Field(default=None, alias="schema")
    """The new text is JSON that this schema accepts."""


class Sample(Config):
    """How many principles are drawn for each round."""

    sample: Count


REWRITES = ("succinct", "restyle", "expand_steps", "critique_revise", "custom")
"""The kinds that work on candidates; the others work on rows."""

NEW_COLUMNS = {
    "qa": ("question", "answer"),
    "chat": ("messages",),
    "instruction": ("instruction", "response"),
    "backtranslate": ("instruction", "response"),
}
SPAN = ("evidence", "evidence_start", "evidence_end")
"""What `evidence` adds: the source's own words, and where in the column they begin and end, in characters."""


class Transform(BaseStage):
    """A model rewrites candidates, or makes other rows of the rows there are."""

    type: Literal["transform"] = "transform"
    kind: Literal[
        "succinct", "restyle", "expand_steps", "critique_revise", "custom", "augment", "convert", "backtranslate"
    ] = Field(examples=["succinct"])
    endpoint: Alias
    prompt: Text | None = None
    """In place of the built-in one. It sees the columns and, of candidates, `task` and `response`, of rows `document`:
    the text in `column`."""
    style: Text | None = None
    """restyle: the style sheet."""
    constitution: FilePath | None = None
    """critique_revise: left out, the pipeline's."""
    rounds: Count = 1
    """critique_revise: how often it is criticised and revised."""
    principles: Sample | None = None
    """critique_revise: left out, all of them count in each round."""
    column: str | None = None
    """augment, convert, backtranslate: the column with the text."""
    ways: tuple[Literal["paraphrase", "perspective", "constraints", "deepen", "broaden"], ...] = ()
    """augment: taken in turn."""
    per_input: Annotated[int, Field(strict=True, ge=1, le=1000)] | None = None
    """How many come of a row, at most; left out: one, or for `augment` one of each way."""
    to: Literal["qa", "chat", "instruction", "schema"] | None = None
    """convert: what the row's text becomes."""
    evidence: Literal["span", "sentence"] | None = None
    """qa: the model must quote what answers the question, and a quotation that is not in the column is rejected.
    `sentence`: it picks one of the column's sentences first, by the reply's schema, so that small models can do it."""
    schema_: Schema | None = Field(default=None, alias="schema")
    """to schema: what each object must look like."""
    emit: Literal["candidates", "seeds"] = "candidates"
    """`seeds`: what comes of a row becomes rows of their own, with new columns, to be generated for in turn."""
    gate: Gate = Gate()
    keep: Literal["replace", "both"] = "replace"
    """Whether the new stands in place of the old or beside it."""
    on_failure: Literal["original", "drop"] = "original"
    """What becomes of the old where the new does not pass the gate."""
    temperature: NonNegative = 0.7
    max_tokens: Count | None = 1024

    @property
    def on_rows(self) -> bool:
        return self.kind not in REWRITES

    @property
    def new_columns(self) -> tuple[str, ...]:
        """The columns that rows made by it have besides those of the row they come from."""
        if self.to == "schema":
            return tuple((self.schema_ or {}).get("properties", ()))
        return NEW_COLUMNS.get(self.to or self.kind, ()) + (SPAN if self.evidence else ())

    @property
    def prompt_name(self) -> str:
        """The built-in prompt that `prompt` stands in place of."""
        return f"convert_{self.to}" if self.kind == "convert" else self.kind
