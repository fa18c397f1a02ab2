"""JSONL files that are there already, line by line: benchmarks, and data sets to compare with."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import orjson

from stages.core.errors import InputError


def rows_of(path: Path) -> Iterator[tuple[int, Any]]:
    """Yield the rows of a file with their line numbers. Raises InputError at the first that cannot be read."""
    try:
        with path.open("rb") as lines:
            for number, line in enumerate(lines, 1):
                if line.strip():
                    yield number, orjson.loads(line)
    except OSError as error:
        raise InputError(f"{path}: {error.strerror}") from None
    except ValueError as error:
        raise InputError(f"{path}:{number}: not JSON: {error}") from None
