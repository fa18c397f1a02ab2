"""The whole of pipeline.yaml as one frozen model, and every model it is made of."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import Field

from config.base import Config, FilePath, Name
from config.endpoints import Endpoint, Gguf, Limits, Price
from config.judging import Agree, Audit, Escalate, Judge, Opinion, Rank, Select, Vote
from config.making import (
    Annotate,
    Between,
    Difficulty,
    Explanation,
    Features,
    Gate,
    Generate,
    Score,
    Steps,
    Transform,
    Until,
)
from config.outputs import Budget, Collapse, Output, Pairs, Split
from config.sieving import CrossCheck, Decontaminate, Dedupe, Keep, Near, Semantic, Verify
from config.sources import (
    Chunk,
    CsvSource,
    HuggingfaceSource,
    JsonlSource,
    ParquetSource,
    Source,
    TextSource,
    UploadSource,
)
from config.stage import BaseStage

__all__ = [
    "Agree",
    "Annotate",
    "Audit",
    "BaseStage",
    "Between",
    "Budget",
    "Chunk",
    "Collapse",
    "CrossCheck",
    "CsvSource",
    "Decontaminate",
    "Dedupe",
    "Difficulty",
    "Endpoint",
    "Escalate",
    "Explanation",
    "Features",
    "Gate",
    "Generate",
    "Gguf",
    "HuggingfaceSource",
    "JsonlSource",
    "Judge",
    "Keep",
    "Limits",
    "Near",
    "Opinion",
    "Output",
    "Pairs",
    "ParquetSource",
    "Pipeline",
    "Price",
    "Rank",
    "Score",
    "Select",
    "Semantic",
    "Source",
    "Split",
    "Stage",
    "Steps",
    "TextSource",
    "Transform",
    "Until",
    "UploadSource",
    "Verify",
    "Vote",
    "json_schema",
    "resolved",
]


Stage = Annotated[
    Annotate
    | Generate
    | Verify
    | CrossCheck
    | Judge
    | Vote
    | Rank
    | Select
    | Dedupe
    | Decontaminate
    | Transform
    | Difficulty
    | Score,
    Field(discriminator="type"),
]


class Pipeline(Config):
    """A run as the person asked for it."""

    name: Name = "pipeline"
    """Left out: the file's name."""
    seed: int = Field(default=0, strict=True)
    """Every sampling choice is reproducible from it."""
    constitution: FilePath | None = None
    """The default of every stage that uses one."""
    endpoints: dict[str, Endpoint] = Field(default={})
    source: Source = Field(examples=[{"type": "jsonl", "path": "seeds.jsonl"}])
    stages: tuple[Stage, ...] = ()
    outputs: tuple[Output, ...] = ()
    collapse: Collapse | None = None
    budget: Budget = Budget()


def json_schema() -> dict[str, Any]:
    """Return the JSON Schema of pipeline.yaml, for editors."""
    return {"$schema": "https://json-schema.org/draft/2020-12/schema"} | Pipeline.model_json_schema(by_alias=True)


def resolved(pipeline: Pipeline) -> dict[str, Any]:
    """Return what really runs as plain data: defaults filled in, files' texts in place, paths absolute.

    There is nothing to redact: a file with a key in it is refused when it is read.
    """
    return pipeline.model_dump(mode="json", by_alias=True)
