"""Fills a JSON schema the way a judge would, from one opinion.

Names carry meaning: `pass: true` and `violated: false` say the same; enums are read for words of praise and blame; a
high integer is a good mark; `better` names the one of two that is preferred, `same` says whether they answer alike;
`difficulty` says how hard the question is.
What carries none of it is drawn, or is prose.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from service.simulator.draws import Draws
from service.simulator.judge import Opinion

Schema = dict[str, Any]
_BLAME = re.compile(r"fail|eliminat|violat|reject|wrong|incorrect|invalid|error|problem|flaw|issue|unsafe", re.I)
_COMPARISON = re.compile(r"winner|better|best|prefer|choice", re.I)
_GOOD_WORDS = {"none", "pass", "yes", "true", "accept", "keep", "correct", "right", "good", "valid", "ok"}
_BAD_WORDS = {"fail", "no", "false", "reject", "eliminate", "incorrect", "wrong", "bad", "invalid"}
_ANSWERS = {"answer", "final_answer", "solution", "response", "text", "output"}
_REASONS = (
    "The final answer follows from the working.",
    "Each step was checked against the question.",
    "What is asked for was compared with what is said.",
)
_WANTED = re.compile(r"\breply with\b[^{}]*(?=\{)", re.I)
_MEMBER = re.compile(r'"([^"]+)"\s*:\s*([^,}\n]*)')
_CHOICE = re.compile(r'"([^"]+)"')
"""What a property that stands alone may be, where several values of it are shown."""
_DEEPEST = 12


def from_example(prompt: str) -> Schema | None:
    """Return the schema of the JSON objects that a prompt shows behind its last "reply with", if it does."""
    members: defaultdict[str, list[str]] = defaultdict(list)
    if wanted := list(_WANTED.finditer(prompt)):
        for name, example in _MEMBER.findall(prompt, wanted[-1].end()):
            members[name].append(example)
    alone = len(members) == 1
    properties = {
        name: {"enum": choices} if alone and len(choices := _CHOICE.findall(shown)) > 1 else _type_of(shown)
        for name, shown in ((name, " or ".join(examples)) for name, examples in members.items())
    }
    return {"type": "object", "properties": properties} if properties else None


def _type_of(example: str) -> Schema:
    if '"' in example:  # single words are values to choose from; several words describe one to be written
        words = dict.fromkeys(re.findall(r'"([\w-]+)"', example))
        return {"enum": list(words)} if words else {"type": "string"}
    if re.search(r"true|false|bool", example):
        return {"type": "boolean"}
    digits = [int(digit) for digit in re.findall(r"\d+", example)]
    if len(digits) > 1:
        return {"type": "integer", "minimum": min(digits), "maximum": max(digits)}
    return {"type": "integer"} if digits or "int" in example or "number" in example else {"type": "string"}


@dataclass(frozen=True, slots=True)
class Filling:
    """What a schema is filled from: the opinion, the answer for properties that ask for one, draws for the rest.

    `hardness` is the share of wrong answers to the question.
    """

    opinion: Opinion
    answer: Callable[[Draws], str]
    draws: Draws
    root: Schema
    hardness: float = 0.5

    def fill(self, schema: Schema, name: str = "", place: str = "$", depth: int = 0) -> Any:
        """Return a value that the schema admits. Patterns and formats of strings are not looked at."""
        schema = self._resolve(schema)
        kind = _kind(schema)
        options = [schema["const"]] if "const" in schema else schema.get("enum")
        options = options or ([True, False] if kind == "boolean" else None)
        if options:
            return self._choose(options, name, place)
        if kind == "object" and depth < _DEEPEST:
            members = schema.get("properties", {})
            return {key: self.fill(inner, key, f"{place}.{key}", depth + 1) for key, inner in members.items()}
        if kind == "array" and depth < _DEEPEST:
            items = self._items(schema, name)
            return [self.fill(item, name, f"{place}[{i}]", depth + 1) for i, item in enumerate(items)]
        if kind in {"integer", "number"}:
            return self._number(schema, whole=kind == "integer", name=name, place=place)
        return self._prose(schema, name, place) if kind == "string" else None

    def _resolve(self, schema: Schema) -> Schema:
        """Follow references and take the first branch that is not null."""
        for _ in range(_DEEPEST):
            if reference := schema.get("$ref"):
                schema = self.root
                for part in filter(None, reference.removeprefix("#").split("/")):
                    schema = schema.get(part, {})
            elif branches := schema.get("anyOf") or schema.get("oneOf"):
                schema = next((branch for branch in branches if branch.get("type") != "null"), branches[0])
            elif parts := schema.get("allOf"):
                schema = {key: value for part in parts for key, value in self._resolve(part).items()}
            else:
                break
        return schema

    def _praises(self, name: str) -> bool:
        return self.opinion.passes != bool(_BLAME.search(name))

    def _mark(self, name: str, place: str) -> float:
        """Return a mark in [0, 1): of the response, or of the question, where that is near the truth."""
        if name == "difficulty":
            return 0.8 * self.hardness + 0.2 * self.draws.uniform(place)
        return self.opinion.mark(place, self._praises(name))

    def _choose(self, options: list[Any], name: str, place: str) -> Any:
        if len(options) > 1 and _COMPARISON.search(name):
            return options[0 if self.opinion.prefers_first else 1]
        if options == [True, False] and name == "same":
            return self.opinion.same
        good = self._praises(name)
        meant, other = (_GOOD_WORDS, _BAD_WORDS) if good else (_BAD_WORDS, _GOOD_WORDS)
        fitting = [option for option in options if str(option).casefold() in meant]
        if not fitting:  # an enum of `none` and names of flaws: any of the names is blame
            fitting = [option for option in options if str(option).casefold() not in other]
        if all(type(option) is int for option in options):
            return sorted(options)[int(self._mark(name, place) * len(options))]
        return self.draws.pick(place, fitting or options)

    def _items(self, schema: Schema, name: str) -> list[Schema]:
        fixed = schema.get("prefixItems", [])
        wanted = 0 if _BLAME.search(name) and self.opinion.passes else 1  # a good response has no violations to list
        count = max(wanted, schema.get("minItems", 0), len(fixed))
        items = [*fixed, *[schema.get("items") or {"type": "string"}] * (count - len(fixed))]
        return items[: schema.get("maxItems")]

    def _number(self, schema: Schema, *, whole: bool, name: str, place: str) -> float:
        step, (low, high) = (1, (1, 5)) if whole else (0, (0, 1))
        low = schema["exclusiveMinimum"] + step if "exclusiveMinimum" in schema else schema.get("minimum", low)
        high = schema["exclusiveMaximum"] - step if "exclusiveMaximum" in schema else schema.get("maximum", high)
        high, mark = max(low, high), self._mark(name, place)
        return int(low) + int(mark * (high - low + 1)) if whole else round(low + mark * (high - low), 3)

    def _prose(self, schema: Schema, name: str, place: str) -> str:
        own = self.draws.under(place)
        text = self.answer(own) if name.casefold() in _ANSWERS else own.pick("reason", _REASONS)
        return text.ljust(schema.get("minLength", 0), ".")[: schema.get("maxLength")]


def _kind(schema: Schema) -> str:
    kinds = schema.get("type") or ("object" if "properties" in schema else "array" if "items" in schema else "string")
    if isinstance(kinds, list):
        return next((kind for kind in kinds if kind != "null"), "null")
    return str(kinds)
