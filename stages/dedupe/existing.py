"""Data sets that exist already, read as documents to compare with."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from config.schema import Dedupe, Existing
from stages.core.errors import InputError
from stages.core.task import conversation
from stages.dedupe.documents import Document
from stages.dedupe.jsonl import rows_of


def existing_documents(config: Dedupe) -> Iterator[tuple[str, Document]]:
    """Yield where each row stands (`old.jsonl:17`) and what of it is compared.

    Raises InputError at the first row that cannot be read.
    """
    existing = config.existing
    if existing is None:
        return
    for path in map(Path, existing.path):
        for number, row in rows_of(path):
            prompt, response = _turns(existing, row)
            parts = {"prompt": (prompt,), "response": (response,), "pair": (prompt, response)}[config.on]
            if not all(isinstance(part, str) for part in parts):
                has = ", ".join(row) if isinstance(row, dict) else type(row).__name__
                raise InputError(
                    f"{path}:{number}: there are no texts to compare, neither `messages` nor "
                    f'"{existing.prompt}" and "{existing.response}"; the row has: {has}'
                )
            yield f"{path.name}:{number}", Document(parts)


def _turns(existing: Existing, row: Any) -> tuple[Any, Any]:
    """Return prompt and response of a row; None for what it lacks."""
    if not isinstance(row, dict):
        return None, None
    messages = row.get("messages")
    if isinstance(messages, list) and messages and all(isinstance(message, dict) for message in messages):
        return conversation(messages[:-1]), messages[-1].get("content")
    return row.get(existing.prompt), row.get(existing.response)
