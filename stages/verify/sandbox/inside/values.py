"""Values between the two processes: plain data as JSON with tags. Whatever else the code has is a handle.

A handle is an index into the code's own table, and a type's name for people to read.
"""

from __future__ import annotations

import os

TYPE_CHECKING = False  # as in typing, which takes as long to import as all the rest
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

_SEQUENCES: dict[str, type[Any]] = {"l": list, "t": tuple, "s": set, "f": frozenset}


def encode(value: Any, handle: Callable[[Any], Any]) -> Any:
    """Return `value` as JSON data; `handle` returns the handle of what is not plain."""
    if value is None or isinstance(value, (bool, int, float, str)):
        return value
    for tag, kind in _SEQUENCES.items():
        if isinstance(value, kind):
            return [tag, *(encode(item, handle) for item in value)]
    if isinstance(value, dict):
        return ["d", *([encode(key, handle), encode(item, handle)] for key, item in value.items())]
    if isinstance(value, (bytes, bytearray)):
        return ["b", value.hex()]
    if isinstance(value, complex):
        return ["c", value.real, value.imag]
    return ["h", *handle(value)]


def decode(data: Any, handle: Callable[..., Any]) -> Any:
    """Return the value of JSON data made by `encode`. Raises an Exception for what was not."""
    if not isinstance(data, list):
        return data
    tag, *items = data
    if tag == "d":
        return {decode(key, handle): decode(item, handle) for key, item in items}
    if tag == "b":
        return bytes.fromhex(items[0])
    if tag == "c":
        return complex(*items)
    if tag == "h":
        return handle(*items)
    return _SEQUENCES[tag](decode(item, handle) for item in items)


def write_all(fd: int, data: bytes) -> None:
    while data:
        data = data[os.write(fd, data) :]
