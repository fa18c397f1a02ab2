"""The built-in prompts: one Jinja2 file each in this folder, for a stage to use and for people to read and copy."""

from __future__ import annotations

from importlib.resources import files


def builtin(name: str) -> str:
    """Return the source of a built-in prompt, e.g. `builtin("eliminate")`. Raises FileNotFoundError."""
    return (files("stages.prompts") / f"{name}.jinja").read_text(encoding="utf-8")
