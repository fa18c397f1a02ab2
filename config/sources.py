"""Where seeds come from. A `type` each; all of them give rows whose columns are the variables of templates."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, Tag, model_validator

from config.base import Config, Count, FilePath, Text, Whole, either, wrong

Column = Annotated[str, Field(min_length=1)]


Given = Annotated[
    Annotated[Column, Tag("text")] | Annotated[tuple[Text, ...], Tag("list")],
    either('write the name of a COLUMN, or a list of templates such as ["{{ answer }}"]'),
]


class BaseSource(Config):
    """What every source has: which columns mean what, and what happens on a broken row."""

    id: Column | None = None
    """The column with unique ids; left out, the hash of the row is its id."""
    topic: Column | None = None
    messages: Column | None = None
    """The column with a conversation, for multi-turn prompts."""
    tools: Column | None = None
    candidates: Given | None = None
    """Outputs that exist already: a column (a text or a list of texts), or a list of templates, one per candidate."""
    on_error: Literal["fail", "skip"] = "fail"
    """A broken row ends the run before it starts, or is counted and left out."""


class JsonlSource(BaseSource):
    """One JSON object per line."""

    type: Literal["jsonl"] = "jsonl"
    path: FilePath = Field(examples=["seeds.jsonl"])


class CsvSource(BaseSource):
    """Comma-separated values with a header line."""

    type: Literal["csv"] = "csv"
    path: FilePath = Field(examples=["seeds.csv"])
    delimiter: Annotated[str, Field(min_length=1, max_length=1)] = ","


class ParquetSource(BaseSource):
    """A Parquet file, or a folder of them."""

    type: Literal["parquet"] = "parquet"
    path: FilePath = Field(examples=["seeds.parquet"])


class HuggingfaceSource(BaseSource):
    """A dataset that `datasets.load_dataset` finds: a hub name or a local folder."""

    type: Literal["huggingface"] = "huggingface"
    path: str = Field(examples=["openai/gsm8k"])
    subset: str | None = None
    split: str = "train"


class Chunk(Config):
    """How documents are cut."""

    tokens: Count = 1500
    overlap: Whole = 150
    by: Literal["heading", "tokens"] = "tokens"

    @model_validator(mode="after")
    def _moves_on(self) -> Chunk:
        if self.overlap >= self.tokens:
            raise wrong(f"`overlap` ({self.overlap}) must be smaller than `tokens` ({self.tokens})")
        return self


class TextSource(BaseSource):
    """A folder of documents."""

    type: Literal["text"] = "text"
    path: FilePath = Field(examples=["documents"])
    glob: str = "**/*.txt"
    chunk: Chunk | None = None


class UploadSource(BaseSource):
    """A file uploaded to the service."""

    type: Literal["upload"] = "upload"
    file_id: str = Field(examples=["file-abc"])


Source = Annotated[
    JsonlSource | CsvSource | ParquetSource | HuggingfaceSource | TextSource | UploadSource, Field(discriminator="type")
]
