"""What a template may do: a small, bounded part of Jinja2 over plain data.

Invariants: only the nodes, filters and methods listed here compile. Whatever gets a name, joins texts or is looped over
is measured, so that no template makes more than MAX_CHARS of text or MAX_STEPS turns of its loops. At each of these,
and wherever something is shown or decided, a rendering ends that has taken MAX_CPU_S: it holds up the whole process.
"""

from __future__ import annotations

import re
import threading
from collections.abc import Iterable, Sequence
from math import inf
from time import thread_time
from typing import Any, cast

import orjson
from jinja2 import StrictUndefined, nodes, pass_context
from jinja2.exceptions import SecurityError, TemplateAssertionError
from jinja2.filters import FILTERS
from jinja2.runtime import Context, Undefined
from jinja2.sandbox import ImmutableSandboxedEnvironment
from jinja2.visitor import NodeTransformer

MAX_CHARS = 4_000_000
MAX_STEPS = 10_000
MAX_CPU_S = 1.0
"""Seconds of its thread's own time, so that a busy machine makes no difference."""
_LOOK_EVERY = 4096
_MAX_BITS = 1024

_NODES = (
    *(nodes.Output, nodes.TemplateData, nodes.For, nodes.If, nodes.Assign),
    *(nodes.Const, nodes.List, nodes.Tuple, nodes.Dict, nodes.Pair, nodes.Keyword, nodes.Name),
    *(nodes.Getattr, nodes.Getitem, nodes.Slice, nodes.Call, nodes.Filter, nodes.Test, nodes.CondExpr),
    *(nodes.Compare, nodes.Operand, nodes.And, nodes.Or, nodes.Not, nodes.Concat),
    *(nodes.Add, nodes.Sub, nodes.Mul, nodes.Div, nodes.FloorDiv, nodes.Mod, nodes.Neg, nodes.Pos),
)
# fmt: off
_METHODS = frozenset({
    "lower", "upper", "title", "capitalize", "strip", "lstrip", "rstrip", "split", "rsplit", "splitlines",
    "startswith", "endswith", "removeprefix", "removesuffix", "count", "find", "index", "items", "keys", "values",
    "get",
})
_FILTERS = (
    "abs", "capitalize", "default", "d", "first", "float", "int", "last", "length", "count", "list", "lower",
    "map", "max", "min", "reject", "rejectattr", "reverse", "round", "select", "selectattr", "sort", "title",
    "trim", "truncate", "unique", "upper", "wordcount", "items", "dictsort",
)
# fmt: on
_NUMBER = re.compile(r"(?:(?<![\w.])-)?(?:(?:\d{1,3}(?:,\d{3})+|\d+)(?:\.\d+)?|\.\d+)")


class Timed(threading.local):
    """The one rendering that this thread is at, as a context manager."""

    _until = inf

    def __enter__(self) -> None:
        self._until = thread_time() + MAX_CPU_S

    def __exit__(self, *_: object) -> None:
        self._until = inf

    def look(self, value: Any = None) -> Any:
        """Return the value if there is time left; raise SecurityError if there is none."""
        if thread_time() > self._until:
            raise SecurityError(f"a template may not take longer than {MAX_CPU_S:g} s")
        return value


TIMED = Timed()


def measure(value: Any) -> Any:
    """Return the value if it is small enough to work with; raise SecurityError if it is not, or takes too long."""
    size, heap, turn = 0, [value], 0
    while heap:
        if not turn % _LOOK_EVERY:
            TIMED.look()
        turn += 1
        item = heap.pop()
        if isinstance(item, str):
            size += len(item)
        elif isinstance(item, dict):
            heap.extend(item.keys())
            heap.extend(item.values())
        elif isinstance(item, (list, tuple)):
            heap.extend(item)
        size += 1
        _within_limits(size + len(heap))
    return value


def _within_limits(characters: int) -> None:
    if characters > MAX_CHARS:
        raise SecurityError(f"a template may not make more than {MAX_CHARS:,} characters")


def shown(value: Any) -> Any:
    """Return how a value stands in a text: nothing for null, JSON for lists and objects."""
    TIMED.look()
    if isinstance(value, str):
        return value
    if value is None:
        return ""
    if callable(value) and not isinstance(value, Undefined):
        raise SecurityError("a method stands where its result is meant; write it with ()")
    return to_json(value) if isinstance(value, (dict, list, tuple)) else value


def to_json(value: Any) -> str:
    """Encode as JSON; letters of all languages stay as they are."""
    if isinstance(value, Undefined):
        str(value)  # raises, with the variable's name
    text: str = orjson.dumps(measure(value)).decode()
    return text


def after(text: Any, mark: str) -> str:
    """Return what follows the last `mark`, stripped: the answer after '####'."""
    _, found, tail = str(text).rpartition(mark)
    if not found:
        raise ValueError(f'there is no "{mark}" in "{tail:.60}"')
    return tail.strip()


def number(text: Any) -> int | float:
    """Return the last number in a text: 1234 of "so it is $1,234."."""
    if isinstance(text, (int, float)):
        return text
    found = _NUMBER.findall(str(text))
    if not found:
        raise ValueError(f'there is no number in "{text!s:.60}"')
    plain = found[-1].replace(",", "")
    return float(plain) if "." in plain else int(plain)


def concat(parts: Iterable[Any], separator: str = "") -> str:
    """Join texts, measured before they are joined."""
    texts = [str(shown(part)) for part in parts]
    _within_limits(sum(map(len, texts)) + len(separator) * len(texts))
    return separator.join(texts)


def replace(value: Any, old: str, new: str) -> str:
    """Put `new` for every `old`."""
    text = str(value)
    _within_limits(len(text) + text.count(old) * len(new))
    return text.replace(old, new)


@pass_context
def _each(context: Context, items: Iterable[Any]) -> Sequence[Any]:
    turns = list(items)
    steps: list[int] = context.parent["_steps"]
    steps[0] += len(turns)
    if steps[0] > MAX_STEPS:
        raise SecurityError(f"a template may not loop more than {MAX_STEPS:,} times")
    return [measure(item) for item in turns]


def _bound(value: Any) -> Any:
    plain = value is None or isinstance(value, (str, int, float, dict, list, tuple, Undefined))
    return measure(value if plain else list(value))


class Sandbox(ImmutableSandboxedEnvironment):
    """Jinja2 with this module's filters, strict about what is undefined, and a row's columns before dict's methods."""

    intercepted_binops = frozenset("+*%")

    def __init__(self) -> None:
        super().__init__(undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True, finalize=shown)
        self.globals = {"range": self.globals["range"]}
        self.filters = {name: FILTERS[name] for name in _FILTERS}
        self.filters.update(after=after, number=number, json=to_json, tojson=to_json)
        self.filters.update(join=concat, replace=replace, _bound=_bound, _each=_each, _concat=concat, _look=TIMED.look)

    def getattr(self, obj: Any, attribute: str) -> Any:
        if isinstance(obj, dict) and attribute in obj:  # a column named "items" is meant, not dict.items
            return obj[attribute]
        return super().getattr(obj, attribute)

    def call_binop(self, context: Context, operator: str, left: Any, right: Any) -> Any:
        for value in (left, right):
            if isinstance(value, int) and value.bit_length() > _MAX_BITS:
                raise SecurityError("a number is too large")
            if operator != "+" and isinstance(value, (str, list, tuple)):
                raise SecurityError(f"`{operator}` is for numbers only")
        return measure(super().call_binop(context, operator, left, right))


SANDBOX = Sandbox()
"""The one environment; it holds no state of any run."""


class Bounds(NodeTransformer):
    """Refuses what is not listed, and measures what could grow."""

    def generic_visit(self, node: nodes.Node, *args: Any, **kwargs: Any) -> nodes.Node:
        if not isinstance(node, (*_NODES, nodes.Template)):
            refuse(node, f"`{type(node).__name__.lower()}` is not for templates here")
        visited = super().generic_visit(node, *args, **kwargs)
        if isinstance(node, (nodes.For, nodes.If, nodes.CondExpr)) and node.test is not None:
            node.test = _through("_look", node.test)
        return visited

    def visit_For(self, node: nodes.For) -> nodes.Node:  # noqa: N802  the visitor's own naming
        if node.recursive:
            refuse(node, "a loop may not be recursive")
        self.generic_visit(node)
        node.iter = _through("_each", node.iter)
        return node

    def visit_Assign(self, node: nodes.Assign) -> nodes.Node:  # noqa: N802  the visitor's own naming
        self.generic_visit(node)
        node.node = _through("_bound", node.node)
        return node

    def visit_Concat(self, node: nodes.Concat) -> nodes.Node:  # noqa: N802  the visitor's own naming
        self.generic_visit(node)
        return _through("_concat", nodes.List(node.nodes, lineno=node.lineno))

    def visit_Call(self, node: nodes.Call) -> nodes.Node:  # noqa: N802  the visitor's own naming
        called = node.node
        if isinstance(called, nodes.Getattr):
            if called.attr not in _METHODS:
                refuse(node, f"`.{called.attr}()` is not for templates here; the methods are: {_listed(_METHODS)}")
        elif not (isinstance(called, nodes.Name) and called.name == "range"):
            refuse(node, "only `range` and a text's or an object's own methods can be called")
        return self.generic_visit(node)

    def visit_Filter(self, node: nodes.Filter) -> nodes.Node:  # noqa: N802  the visitor's own naming
        if node.name not in SANDBOX.filters or node.name.startswith("_"):
            refuse(node, f'there is no filter "{node.name}"; the filters are: {_listed(SANDBOX.filters)}')
        return self.generic_visit(node)


def refuse(node: nodes.Node, message: str) -> None:
    raise TemplateAssertionError(message, node.lineno)


def _listed(names: Iterable[str]) -> str:
    return " ".join(sorted(name for name in names if not name.startswith("_")))


def _through(name: str, value: nodes.Node) -> nodes.Expr:
    return nodes.Filter(
        cast("nodes.Expr", value), name, [], [], None, None, lineno=value.lineno, environment=value.environment
    )
