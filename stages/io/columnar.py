"""Sources whose rows stand in Arrow tables: Parquet files, and what `datasets.load_dataset` finds.

The rows are made what a row of JSON could have been: dates and times become texts in ISO 8601, decimals texts, what is
no number null. Bytes have no such form.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from decimal import Decimal
from functools import cached_property
from pathlib import Path
from typing import Any

import orjson

from config.sources import HuggingfaceSource, ParquetSource
from stages.core.errors import InputError
from stages.core.extras import require_extra
from stages.io.reader import At, BadRow, Feed, Reader, Row, files_of, no_such

BATCH = 1000
"""Rows that are in memory at a time."""


class ParquetFiles(Reader):
    """A Parquet file, or all files of a folder in the order of their paths. Rows are counted in each file."""

    unit = "row"

    def __init__(self, config: ParquetSource) -> None:
        require_extra("pyarrow", "parquet", "`type: parquet`")
        super().__init__(config.path)

    def rows(self, feed: Feed | None = None) -> Iterator[tuple[At, Row | BadRow]]:
        for path in files_of(self.path, "**/*.parquet"):
            for number, row in enumerate(_of_file(path, feed), 1):
                yield (str(path), number), row


def _of_file(path: Path, feed: Feed | None) -> Iterator[Row | BadRow]:
    from pyarrow.parquet import ParquetFile

    try:
        with ParquetFile(path) as file:
            for batch in file.iter_batches(BATCH, use_threads=False):
                yield from _rows(batch, feed)
    except (OSError, ValueError) as error:  # Arrow's own errors are of these two
        raise InputError(f"{path}: cannot be read as Parquet: {error}") from error


class Dataset(Reader):
    """One split of a dataset of the Hugging Face hub, or of a folder on this machine.

    It goes into the library's own cache on disk and is read from there, memory-mapped: the source is read twice, so to
    stream it from the hub would be to download it twice, and a resumed run could get another version.
    """

    unit = "row"

    def __init__(self, config: HuggingfaceSource) -> None:
        require_extra("datasets", "huggingface", "`type: huggingface`")
        super().__init__(config.path)
        self._config = config
        self.near = Path(config.path).is_absolute()

    def rows(self, feed: Feed | None = None) -> Iterator[tuple[At, Row | BadRow]]:
        rows = (row for table in self._split.iter(BATCH) for row in _rows(table, feed))
        for number, row in enumerate(rows, 1):
            yield (self.name, number), row

    @cached_property
    def _split(self) -> Any:
        """The split as Arrow tables: images and sounds stay undecoded, and are refused as the bytes they are."""
        import datasets

        if not sys.stderr.isatty():
            datasets.disable_progress_bars()
        try:
            split = self._loaded(datasets)
        except (OSError, ValueError, LookupError, RuntimeError, datasets.exceptions.DatasetsError) as error:
            raise InputError(f"{self.name}: {str(error).strip() or type(error).__name__}") from error
        return split.with_format("arrow")

    def _loaded(self, datasets: Any) -> Any:
        config, path = self._config, Path(self._config.path)
        if self.near and not path.is_dir():
            raise no_such(self.path, "folder")
        if self.near and (path / "dataset_dict.json").is_file():  # written by `save_to_disk`
            return datasets.load_from_disk(config.path)[config.split]
        if self.near and (path / "state.json").is_file():
            return datasets.load_from_disk(config.path)
        return datasets.load_dataset(config.path, config.subset, split=config.split)


def _rows(table: Any, feed: Feed | None) -> Iterator[Row | BadRow]:
    """Yield the rows of a table or a batch; `feed` is given the JSON of the good ones."""
    for row in _values(table):
        yield row if isinstance(row, BadRow) else _as_json(row, feed)


def _values(table: Any) -> list[Row | BadRow]:
    try:
        values: list[Row | BadRow] = table.to_pylist()
    except UnicodeDecodeError as error:  # Arrow does not look into its texts before they are asked for
        if table.num_rows == 1:
            return [BadRow(f"not UTF-8: {error.reason}")]
        values = [value for at in range(table.num_rows) for value in _values(table.slice(at, 1))]
    return values


def _as_json(row: Row, feed: Feed | None) -> Row | BadRow:
    try:
        raw = orjson.dumps(row, default=_plain)
    except orjson.JSONEncodeError:
        return BadRow(_cause(row))
    if feed is not None:
        feed(raw)
    loaded: Row = orjson.loads(raw)
    return loaded


def _plain(value: object) -> object:
    if isinstance(value, Decimal):
        return str(value)
    raise TypeError


def _cause(row: Row) -> str:
    """Name the first column that does not go into JSON."""
    for column, value in row.items():
        try:
            orjson.dumps(value, default=_plain)
        except orjson.JSONEncodeError as error:
            kind = "bytes" if "bytes" in str(error) else "what JSON cannot hold"
            return f'column "{column}" holds {kind}; a row is texts, numbers, lists and objects'
    return "what JSON cannot hold"
