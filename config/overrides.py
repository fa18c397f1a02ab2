"""What stands above the file: `--set stages.0.candidates=8`, and under it `TAMIS__BUDGET__USD=5` in the environment.

A path is made of keys and list numbers; a stage may also be named (`stages.judge.mode`). In an environment variable the
parts are joined by two underscores and case does not matter. Values are read as YAML. The command line wins over the
environment, the environment over the file.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from config import yamlfile
from config.problems import ConfigError, Loc, Places, Problem

PREFIX = "TAMIS__"


def apply(data: dict[str, Any], places: Places, env: Mapping[str, str], sets: Sequence[str]) -> list[Problem]:
    """Write the overrides into `data`, note in `places` where they came from, return what is wrong with them."""
    given = [
        (name, name.removeprefix(PREFIX).lower().split("__"), text)
        for name, text in sorted(env.items())
        if name.startswith(PREFIX)
    ]
    for item in sets:
        key, equals, text = item.partition("=")
        # Only the key is shown again: a value could be what nobody should see in a log.
        given.append((f"--set {key}", key.split(".") if equals else [], text))
    problems = []
    for label, path, text in given:
        try:
            value, inner, _ = yamlfile.read(text, label)
            loc, made = _put(data, path, value)
            _note(places, loc, inner, label)
            places.overrides.update(dict.fromkeys(made, label))
        except (ConfigError, LookupError) as error:
            message = error.problems[0].message if isinstance(error, ConfigError) else str(error.args[0])
            problems.append(Problem(label, 0, (), message))
    return problems


def _note(places: Places, loc: Loc, inner: Places, label: str) -> None:
    """Note that what stands at `loc`, and all inside of it, was given by `label`, whatever gave it before."""
    for old in [old for old in places.overrides if old[: len(loc)] == loc]:
        del places.overrides[old]
    places.overrides.update({(*loc, *inside): label for inside in ((), *inner.lines)})
    places.files.update({(*loc, *inside): file for inside, file in inner.files.items()})


def _put(data: Any, path: list[str], value: Any) -> tuple[Loc, list[Loc]]:
    """Write a value into `data`; return where it stands, and what had to be made for it."""
    if not all(path) or not path:
        raise LookupError("write KEY=VALUE, for example stages.0.candidates=8")
    loc: list[str | int] = []
    made: list[Loc] = []
    for number, part in enumerate(path):
        key = _step(data, part, ".".join(path[:number]))
        loc.append(key)
        if number == len(path) - 1:
            data[key] = value
        elif isinstance(data, dict) and data.get(key) is None:
            data[key] = {}
            made.append(tuple(loc))
        data = data[key]
    return tuple(loc), made


def _step(data: Any, part: str, so_far: str) -> str | int:
    if isinstance(data, dict):
        return next((key for key in data if key.lower() == part.lower()), part)
    if not isinstance(data, list):
        raise LookupError(f"`{so_far}` has no keys; it is a single value")  # noqa: TRY004  wrong is the path
    names = [str(item.get("name", item.get("type"))).lower() if isinstance(item, dict) else "" for item in data]
    if part.lower() in names:
        return names.index(part.lower())
    if not part.isdecimal() or int(part) >= len(data):
        raise LookupError(f'`{so_far}` has no "{part}"; it has {len(data)} entries, from 0 to {len(data) - 1}')
    return int(part)
