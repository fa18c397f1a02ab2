"""The whole of pipeline.yaml as one frozen model, and the models it is made of that others read."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import Field

from config.base import Config, FilePath, Name
from config.endpoints import Endpoint, Gguf, Price
from config.judging import Audit, Judge, Opinion, Rank, Select, Vote
from config.making import Annotate, Between, Generate, Until
from config.outputs import Budget, Collapse, Output, Pairs
from config.scoring import Difficulty, Score
from config.sieving import CrossCheck, Decontaminate, Dedupe, Existing, Semantic, Verify
from config.sources import CsvSource, JsonlSource, Source, TextSource
from config.transforming import Transform

# fmt: off
__all__ = [
    "Annotate", "Audit", "Between", "Budget", "Collapse", "CrossCheck", "CsvSource", "Decontaminate", "Dedupe",
    "Difficulty", "Endpoint", "Existing", "Generate", "Gguf", "JsonlSource", "Judge", "Opinion", "Output", "Pairs",
    "Pipeline", "Price", "Rank", "Score", "Select", "Semantic", "Source", "Stage", "TextSource", "Transform", "Until",
    "Verify", "Vote", "json_schema", "resolved",
]
# fmt: on

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

    @property
    def used(self) -> dict[str, Endpoint]:
        """The endpoints that stages ask, by alias, in the order in which they stand there."""
        return {alias: self.endpoints[alias] for stage in self.stages for _, alias in stage.aliases()}


def json_schema() -> dict[str, Any]:
    """Return the JSON Schema of pipeline.yaml, for editors."""
    return {"$schema": "https://json-schema.org/draft/2020-12/schema"} | Pipeline.model_json_schema(by_alias=True)


def resolved(pipeline: Pipeline) -> dict[str, Any]:
    """Return what really runs as plain data: defaults filled in, files' texts in place, paths absolute.

    There is nothing to redact: a file with a key in it is refused when it is read.
    """
    return pipeline.model_dump(mode="json", by_alias=True)
