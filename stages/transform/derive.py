"""Transforms of rows: what a model makes of a column's text becomes candidates, or rows of their own.

Each thing that was made is a candidate of origin `derived` and is judged by the gates, with the column's text as the
old one; the reason of one that falls is the gate's (see gates.py), `ungrounded` where its evidence is not in the text,
or why there is none: truncated, empty, unreadable, an endpoint's refusal. With `emit: seeds` those that passed become
children of the seed, and the others stay with it.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import replace
from functools import partial

from config.schema import Transform
from stages.core.base import Emit, Outcome, Place, Stage, collect
from stages.core.errors import CandidateError
from stages.core.events import CandidatesMade
from stages.core.record import Candidate, Group, Verdict
from stages.llm.asking import Asker, ask_readable
from stages.llm.protocol import Model
from stages.prompts.builtin import builtin
from stages.prompts.template import Template
from stages.transform.gates import Gates
from stages.transform.shapes import Item, shape_of
from stages.transform.writing import write

Maker = Callable[[Group, str], Awaitable[list[Item]]]
"""Makes things of a row's text. What could not be made is an item that says so in its verdict."""


class DeriveStage(Stage):
    """Takes what `maker` makes of `config.column` and passes the gates."""

    on_seeds = True

    def __init__(self, place: Place, config: Transform, maker: Maker, gates: Gates) -> None:
        super().__init__(place)
        self._config, self._maker, self._gates, self._column = config, maker, gates, config.column or ""
        self.tools = (gates,)

    async def process(self, group: Group) -> Outcome:
        if not self.takes(group):
            return None
        document = group.seed.row.get(self._column)
        if not isinstance(document, str) or not document.strip():
            group.failure = f'the column "{self._column}" holds no text'
            return Emit(())
        items = await self._maker(group, document)
        made = [
            Candidate(n, item.text, "derived", self._lineage(item), prompt=item.prompt, fields=item.fields)
            for n, item in enumerate(items, len(group.candidates))
        ]
        verdicts = await collect(partial(self._verdict, group, document), zip(items, made, strict=True))
        group.candidates.extend(made)
        for candidate, verdict in zip(made, verdicts, strict=True):
            self.judge(group, candidate, verdict)
        if self._observe is not None:
            self._observe(CandidatesMade(self.name, "derived", len(made)))
        return self._emitted(group, items, made) if self._config.emit == "seeds" else None

    def _lineage(self, item: Item) -> dict[str, object]:
        return {"endpoint": self._config.endpoint, **item.lineage, "transforms": [self.name]}

    async def _verdict(self, group: Group, document: str, one: tuple[Item, Candidate]) -> Verdict:
        item, candidate = one
        if item.verdict is not None:
            return item.verdict
        try:
            return await self._gates.failure(group, document, candidate) or Verdict(True)
        except CandidateError as error:
            return Verdict(None, reason=error.reason, detail=error.detail)

    def _emitted(self, group: Group, items: list[Item], made: list[Candidate]) -> Emit:
        """Turn what passed into seeds. The row itself goes on too where that is asked for, or nothing came of it."""
        passed = [item for item, candidate in zip(items, made, strict=True) if candidate.state == "live"]
        group.candidates = [candidate for candidate in group.candidates if candidate.state != "live"]
        rows = [{**group.seed.row, **item.columns} for item in passed]
        if self._config.kind == "augment" and (
            self._config.keep == "both" or (not rows and self._config.on_failure == "original")
        ):
            rows.insert(0, group.seed.row)
        seeds = [group.seed.child(n, row) for n, row in enumerate(rows)]
        if self._config.to == "chat":
            for seed in seeds:
                seed.messages = seed.row["messages"][:-1]
        return Emit(seeds)


class Augmenter:
    """Asks for each variation of the text by itself, in the ways of the configuration by turns."""

    def __init__(self, config: Transform, model: Model, asker: Asker) -> None:
        self._config, self._model, self._asker = config, model, asker
        self._prompt = Template(config.prompt or builtin(config.prompt_name))

    async def __call__(self, group: Group, document: str) -> list[Item]:
        count = self._config.per_input or len(self._config.ways)
        return await collect(partial(self._vary, group, document, group.seed.no * count), range(count))

    async def _vary(self, group: Group, document: str, turn: int, n: int) -> Item:
        ways = self._config.ways
        way = ways[(turn + n) % len(ways)]
        lineage = {"model": self._model.name, "way": way}
        try:
            prompt = self._prompt.render(group.scope() | {"document": document, "way": way})
            call = self._asker.call(self._model, group, "augment", prompt, n, way)
            text = await write(self._model, call)
        except CandidateError as error:
            return Item("", lineage=lineage, verdict=Verdict(None, reason=error.reason, detail=error.detail))
        return Item(text, {self._config.column or "": text}, call.body["messages"], lineage=lineage)


class Converter:
    """Asks once for all that is to be made of a row's text, as JSON."""

    def __init__(self, config: Transform, model: Model, asker: Asker) -> None:
        self._config, self._model, self._asker, self._shape = config, model, asker, shape_of(config)
        self._prompt = Template(config.prompt or builtin(config.prompt_name))

    async def __call__(self, group: Group, document: str) -> list[Item]:
        most = self._config.per_input or 1
        scope = group.scope() | {"document": document, "per_input": most}
        scope |= {"evidence": self._config.evidence, "schema": self._config.schema_}
        lineage, prompt = {"model": self._model.name}, None
        try:
            call = self._asker.call(self._model, group, "convert", self._prompt.render(scope), 0)
            prompt = call.body["messages"]
            read = partial(self._shape.read, document=document, most=most)
            form = self._shape.reply_format(most, document)
            items = await ask_readable(self._model, call, read, self._shape.again, form)
        except CandidateError as error:
            items = [Item("", verdict=Verdict(None, reason=error.reason, detail=error.detail))]
        return [replace(item, lineage=lineage, prompt=item.prompt or prompt) for item in items]
