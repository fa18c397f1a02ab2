"""YAML with line numbers, by the rules of YAML 1.2 (`on:` is a key, `no` a word) and without duplicate keys."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import yaml

from config.problems import ConfigError, Loc, Places, Problem

MAX_NODES = 100_000

_TAG = "tag:yaml.org,2002:"
_CORE = (
    ("null", r"~|null|Null|NULL|", "~nN"),
    ("bool", r"true|True|TRUE|false|False|FALSE", "tTfF"),
    ("int", r"[-+]?[0-9]+|0o[0-7]+|0x[0-9a-fA-F]+", "-+0123456789"),
    ("float", r"[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?", "-+.0123456789"),
    ("float", r"[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN)", "-+."),
)
_BREAKS = re.compile("[\r\x85\u2028\u2029]")
"""Line breaks to some readers and not to others: only between double quotes do they stay what they are."""


class _Loader(yaml.SafeLoader):
    pass


class _Dumper(yaml.SafeDumper):
    def represent_text(self, text: str) -> yaml.ScalarNode:
        style = '"' if _BREAKS.search(text) else "|" if "\n" in text else None
        return self.represent_scalar(f"{_TAG}str", text, style=style)


for _class in (_Loader, _Dumper):
    _class.yaml_implicit_resolvers = {}  # YAML 1.1's are inherited otherwise
    for _name, _pattern, _starts in _CORE:
        _class.add_implicit_resolver(f"{_TAG}{_name}", re.compile(f"^(?:{_pattern})$"), [*_starts, ""])
_Dumper.add_representer(str, _Dumper.represent_text)


def read(text: str, file: str) -> tuple[Any, Places, list[Problem]]:
    """Return the data, where each value stands, and what is wrong but leaves the rest readable.

    Raises ConfigError, with one problem, where it is not YAML at all.
    """
    reader = _Reader(file)
    try:
        node = yaml.compose(text, Loader=_Loader)
        return (None if node is None else reader.build(node, ())), reader.places, reader.problems
    except yaml.YAMLError as error:
        mark = error.problem_mark or error.context_mark if isinstance(error, yaml.MarkedYAMLError) else None
        line = mark.line + 1 if mark else 1
        problem = getattr(error, "problem", None) or str(error).partition("\n")[0]
        tab = "; indent with spaces, never with tabs" if "'\\t'" in problem else ""
        message = f"this is not YAML: {problem}{tab}"
    except RecursionError:
        line, message = 1, "there are too many values, or one inside the other; perhaps an alias (*) refers to itself"
    raise ConfigError([Problem(f"{file}:{line}", line, (), message)])


def read_file(path: Path) -> tuple[Any, Places, list[Problem]]:
    """Read a file as `read` does. Raises ConfigError where it cannot be read, too."""
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        where, message = str(path), "there is no such file"
    except OSError as error:
        where, message = str(path), f"cannot be read: {error.strerror}"
    except UnicodeDecodeError as error:
        line = error.object.count(b"\n", 0, error.start) + 1
        where, message = f"{path}:{line}", "this is not UTF-8; save the file as UTF-8"
    else:
        return read(text, str(path))
    raise ConfigError([Problem(where, 0, (), message)])


def write(data: Any, *, flow: bool = False) -> str:
    """Return plain data as YAML that `read` (and any YAML 1.2 reader) gives back unchanged."""
    wide = 2**20  # a line is never broken
    return yaml.dump(data, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=wide, default_flow_style=flow)


def write_short(value: Any) -> str:
    """Return a value as it stands in one line of YAML."""
    return write([value], flow=True).strip()[1:-1]


class _Reader:
    """Turns nodes into data, and keeps where each value stood."""

    def __init__(self, file: str) -> None:
        self.places, self.problems = Places(file), list[Problem]()
        self._count = 0

    def build(self, node: yaml.Node, loc: Loc) -> Any:
        self.places.lines.setdefault(loc, node.start_mark.line + 1)
        self._count += 1
        if self._count > MAX_NODES:
            raise RecursionError
        if isinstance(node, yaml.SequenceNode):
            return [self.build(item, (*loc, index)) for index, item in enumerate(node.value)]
        if isinstance(node, yaml.ScalarNode):
            return self._scalar(node, loc)
        if isinstance(node, yaml.MappingNode) and all(isinstance(key, yaml.ScalarNode) for key, _ in node.value):
            return self._mapping(node, loc)
        self._complain(loc, 'this looks like a template; put it in quotes: "{{ question }}"')
        return ""

    def _mapping(self, node: yaml.MappingNode, loc: Loc) -> dict[str, Any]:
        data: dict[str, Any] = {}
        for key, value in node.value:
            here, line = (*loc, key.value), key.start_mark.line + 1
            if key.value in data:
                message = f"this key stands here twice, first in line {self.places.lines[here]}; remove one"
                self.problems.append(Problem(f"{self.places.file}:{line}", line, here, message))
            else:
                self.places.lines[here] = line
                data[key.value] = self.build(value, here)
        if data.keys() == {"file"}:
            self.places.files[loc] = str(data["file"])
        return data

    def _scalar(self, node: yaml.ScalarNode, loc: Loc) -> Any:
        text: str = node.value
        if node.style == "|":
            self.places.blocks.add(loc)
        match node.tag.removeprefix(_TAG):
            case "null":
                return None
            case "bool":
                return text.lower() == "true"
            case "int":
                return int(text, 0) if text.startswith(("0x", "0o")) else int(text)
            case "float":
                return float(text.lower().replace(".inf", "inf").replace(".nan", "nan"))
            case "str":
                return text
        self._complain(loc, f"the tag {node.tag} is not for this file")
        return text

    def _complain(self, loc: Loc, message: str) -> None:
        self.problems.append(self.places.problem(loc, message))
