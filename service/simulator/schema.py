"""Fills a JSON schema the way a judge would, from one verdict.

Names carry meaning: `pass: true` and `violated: false` say the same; enums are read for words of praise and blame; a
high integer is a good mark. What carries none of it is drawn, or is prose.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from service.simulator.draws import Draws

Schema = dict[str, Any]
_BLAME = re.compile(r"fail|eliminat|violat|reject|wrong|incorrect|invalid|error|problem|flaw|issue|unsafe", re.I)
_GOOD_WORDS = {"none", "pass", "yes", "true", "accept", "keep", "correct", "right", "good", "valid", "ok"}
_BAD_WORDS = {"fail", "no", "false", "reject", "eliminate", "incorrect", "wrong", "bad", "invalid"}
_ANSWERS = {"answer", "final_answer", "solution", "response", "text", "output"}
_REASONS = (
    "The final answer follows from the working.",
    "Each step was checked against the question.",
    "The working and the stated result were compared.",
    "What is asked for was compared with what is said.",
)
_VERDICT_OBJECT = re.compile(
    r'\{[^{}]*"(?:pass|passed|verdict|correct|valid|accept|eliminate|violated|score|rating)"\s*:[^{}]*\}'
)
_MEMBER = re.compile(r'"(\w+)"\s*:\s*([^,}\n]*)')
_DEEPEST = 12


def from_example(prompt: str) -> Schema | None:
    """Return the schema of the last JSON verdict that a prompt shows as the shape it wants, if it shows one."""
    shown = _VERDICT_OBJECT.findall(prompt)
    if not shown:
        return None
    return {"type": "object", "properties": {name: _type_of(example) for name, example in _MEMBER.findall(shown[-1])}}


def _type_of(example: str) -> Schema:
    if words := re.findall(r'"([^"\s]*)"', example):  # a value to choose; several words describe one to be written
        return {"enum": words}
    if re.search(r"true|false|bool", example):
        return {"type": "boolean"}
    digits = [int(digit) for digit in re.findall(r"\d+", example)]
    if len(digits) > 1:
        return {"type": "integer", "minimum": min(digits), "maximum": max(digits)}
    return {"type": "integer"} if digits or "int" in example or "number" in example else {"type": "string"}


@dataclass(frozen=True, slots=True)
class Filling:
    """What a schema is filled from: the verdict, the answer for properties that ask for one, and draws for the rest."""

    verdict: bool
    answer: Callable[[Draws], str]
    draws: Draws
    root: Schema

    def fill(self, schema: Schema, name: str = "", place: str = "$", depth: int = 0) -> Any:
        """Return a value that the schema admits. Patterns and formats of strings are not looked at."""
        schema = self._resolve(schema)
        options = [schema["const"]] if "const" in schema else schema.get("enum")
        if options:
            return self._choose(options, name, place)
        kind = _kind(schema)
        match kind:
            case "object" | "array" if depth < _DEEPEST:
                return self._members(schema, name, place, depth + 1)
            case "integer" | "number":
                return self._mark(schema, kind, name, place)
            case "boolean":
                return self._praises(name)
            case "string":
                return self._prose(schema, name, place)
        return None

    def _members(self, schema: Schema, name: str, place: str, depth: int) -> Any:
        if _kind(schema) == "array":
            return self._list(schema, name, place, depth)
        members = schema.get("properties", {})
        return {key: self.fill(inner, key, f"{place}.{key}", depth) for key, inner in members.items()}

    def _resolve(self, schema: Schema) -> Schema:
        """Follow references and take the first branch that is not null."""
        for _ in range(_DEEPEST):
            if reference := schema.get("$ref"):
                found: Any = self.root
                for part in reference.removeprefix("#").strip("/").split("/"):
                    found = found.get(part, {}) if isinstance(found, dict) and part else found
                schema = found
            elif branches := schema.get("anyOf") or schema.get("oneOf"):
                schema = next((branch for branch in branches if branch.get("type") != "null"), branches[0])
            elif parts := schema.get("allOf"):
                schema = {key: value for part in parts for key, value in self._resolve(part).items()}
            else:
                break
        return schema

    def _praises(self, name: str) -> bool:
        return self.verdict != bool(_BLAME.search(name))

    def _choose(self, options: list[Any], name: str, place: str) -> Any:
        good = self._praises(name)
        meant, other = (_GOOD_WORDS, _BAD_WORDS) if good else (_BAD_WORDS, _GOOD_WORDS)
        said = [str(option).casefold() for option in options]
        fitting = [option for option, word in zip(options, said, strict=True) if word in meant]
        if not fitting:  # an enum of `none` and names of flaws: any of the names is blame
            fitting = [option for option, word in zip(options, said, strict=True) if word not in other]
        if all(isinstance(option, int) for option in options):
            middle, ordered = len(options) // 2, sorted(options)
            fitting = ordered[middle:] if good else ordered[:middle]
        return self.draws.pick(place, fitting or options)

    def _list(self, schema: Schema, name: str, place: str, depth: int) -> list[Any]:
        fixed = schema.get("prefixItems", [])
        wanted = 0 if _BLAME.search(name) and self.verdict else 1  # a good response has no violations to list
        count = min(max(wanted, schema.get("minItems", 0), len(fixed)), schema.get("maxItems", math.inf))
        items = [*fixed, *[schema.get("items") or {"type": "string"}] * (count - len(fixed))]
        if schema.get("uniqueItems") and "enum" in (options := self._resolve(items[0] if items else {})):
            return list(options["enum"][:count])
        return [self.fill(item, name, f"{place}[{i}]", depth) for i, item in enumerate(items)]

    def _mark(self, schema: Schema, kind: str, name: str, place: str) -> float:
        """Return a mark: of the upper two fifths of the range for a good response, of the lower two for a bad one."""
        whole = kind == "integer"
        low, high = _bounds(schema, (1, 5) if whole else (0, 1), step=1 if whole else 0)
        share = 0.4 * self.draws.uniform(place) + (0.6 if self._praises(name) else 0.0)
        if whole:
            return int(low) + int(share * (high - low + 1))
        return round(low + share * (high - low), 3)

    def _prose(self, schema: Schema, name: str, place: str) -> str:
        own = self.draws.under(place)
        text = self.answer(own) if name.casefold() in _ANSWERS else own.pick("reason", _REASONS)
        text = text.ljust(schema.get("minLength", 0), ".")
        return text[: schema.get("maxLength")]


def _bounds(schema: Schema, default: tuple[float, float], step: int) -> tuple[float, float]:
    low = schema["exclusiveMinimum"] + step if "exclusiveMinimum" in schema else schema.get("minimum", default[0])
    high = schema["exclusiveMaximum"] - step if "exclusiveMaximum" in schema else schema.get("maximum", default[1])
    return low, max(low, high)


def _kind(schema: Schema) -> str:
    kinds = schema.get("type") or ("object" if "properties" in schema else "array" if "items" in schema else "string")
    if isinstance(kinds, list):
        return next((kind for kind in kinds if kind != "null"), "null")
    return str(kinds)
