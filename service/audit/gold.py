"""Gold: what a person, or a file, says is right. A row has `id` (a candidate's) and `label` or `answer`."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import orjson

from stages.core.errors import InputError
from stages.core.record import Candidate, Group
from stages.io.atomic import replacing
from stages.verify.extract import find_answer, find_reference
from stages.verify.maths import compare
from stages.verify.notation import is_words

FILE = "gold.jsonl"


class Gold:
    """Rows by candidate id, in the order of the file."""

    def __init__(self, rows: Mapping[str, dict[str, Any]]) -> None:
        self.rows = dict(rows)

    @classmethod
    def load(cls, path: Path) -> Gold:
        """Read a gold file. Raises InputError with every row that is none."""
        try:
            lines = path.read_bytes().splitlines()
        except OSError as error:
            raise InputError(f"{path}: {error.strerror}; a gold file is written by `tamis label`") from None
        rows: dict[str, dict[str, Any]] = {}
        problems = []
        for number, line in enumerate(lines, start=1):
            row = _row(line)
            if isinstance(row, str):
                problems.append(f"{path}:{number}: {row}")
            elif row["id"] in rows:
                problems.append(f"{path}:{number}: the id {row['id']} stands here twice; keep one of the rows")
            else:
                rows[row["id"]] = row
        if problems:
            raise InputError(problems)
        return cls(rows)

    def save(self, path: Path) -> None:
        with replacing(path) as file:
            file.writelines(orjson.dumps(row, option=orjson.OPT_APPEND_NEWLINE) for row in self.rows.values())

    def truth(self, group: Group, candidate: Candidate) -> bool | None:
        """Return whether a candidate is good; None where nothing says so, or an answer would take more to compare."""
        row = self.rows.get(group.candidate_id(candidate))
        if row is None:
            return None
        if isinstance(row.get("label"), bool):
            return bool(row["label"])
        right, given = find_reference(str(row["answer"])), find_answer(candidate.text)
        if right is None or given is None:
            return None if right is None else False
        equal = compare(right, given)
        return False if equal is None and right.number and is_words(given.formula) else equal


def _row(line: bytes) -> dict[str, Any] | str:
    """Return a row, or what is wrong with it."""
    try:
        row = orjson.loads(line)
    except orjson.JSONDecodeError as error:
        return f"not JSON: {error}"
    if not isinstance(row, dict) or not isinstance(row.get("id"), str):
        return 'a row is an object with `id`, e.g. {"id": "q1/0", "label": true}'
    if isinstance(row.get("label"), bool) or (
        row.get("label") is None and isinstance(row.get("answer"), str | int | float)
    ):
        return row
    return "write `label` (true or false), or `answer` (a text or a number)"
