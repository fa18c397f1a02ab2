"""What `datasets.load_dataset` finds: a dataset of the Hugging Face hub, or a folder on this machine.

It goes into the library's own cache on disk and is read from there, memory-mapped: the source is read twice, so to
stream it from the hub would be to download it twice, and a resumed run could get another version.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from functools import cached_property
from pathlib import Path
from typing import Any

from config.sources import HuggingfaceSource
from stages.core.errors import InputError
from stages.core.extras import require_extra
from stages.io import arrow
from stages.io.reader import At, BadRow, Feed, Reader, Row, no_such, shown


class Dataset(Reader):
    """One split of a dataset."""

    unit = "row"

    def __init__(self, config: HuggingfaceSource) -> None:
        require_extra("datasets", "huggingface", "`type: huggingface`")
        self._config = config
        self.near = Path(config.path).is_absolute()
        self.name = str(shown(Path(config.path))) if self.near else config.path

    def rows(self, feed: Feed | None = None) -> Iterator[tuple[At, Row | BadRow]]:
        number = 0
        for table in self._split.iter(arrow.BATCH):
            for row in arrow.rows(table, feed):
                number += 1
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
            raise no_such(shown(path), "folder")
        if self.near and (path / "dataset_dict.json").is_file():  # written by `save_to_disk`
            return datasets.load_from_disk(config.path)[config.split]
        if self.near and (path / "state.json").is_file():
            return datasets.load_from_disk(config.path)
        return datasets.load_dataset(config.path, config.subset, split=config.split)
