"""pydantic's errors in plain words: what is wrong with a value, what to write instead, and what was probably meant."""

from __future__ import annotations

import difflib
from collections.abc import Collection, Iterator, Sequence
from typing import Any, NamedTuple, get_args

from pydantic import BaseModel
from pydantic_core import ErrorDetails

from config import yamlfile

_LISTED = 20
_KEYS = "keys with values (`key: value`)"
_MUST_BE = {
    "int_type": "a whole number",
    "int_from_float": "a whole number",
    "float_type": "a number",
    "finite_number": "a number",
    "bool_type": "true or false",
    "string_type": "a text in quotes",
    "dict_type": _KEYS,
    "model_type": _KEYS,
    "model_attributes_type": _KEYS,
    "tuple_type": "a list",
    "list_type": "a list",
    "greater_than_equal": "at least {ge:g}",
    "greater_than": "more than {gt:g}",
    "less_than_equal": "at most {le:g}",
    "less_than": "less than {lt:g}",
}


class Explained(NamedTuple):
    """An error in plain words. `absent` is the key that should stand at its place and does not, or not so.

    `instead` is what was probably meant, for the mapping around the place; None: nothing there can be made sense of.
    """

    message: str
    absent: str | None
    instead: dict[str, Any] | None


def explain(errors: Sequence[ErrorDetails], model: type[BaseModel]) -> Iterator[tuple[ErrorDetails, Explained]]:
    """Yield pydantic's errors about one model's own keys, each explained; an unknown key explains a missing one."""
    known = [field.alias or name for name, field in model.model_fields.items()]
    meant = {
        error["loc"][-1]: nearest(str(error["loc"][-1]), known)
        for error in errors
        if error["type"] == "extra_forbidden"
    }
    for error in errors:
        kind, key = error["type"], str(error["loc"][-1]) if error["loc"] else ""
        if kind == "extra_forbidden":
            message = f'unknown key "{key}"; {suggestion(key, known, "the keys here are")}'
            near = meant[key]
            yield error, Explained(message, None, {near: error["input"]} if near else {})
        elif kind == "missing":
            if key not in meant.values():
                yield error, _missing(model, key)
        elif kind in ("union_tag_invalid", "union_tag_not_found"):
            yield error, _type(error, [str(tag) for tag in _types(model.model_fields[str(error["loc"][0])].annotation)])
        else:
            yield error, Explained(_value(error), None, {})


def _missing(model: type[BaseModel], key: str) -> Explained:
    field = next(field for name, field in model.model_fields.items() if (field.alias or name) == key)
    if not field.examples:
        return Explained("missing", key, None)
    example = field.examples[0]
    return Explained(f"missing; write for example `{key}: {yamlfile.write_short(example)}`", key, {key: example})


def _type(error: ErrorDetails, known: Sequence[str]) -> Explained:
    if error["type"] == "union_tag_not_found":
        return Explained(f"`type:` is missing; the types are: {', '.join(known)}", "type", None)
    given = str(error["ctx"]["tag"])
    near = nearest(given, known)
    message = f'there is no type "{given}"; {suggestion(given, known, "the types are")}'
    return Explained(message, "type", {"type": near} if near else None)


def _types(annotation: Any) -> Iterator[object]:
    """Yield the types among which a `type:` chooses."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation.model_fields["type"].default
    else:
        for part in get_args(annotation):
            yield from _types(part)


def _value(error: ErrorDetails) -> str:
    kind, given, ctx = error["type"], error["input"], error.get("ctx", {})
    if kind in _MUST_BE:
        return f"must be {_MUST_BE[kind].format(**ctx)}, not {brief(given)}"
    if kind in ("too_short", "string_too_short"):
        return "must not be empty"
    if kind == "literal_error":
        known = [part.strip("'") for part in ctx["expected"].replace(" or ", ", ").split(", ")]
        return f"{brief(given)} is not one of them; {suggestion(str(given), known, 'write one of')}"
    if kind == "string_pattern_mismatch":
        url = "https?" in ctx["pattern"]
        form = "a URL that starts with http:// or https://" if url else "made of letters, digits, `_`, `-` and `.`"
        return f"must be {form}, not {brief(given)}"
    return error["msg"]


def suggestion(word: str, known: Collection[str], otherwise: str) -> str:
    """Return a "did you mean", or else the list of what there is."""
    near = nearest(word, known)
    return f'did you mean "{near}"?' if near else f"{otherwise}: {', '.join(known) or '(none)'}"


def among(word: str, known: Sequence[str], has: str, others: Sequence[str] = ()) -> str:
    """Return what somebody has, and which of it was probably meant, or which of `others`."""
    more = f" and {len(known) - _LISTED} more" if len(known) > _LISTED else ""
    near = nearest(word, (*known, *others))
    return f"{has}: {', '.join(known[:_LISTED])}{more}" + (f'. Did you mean "{near}"?' if near else "")


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
