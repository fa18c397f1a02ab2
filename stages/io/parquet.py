"""Parquet: a file, or all files of a folder in the order of their paths."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from config.sources import ParquetSource
from stages.core.errors import InputError
from stages.core.extras import require_extra
from stages.io import arrow
from stages.io.reader import At, BadRow, Feed, Reader, Row, files_of, shown


class ParquetFiles(Reader):
    """Rows are counted in each file."""

    unit = "row"

    def __init__(self, config: ParquetSource) -> None:
        require_extra("pyarrow", "parquet", "`type: parquet`")
        self._path = shown(Path(config.path))
        self.name = str(self._path)

    def rows(self, feed: Feed | None = None) -> Iterator[tuple[At, Row | BadRow]]:
        for path in files_of(self._path, "**/*.parquet"):
            number = 0
            for number, row in enumerate(_of_file(path, feed), 1):
                yield (str(path), number), row


def _of_file(path: Path, feed: Feed | None) -> Iterator[Row | BadRow]:
    from pyarrow.parquet import ParquetFile

    try:
        with ParquetFile(path) as file:
            for batch in file.iter_batches(arrow.BATCH, use_threads=False):
                yield from arrow.rows(batch, feed)
    except (OSError, ValueError) as error:  # Arrow's own errors are of these two
        raise InputError(f"{path}: cannot be read as Parquet: {error}") from error
