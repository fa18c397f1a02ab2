"""pydantic's errors in plain words: what is wrong with a value, and what to write instead."""

from __future__ import annotations

import difflib
from collections.abc import Collection, Iterator
from typing import Any, get_args

from pydantic import BaseModel
from pydantic.fields import FieldInfo
from pydantic_core import ErrorDetails

from config import yamlfile
from config.schema import Pipeline

_EXPECTED = {
    "int_type": "a whole number",
    "int_from_float": "a whole number",
    "float_type": "a number",
    "finite_number": "a number",
    "bool_type": "true or false",
    "string_type": "a text in quotes",
    "dict_type": "keys with values (`key: value`)",
    "model_type": "keys with values (`key: value`)",
    "model_attributes_type": "keys with values (`key: value`)",
    "tuple_type": "a list",
    "list_type": "a list",
}
_BOUNDS = {
    "greater_than_equal": ("at least", "ge"),
    "greater_than": ("more than", "gt"),
    "less_than_equal": ("at most", "le"),
    "less_than": ("less than", "lt"),
}


def say(error: ErrorDetails) -> str:
    """Return the message for one of pydantic's errors."""
    kind, given, ctx = error["type"], error["input"], error.get("ctx", {})
    if kind in _EXPECTED:
        return f"must be {_EXPECTED[kind]}, not {brief(given)}"
    if kind in _BOUNDS:
        words, key = _BOUNDS[kind]
        return f"must be {words} {ctx[key]:g}, not {brief(given)}"
    if kind in ("too_short", "string_too_short"):
        return "must not be empty"
    special = _SPECIAL.get(kind)
    return special(error) if special else error["msg"]


def _unknown_key(error: ErrorDetails) -> str:
    word = str(error["loc"][-1])
    return f'unknown key "{word}"; {suggestion(word, keys(error["loc"][:-1]), "the keys here are")}'


def _missing(error: ErrorDetails) -> str:
    key = str(error["loc"][-1])
    found = example(error["loc"])
    return f"missing; write for example `{key}: {yamlfile.write_short(found)}`" if found is not None else "missing"


def _not_listed(error: ErrorDetails) -> str:
    given, known = error["input"], _literals(error)
    return f"{brief(given)} is not one of them; {suggestion(str(given), known, 'write one of')}"


def _unknown_type(error: ErrorDetails) -> str:
    given, known = str(error.get("ctx", {})["tag"]), tags(error)
    return f'there is no type "{given}"; {suggestion(given, known, "the types are")}'


def _no_type(error: ErrorDetails) -> str:
    return f"`type:` is missing; the types are: {', '.join(tags(error))}"


def _pattern(error: ErrorDetails) -> str:
    if "https?" in error.get("ctx", {})["pattern"]:
        return f"must be a URL that starts with http:// or https://, not {brief(error['input'])}"
    return f"must be made of letters, digits, `_`, `-` and `.`, not {brief(error['input'])}"


_SPECIAL = {
    "extra_forbidden": _unknown_key,
    "missing": _missing,
    "literal_error": _not_listed,
    "union_tag_invalid": _unknown_type,
    "union_tag_not_found": _no_type,
    "string_pattern_mismatch": _pattern,
}


def suggestion(word: str, known: Collection[str], otherwise: str) -> str:
    """Return a "did you mean", or else the list of what there is."""
    near = nearest(word, known)
    return f'did you mean "{near}"?' if near else f"{otherwise}: {', '.join(known) or '(none)'}"


def nearest(word: str, known: Collection[str]) -> str | None:
    """Return the known word that was probably meant."""
    folded = {item.casefold(): item for item in known}
    swapped = [item for item in folded if sorted(item) == sorted(word.casefold())]  # "modle" is "model", not "mode"
    found = swapped or difflib.get_close_matches(word.casefold(), folded, 1, 0.6)
    return folded[found[0]] if found else None


def brief(value: Any) -> str:
    """Return a value as it may stand in a message."""
    if isinstance(value, str):
        return f'"{value:.40}"'
    if isinstance(value, dict):
        return "keys with values"
    if isinstance(value, (list, tuple)):
        return "a list"
    return "nothing" if value is None else str(value).lower() if isinstance(value, bool) else str(value)


def _literals(error: ErrorDetails) -> list[str]:
    return [part.strip("'") for part in error.get("ctx", {})["expected"].replace(" or ", ", ").split(", ")]


def tags(error: ErrorDetails) -> list[str]:
    """Return the types among which a `type:` chooses."""
    return [str(tag) for model in _models_at(error["loc"]) if (tag := _tag(model)) is not None]


def keys(loc: tuple[str | int, ...]) -> list[str]:
    """Return the keys that may stand at pydantic's `loc`."""
    model = owner(loc)
    return [field.alias or name for name, field in model.model_fields.items()] if model else []


def example(loc: tuple[str | int, ...]) -> Any:
    """Return an example of the value that is missing at pydantic's `loc`, or None."""
    model = owner(loc[:-1])
    field = _field(model, str(loc[-1])) if model else None
    return field.examples[0] if field is not None and field.examples else None


def owner(loc: tuple[str | int, ...]) -> type[BaseModel] | None:
    """Return the model at pydantic's `loc`, which names types besides keys; None where there is no single one."""
    found = _models_at(loc)
    return found[0] if len(found) == 1 else None


def _models_at(loc: tuple[str | int, ...]) -> list[type[BaseModel]]:
    current: list[type[BaseModel]] = [Pipeline]
    for part in loc:
        fields = [field for model in current if (field := _field(model, part)) is not None]
        tagged = [model for model in current if _tag(model) == part]
        if fields:
            current = list(_models_in(fields[0].annotation))
        elif tagged:
            current = tagged
    return current


def _field(model: type[BaseModel], key: str | int) -> FieldInfo | None:
    return next((field for name, field in model.model_fields.items() if (field.alias or name) == key), None)


def _tag(model: type[BaseModel]) -> object:
    return model.model_fields["type"].default if "type" in model.model_fields else None


def _models_in(annotation: Any) -> Iterator[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    else:
        for part in get_args(annotation):
            yield from _models_in(part)
