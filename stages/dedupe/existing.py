"""Data sets that exist already, read as documents to compare with."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import orjson

from config.schema import Dedupe, Existing
from stages.core.errors import InputError
from stages.core.task import conversation
from stages.dedupe.documents import Document


def existing_documents(config: Dedupe) -> Iterator[tuple[str, Document]]:
    """Yield where each row stands (`old.jsonl:17`) and what of it is compared.

    Raises InputError at the first row that cannot be read.
    """
    existing = config.existing
    for path in map(Path, existing.path if existing else ()):
        try:
            with path.open("rb") as lines:
                for number, line in enumerate(lines, 1):
                    if line.strip():
                        yield f"{path.name}:{number}", _document(config, f"{path}:{number}", line)
        except OSError as error:
            raise InputError(f"{path}: {error.strerror}") from None


def _document(config: Dedupe, place: str, line: bytes) -> Document:
    assert config.existing is not None  # noqa: S101  only its rows are read
    try:
        row = orjson.loads(line)
    except ValueError as error:
        raise InputError(f"{place}: not JSON: {error}") from None
    prompt, response = _turns(config.existing, row)
    parts = {"prompt": (prompt,), "response": (response,), "pair": (prompt, response)}[config.on]
    if not all(isinstance(part, str) for part in parts):
        has = ", ".join(row) if isinstance(row, dict) else type(row).__name__
        keys = f'"{config.existing.prompt}" and "{config.existing.response}"'
        raise InputError(f"{place}: there are no texts to compare, neither `messages` nor {keys}; the row has: {has}")
    return Document(parts)


def _turns(existing: Existing, row: Any) -> tuple[Any, Any]:
    """Return prompt and response of a row; None for what it lacks."""
    if not isinstance(row, dict):
        return None, None
    messages = row.get("messages")
    if isinstance(messages, list) and messages and all(isinstance(message, dict) for message in messages):
        return conversation(messages[:-1]), messages[-1].get("content")
    return row.get(existing.prompt), row.get(existing.response)
