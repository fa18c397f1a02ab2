"""From a row of the source to a seed, and to the candidates that the row brings along.

Everything a row may have wrong is found here and raised as a BadRow, so that one pass before the run meets all of it
and the run itself meets none.
"""

from __future__ import annotations

from typing import Any

import orjson
import xxhash

from config.sources import BaseSource
from stages.core.errors import CandidateError
from stages.core.record import Candidate, Group, Message, Seed
from stages.io.reader import BadRow, Row, kind
from stages.prompts.template import Template

ROLES = ("system", "developer", "user", "assistant", "tool")


class Seeds:
    """Makes seeds by what the source's keys say about its columns."""

    def __init__(self, config: BaseSource) -> None:
        self.columns = {
            key: column
            for key in ("id", "topic", "messages", "tools", "candidates")
            if isinstance(column := getattr(config, key), str)
        }
        """The columns that keys of the source name, by key."""
        given = config.candidates
        self._templates = [Template(text) for text in given] if isinstance(given, tuple) else []
        self.bare = not ({"messages", "tools", "candidates"} & self.columns.keys() or self._templates)
        """Whether nothing can be wrong with a row but its id."""

    def id(self, row: Row | BadRow) -> str:
        """Return the id of a row. Raises BadRow."""
        if isinstance(row, BadRow):
            raise row
        column = self.columns.get("id")
        return _hash_id(row) if column is None else _column_id(row, column)

    def group(self, no: int, row: Row | BadRow) -> Group:
        """Return the row as the `no`-th seed, with the candidates that it brings along. Raises BadRow."""
        if isinstance(row, BadRow):
            raise row
        columns, seed = self.columns, Seed(no, self.id(row), row)
        if (column := columns.get("topic")) and (topic := row.get(column)) is not None:
            seed.topic = str(topic)
        if column := columns.get("messages"):
            seed.messages = messages(row.get(column), column)
        if (column := columns.get("tools")) and (tools := row.get(column)) is not None:
            seed.tools = objects(tools, column)
        return Group(seed, self._given(seed))

    def _given(self, seed: Seed) -> list[Candidate]:
        column = self.columns.get("candidates")
        if column is None:
            texts = (_rendered(template, seed, n) for n, template in enumerate(self._templates))
            return [Candidate(n, text, "given", {"template": n}) for n, text in enumerate(texts)]
        value = seed.row.get(column)
        values = value if isinstance(value, list) else [] if value is None else [value]
        return [candidate(n, item, column) for n, item in enumerate(values)]


def _hash_id(row: Row) -> str:
    """Name a row by its content, whatever the order of its keys: 16 hexadecimal digits.

    Two rows of one million share such an id by chance once in 37 million sources; it would be told as a duplicate.
    """
    return xxhash.xxh3_64_hexdigest(orjson.dumps(row, option=orjson.OPT_SORT_KEYS))


def _column_id(row: Row, column: str) -> str:
    """Read the id in a column: a text or a whole number."""
    value = row.get(column)
    if type(value) is str and value:
        return value
    if type(value) is int:
        return str(value)
    if column not in row:
        raise BadRow(f'no id: the row has no column "{column}"')
    found = "empty" if value == "" else kind(value)
    raise BadRow(f'the id in column "{column}" is {found}; an id is a text or a whole number')


def messages(value: Any, column: str) -> list[Message]:
    """Read a conversation in OpenAI's form: a list of objects with `role` and text in `content`."""
    turns = objects(value, column)
    if not turns:
        raise BadRow(f'column "{column}" holds no message')
    for place, turn in enumerate(turns):
        where = f"{column}[{place}]"
        if turn.get("role") not in ROLES:
            raise BadRow(f"{where}.role is {turn.get('role')!r}; it is one of {', '.join(ROLES)}")
        if not _is_text(turn.get("content")) and not (turn["role"] == "assistant" and turn.get("tool_calls")):
            raise BadRow(f"{where}.content must be text; images and audio are out of scope")
        if turn.get("tool_calls") is not None:
            turn["tool_calls"] = objects(turn["tool_calls"], f"{where}.tool_calls")
    return turns


def _is_text(content: Any) -> bool:
    if isinstance(content, list):
        return all(isinstance(part, dict) and isinstance(part.get("text"), str) for part in content)
    return isinstance(content, str)


def objects(value: Any, column: str) -> list[dict[str, Any]]:
    """Read a list of objects; in a CSV file it is a text that holds JSON."""
    if isinstance(value, str):
        try:
            value = orjson.loads(value)
        except orjson.JSONDecodeError as error:
            raise BadRow(f'column "{column}" is text and not a list in JSON: {error.msg}') from None
    if not isinstance(value, list) or not all(isinstance(item, dict) for item in value):
        raise BadRow(f'column "{column}" must be a list of objects, this is {kind(value)}')
    return value


def candidate(n: int, value: Any, column: str) -> Candidate:
    """Read one given candidate: a text, or an object with `text` (or `content`) and perhaps `reasoning`, `tool_calls`.

    What else the object holds becomes the candidate's fields, which expressions see.
    """
    lineage = {"column": column}
    if isinstance(value, str):
        return Candidate(n, value, "given", lineage)
    if not isinstance(value, dict):
        raise BadRow(f'{column}[{n}] is {kind(value)}; a candidate is a text, or an object with "text"')
    rest = dict(value)
    text = rest.pop("text", None)
    if text is None:
        text = rest.pop("content", None)
    if not isinstance(text, str):
        raise BadRow(f'{column}[{n}] has no text in "text" or "content"')
    reasoning, tool_calls = rest.pop("reasoning", None), rest.pop("tool_calls", None)
    if not isinstance(reasoning, str | None):
        raise BadRow(f"{column}[{n}].reasoning is {kind(reasoning)}; it is a text")
    if tool_calls is not None:
        tool_calls = objects(tool_calls, f"{column}[{n}].tool_calls")
    return Candidate(n, text, "given", lineage, reasoning=reasoning, tool_calls=tool_calls, fields=rest)


def _rendered(template: Template, seed: Seed, n: int) -> str:
    try:
        return template.render(Group(seed).scope())
    except CandidateError as error:
        raise BadRow(f"candidates[{n}]: {error.detail}") from None
