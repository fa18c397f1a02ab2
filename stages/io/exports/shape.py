"""What rows look like, learned from all of them: the schema of a Parquet file, and the features on a dataset card.

Whoever infers types from the first rows alone fails at the first null that turns out to be a text.
"""

from __future__ import annotations

from typing import Any, Literal

Scalar = Literal["bool", "int64", "float64", "string", "json"]
Type = Scalar | list["Type"] | dict[str, "Type"]
"""A scalar's name; a list with its items' type; an object's keys with their types, none where all were empty."""

FREE = frozenset({"arguments", "tools"})
"""Keys whose objects have keys of their own: with one type for all of them, each would get the others' as nulls."""
MOST_KEYS = 200
_WHOLE, _EXACT = 1 << 63, 1 << 53
"""What an int64 holds, and what a float64 holds without loss."""
_KINDS: dict[type, str] = {bool: "bool", int: "int64", float: "float64", str: "string", list: "list", dict: "object"}


class Shape:
    """The shape of all values seen at one place."""

    __slots__ = ("_item", "_keys", "_kinds")

    def __init__(self) -> None:
        self._kinds: set[str] = set()
        self._item: Shape | None = None
        self._keys: dict[str, Shape] = {}

    def see(self, value: Any, free: bool = False) -> None:
        """Take a value in, as JSON has them; `free`: what is inside of it has no one type."""
        if value is None:
            return
        kind = _KINDS[type(value)]
        if free and kind in ("list", "object"):
            kind = "json"
        elif kind == "int64" and not -_EXACT <= value <= _EXACT:
            kind = "wide" if -_WHOLE <= value < _WHOLE else "json"
        self._kinds.add(kind)
        if kind == "object":
            keys = self._keys
            for key, inner in value.items():
                shape = keys.get(key) or self._key(key)
                if type(inner) is str:  # most are
                    shape._kinds.add("string")
                else:
                    shape.see(inner, key in FREE)
        elif kind == "list":
            item = self._item = self._item or Shape()
            for one in value:
                item.see(one)

    def _key(self, key: str) -> Shape:
        """Return the shape of a new key; beyond MOST_KEYS all of them are JSON."""
        shape = Shape()
        if len(self._keys) < MOST_KEYS:
            self._keys[key] = shape
        else:
            self._kinds.add("json")
        return shape

    @property
    def columns(self) -> dict[str, Type]:
        """The types of the columns, where what was seen are rows."""
        return {key: shape.type for key, shape in self._keys.items()}

    @property
    def type(self) -> Type:
        """The one type that holds all of them; `json` where there is no other, `string` where all were null."""
        kinds = self._kinds
        if "wide" in kinds:
            kinds = kinds - {"wide"} | {"json" if "float64" in kinds else "int64"}
        if kinds == {"int64", "float64"}:
            return "float64"
        if not kinds:
            return "string"
        if len(kinds) > 1:
            return "json"
        (kind,) = kinds
        if kind == "list":
            return [self._item.type if self._item else "string"]
        if kind == "object":
            return dict(self.columns)
        return kind  # type: ignore[return-value]  # what is left are the scalars' names
