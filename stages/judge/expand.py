"""Drafts what a constitution leaves out: a model says each principle as a judge's questions of every kind.

Only empty lists are filled. The draft is for a person to read, edit and commit: no run ever asks for one.
"""

from __future__ import annotations

import json
import re
from itertools import product
from typing import NamedTuple

from stages.core.base import Place, collect
from stages.core.errors import CandidateError, InputError
from stages.core.record import Group, Seed
from stages.judge.constitution import Constitution, Principle
from stages.llm.asking import Asker, ask_readable
from stages.llm.formats import reply_format
from stages.llm.protocol import Choice, Model
from stages.prompts.builtin import builtin
from stages.prompts.template import Template

KINDS = ("critique", "eliminate", "compare", "revise", "axis")
MOST = 3
"""Sentences of one kind; of `axis` there is one, since it is one thing that is rated."""

MAX_TOKENS = 256
"""Of a reply; an endpoint whose model thinks first has more in its `body`."""

_AGAIN = 'That could not be read. Reply with the JSON object only: {"items": ["...", "..."]}'
_DECODER = json.JSONDecoder()
_LISTED = re.compile(r"^\s*(?:[-*•]|\d+[.)])\s+(.+)$", re.MULTILINE)


class Draft(NamedTuple):
    """A constitution with `filled` lists more than before; `empty` says for which ones nothing came, and why."""

    constitution: Constitution
    model: str
    filled: int
    empty: tuple[str, ...]


async def expand(constitution: Constitution, model: Model) -> Draft:
    """Ask the model for every empty list, one call each. Raises InputError where not a single one came of it."""
    prompt, asker = Template(builtin("expand")), Asker(Place("constitution", 0), 0, max_tokens=MAX_TOKENS)
    drafts: dict[tuple[str, str], tuple[str, ...]] = {}
    empty: list[str] = []

    async def draft(wanted: tuple[int, Principle, str]) -> None:
        no, principle, kind = wanted
        most = 1 if kind == "axis" else MOST
        text = prompt.render({"principle": principle.model_dump(), "kind": kind})
        call = asker.call(model, Group(Seed(no, principle.id, {})), "expand", text, 0, kind)
        items = {"type": "array", "items": {"type": "string"}, "minItems": 1, "maxItems": most}
        form = reply_format("items", {"items": items})
        try:
            found = await ask_readable(model, call, lambda said: read_items(said) or None, _AGAIN, form)
            drafts[principle.id, kind] = found[:most]
        except CandidateError as error:
            empty.append(f"{principle.id}.{kind}: {' '.join(error.detail.split())}")

    principles = list(enumerate(constitution.principles))
    await collect(draft, [(no, one, kind) for (no, one), kind in product(principles, KINDS) if not getattr(one, kind)])
    if not drafts:
        raise InputError(empty)
    filled = (
        one.model_copy(update={kind: drafts[one.id, kind] for kind in KINDS if (one.id, kind) in drafts})
        for one in constitution.principles
    )
    return Draft(Constitution(principles=tuple(filled)), model.name, len(drafts), tuple(sorted(empty)))


def read_items(said: Choice) -> tuple[str, ...]:
    """Return the sentences of a reply, each once: of the first JSON array of texts in it, or else of its listed lines.

    Empty where there are none, or where the reply was cut off in the middle of them.
    """
    for bracket in re.finditer(r"\[", said.text):
        try:
            found, _ = _DECODER.raw_decode(said.text, bracket.start())
        except (ValueError, RecursionError):
            continue
        if found and all(isinstance(item, str) for item in found):
            break
    else:
        found = [] if said.truncated else _LISTED.findall(said.text)
    return tuple(dict.fromkeys(words for item in found if (words := " ".join(item.split()))))
