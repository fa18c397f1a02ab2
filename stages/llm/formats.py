"""The JSON schemas that replies are to keep to, as servers take them in `response_format`."""

from __future__ import annotations

from typing import Any


def object_of(properties: dict[str, Any]) -> dict[str, Any]:
    """Return the schema of an object that has all of these keys, and no others."""
    return {"type": "object", "properties": properties, "required": list(properties), "additionalProperties": False}


def reply_format(name: str, properties: dict[str, Any], strict: bool = True) -> dict[str, Any]:
    """Return what asks for a reply that is such an object."""
    return {"type": "json_schema", "json_schema": {"name": name, "strict": strict, "schema": object_of(properties)}}
