"""Templates and expressions: what the person wrote, compiled once, rendered for many seeds.

Invariants: the source of a template comes from the configuration, never from a model; a model's output is only ever a
value. Rendering is synchronous, deterministic and bounded (see sandbox.py). A broken source is a TemplateError (the
person's); a source that does not fit one row is a CandidateError (that candidate's).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, TypeVar, cast

from jinja2 import Template as Compiled
from jinja2 import TemplateError as JinjaError
from jinja2 import TemplateSyntaxError, meta, nodes
from jinja2.exceptions import SecurityError
from jinja2.parser import Parser
from jinja2.runtime import Context

from stages.core.errors import CandidateError, InputError
from stages.prompts.sandbox import MAX_CHARS, SANDBOX, TIMED, Bounds

T = TypeVar("T")

MAX_SOURCE = 200_000

_SIGNS = {
    "'end of print statement'": "}}",
    "'begin of print statement'": "{{",
    "'end of statement block'": "%}",
    "'end of template'": "end",
}
_RENDER_ERRORS = (JinjaError, TypeError, ValueError, ArithmeticError, LookupError, AttributeError, RecursionError)


class TemplateError(InputError):
    """A template that cannot be compiled. `line` counts from 1 inside the template."""

    def __init__(self, message: str, line: int = 1) -> None:
        self.message, self.line = message, line
        super().__init__(message)


class _Source:
    """A checked source, compiled, and the variables it needs."""

    def __init__(self, source: str) -> None:
        self.source = source
        if len(source) > MAX_SOURCE:
            raise TemplateError(f"a template may not be longer than {MAX_SOURCE:,} characters")
        try:
            self._compile(self._parse(source))
        except TemplateSyntaxError as error:
            raise TemplateError(_plain(error.message or "this is not a template"), error.lineno) from None
        except RecursionError:
            raise TemplateError("the template is nested too deeply") from None

    def _parse(self, source: str) -> nodes.Template:
        return SANDBOX.parse(source)

    def _compile(self, tree: nodes.Template) -> None:
        self._loops = tree.find(nodes.For) is not None
        names = [(node.name, node.lineno) for node in tree.find_all(nodes.Name) if node.ctx == "load"]
        attributes, optional = _first(_attributes(tree)), set(_optional(tree))
        bounded = cast("nodes.Template", Bounds().visit(tree))
        required = meta.find_undeclared_variables(bounded) - optional
        self.variables: dict[str, int] = _first((name, line) for name, line in names if name in required)
        """Every variable without which nothing renders -> the line of its first use."""
        self.attributes: dict[tuple[str, str], int] = attributes
        """Every ("row", "x") of `row.x` or `row['x']`, of any variable -> the line of its first use."""
        self._compiled = Compiled.from_code(SANDBOX, SANDBOX.compile(bounded), SANDBOX.globals)

    def _run(self, scope: dict[str, Any]) -> tuple[Iterator[str], Context]:
        context = self._compiled.new_context({**scope, "_steps": [0]} if self._loops else scope)
        return self._compiled.root_render_func(context), context

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.source!r})"


class Template(_Source):
    """A text with `{{ variables }}`. Raises TemplateError if it cannot be compiled."""

    def _compile(self, tree: nodes.Template) -> None:
        parts = [part for node in tree.body if isinstance(node, nodes.Output) for part in node.nodes]
        only = all(isinstance(node, nodes.Output) for node in tree.body)
        only = only and all(isinstance(part, (nodes.TemplateData, nodes.Name)) for part in parts)
        self._plain = tuple(_plain_part(part) for part in parts) if only else None
        super()._compile(tree)

    def surely_fits(self, row: Mapping[str, Any]) -> bool:
        """Tell at a glance whether it can be rendered for a row's columns: text and bare names of short texts only.

        A tenth of the time of rendering it, which decides where this says False.
        """
        return self._joined(row) is not None

    def _joined(self, row: Mapping[str, Any]) -> str | None:
        """Return the text of a template that is text and bare names only, without Jinja; None where it is Jinja's."""
        if self._plain is None:
            return None
        parts: list[str] = []
        for text, name in self._plain:
            part = text if name is None else row.get(name)
            if type(part) is not str:
                return None
            parts.append(part)
        joined = "".join(parts)
        return joined if len(joined) <= MAX_CHARS else None

    def render(self, scope: dict[str, Any]) -> str:
        """Return the text for these variables; raise CandidateError("template") if it cannot be made for them."""
        if (joined := self._joined(scope)) is not None:
            return joined
        parts, size = [], 0
        try:
            with TIMED:
                for part in self._run(scope)[0]:
                    parts.append(part)
                    size += len(part)
                    if size > MAX_CHARS:
                        raise SecurityError(f"the text is longer than {MAX_CHARS:,} characters")
        except _RENDER_ERRORS as error:
            raise CandidateError("template", f"{error} (in {self.source!r:.80})") from None
        return "".join(parts)


class Expression(_Source):
    """A condition without braces, as `where` has it. Raises TemplateError if it cannot be compiled."""

    def _parse(self, source: str) -> nodes.Template:
        if source.lstrip().startswith(("{{", "{%")):
            raise TemplateError("write the expression without braces")
        parser = Parser(SANDBOX, source, state="variable")
        result = nodes.Assign(nodes.Name("result", "store", lineno=1), parser.parse_expression(), lineno=1)
        if not parser.stream.eos:
            parser.fail(f'"{parser.stream.current}" cannot stand here')
        tree = nodes.Template([result], lineno=1)
        tree.set_environment(SANDBOX)
        return tree

    def __call__(self, scope: dict[str, Any]) -> bool:
        """Return whether it is true for these variables; raise CandidateError("where") if it cannot be told."""
        try:
            with TIMED:
                parts, context = self._run(scope)
                for _ in parts:
                    pass
                return bool(context.vars["result"])
        except _RENDER_ERRORS as error:
            raise CandidateError("where", f"{error} (in {self.source!r:.80})") from None


def _plain_part(part: nodes.Expr) -> tuple[str, str | None]:
    """Return a part of a template that is text, or the name that stands there."""
    return ("", part.name) if isinstance(part, nodes.Name) else (cast("nodes.TemplateData", part).data, None)


def _plain(message: str) -> str:
    """Return a message of Jinja's with the signs that a person types, and not with the names of its tokens."""
    for token, sign in _SIGNS.items():
        message = message.replace(token, sign)
    return message


def _optional(tree: nodes.Template) -> Iterator[str]:
    """Yield the variables that may be missing: asked whether they are defined, or given a default."""
    for node in (*tree.find_all(nodes.Test), *tree.find_all(nodes.Filter)):
        if node.name in ("defined", "undefined", "default", "d") and isinstance(node.node, nodes.Name):
            yield node.node.name


def _attributes(tree: nodes.Template) -> Iterator[tuple[tuple[str, str], int]]:
    methods = {id(call.node) for call in tree.find_all(nodes.Call)}
    for dotted in tree.find_all(nodes.Getattr):
        if isinstance(dotted.node, nodes.Name) and id(dotted) not in methods:
            yield (dotted.node.name, dotted.attr), dotted.lineno
    for item in tree.find_all(nodes.Getitem):
        if isinstance(item.node, nodes.Name) and isinstance(item.arg, nodes.Const) and isinstance(item.arg.value, str):
            yield (item.node.name, item.arg.value), item.lineno


def _first(uses: Iterable[tuple[T, int]]) -> dict[T, int]:
    lines: dict[T, int] = {}
    for name, line in uses:
        lines[name] = min(line, lines.get(name, line))
    return lines
