"""Where seeds come from. A `type` each; all of them give rows whose columns are the variables of templates."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from pydantic import AfterValidator, Field, Tag, ValidationInfo, model_validator

from config.base import Config, Count, FilePath, Text, Whole, either, resolve, wrong

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


def _folder_or_name(path: str, info: ValidationInfo) -> str:
    uploads = (info.context or {}).get("uploads")
    if uploads is not None and uploads.alone:
        raise wrong("datasets of the hub are the operator's alone; upload the rows, and write {type: upload}")
    resolved = resolve(path, info)
    return resolved if path.startswith((".", "/", "~")) or Path(resolved).is_dir() else path


class HuggingfaceSource(BaseSource):
    """A dataset that `datasets.load_dataset` finds: a hub name or a local folder."""

    type: Literal["huggingface"] = "huggingface"
    path: Annotated[str, Field(min_length=1), AfterValidator(_folder_or_name)] = Field(examples=["openai/gsm8k"])
    """A folder, if there is one of this name or it begins with `./`, `../`, `/` or `~`; else a name of the hub."""
    subset: str | None = None
    split: str = "train"


class Chunk(Config):
    """How documents are cut. A token is taken to be four characters."""

    tokens: Count = 1500
    overlap: Whole = 150
    """How many tokens of the chunk before a chunk may begin with."""
    by: Literal["heading", "tokens"] = "tokens"
    """`heading`: at every heading of Markdown, and by tokens where what stands under one is too long."""

    @model_validator(mode="after")
    def _moves_on(self) -> Chunk:
        if self.overlap >= self.tokens:
            raise wrong(f"`overlap` ({self.overlap}) must be smaller than `tokens` ({self.tokens})")
        return self


class TextSource(BaseSource):
    """A folder of documents, or one document."""

    type: Literal["text"] = "text"
    path: FilePath = Field(examples=["documents"])
    id: Column | None = "id"
    glob: str = Field(default="**/*.txt", min_length=1)
    """Which files of the folder."""
    chunk: Chunk | None = None
    """Left out: a row per document."""


def _uploaded(file_id: str, info: ValidationInfo) -> str:
    uploads = (info.context or {}).get("uploads")
    if uploads is None:
        raise wrong("only the service has uploads; here write {type: jsonl, path: seeds.jsonl}")
    path = uploads.paths.get(file_id)
    if path is None or not path.endswith((".jsonl", ".csv")):
        raise wrong(f'there is no upload "{file_id:.100}" of seeds, a .jsonl or .csv file; POST /v1/files makes one')
    return str(path)


class UploadSource(BaseSource):
    """A file uploaded to the service, read by the ending of its name: .jsonl or .csv."""

    type: Literal["upload"] = "upload"
    file_id: Annotated[str, AfterValidator(_uploaded)] = Field(examples=["file-abc"])
    """Its id; after reading the path of the file."""

    def opened(self) -> JsonlSource | CsvSource:
        """Return the same source as one over a file."""
        kind = JsonlSource if self.file_id.endswith(".jsonl") else CsvSource
        return kind.model_validate(
            {**self.model_dump(exclude={"type", "file_id"}, exclude_unset=True), "path": self.file_id}
        )


Source = Annotated[
    JsonlSource | CsvSource | ParquetSource | HuggingfaceSource | TextSource | UploadSource, Field(discriminator="type")
]
