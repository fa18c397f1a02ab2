"""Transforms of rows: what a model makes of a column's text becomes candidates, or rows of their own.

Each thing that was made is a candidate of origin `derived` and is judged by the gates, with the column's text as the
old one; the reason of one that falls is the gate's (see gates.py), `ungrounded` where its evidence is not in the text,
or why there is none: truncated, empty, unreadable, an endpoint's refusal. With `emit: seeds` those that passed become
children of the seed, and the others stay with it.
"""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import Protocol

from config.schema import Transform
from stages.core.base import Emit, Outcome, Place, Stage, collect
from stages.core.errors import CandidateError
from stages.core.events import CandidatesMade
from stages.core.record import Candidate, Group, Verdict
from stages.llm.asking import Asker, ask_readable
from stages.llm.protocol import Model
from stages.prompts.builtin import builtin
from stages.prompts.template import Template
from stages.transform.gates import Gates, Means
from stages.transform.shapes import Item, shape_of
from stages.transform.writing import write


class Maker(Protocol):
    """Makes things of a row's text. What could not be made is an item that says so in its verdict."""

    async def __call__(self, group: Group, document: str) -> list[Item]: ...


class DeriveStage(Stage):
    """Takes what `maker` makes of `config.column` and passes the gates."""

    on_seeds = True

    def __init__(self, place: Place, config: Transform, maker: Maker, means: Means, run_seed: int) -> None:
        super().__init__(place)
        self._config, self._maker, self._column = config, maker, config.column or ""
        self._gates = Gates(self, config.gate, means, run_seed)

    async def start(self) -> None:
        await self._gates.start()

    async def stop(self) -> None:
        await self._gates.stop()

    async def process(self, group: Group) -> Outcome:
        if not self.takes(group):
            return None
        document = group.seed.row.get(self._column)
        if not isinstance(document, str) or not document.strip():
            group.failure = f'the column "{self._column}" holds no text'
            return Emit(())
        items = await self._maker(group, document)
        first = len(group.candidates)
        made = [
            Candidate(n, item.text, "derived", self._lineage(item), prompt=item.prompt, fields=item.fields)
            for n, item in enumerate(items, first)
        ]
        verdicts = await collect(partial(self._verdict, group, document, items, first), made)
        group.candidates.extend(made)
        for candidate, verdict in zip(made, verdicts, strict=True):
            self.judge(group, candidate, verdict)
        if self._observe is not None:
            self._observe(CandidatesMade(self.name, "derived", len(made)))
        return self._emitted(group, items, made) if self._config.emit == "seeds" else None

    def _lineage(self, item: Item) -> dict[str, object]:
        return {"endpoint": self._config.endpoint, **item.lineage, "transforms": [self.name]}

    async def _verdict(
        self, group: Group, document: str, items: list[Item], first: int, candidate: Candidate
    ) -> Verdict:
        if (verdict := items[candidate.n - first].verdict) is not None:
            return verdict
        try:
            failed = await self._gates.failure(group, document, candidate)
        except CandidateError as error:
            return Verdict(None, reason=error.reason, detail=error.detail)
        return Verdict(True) if failed is None else Verdict(False, reason=failed.reason, detail=failed.detail)

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

    def __init__(self, place: Place, config: Transform, model: Model, run_seed: int) -> None:
        self._config, self._model = config, model
        self._asker = Asker(place, run_seed, config.temperature, config.max_tokens)
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

    def __init__(self, place: Place, config: Transform, model: Model, run_seed: int) -> None:
        self._config, self._model, self._shape = config, model, shape_of(config)
        self._asker = Asker(place, run_seed, config.temperature, config.max_tokens)
        self._prompt = Template(config.prompt or builtin(config.prompt_name))

    async def __call__(self, group: Group, document: str) -> list[Item]:
        most = self._config.per_input or 1
        scope = group.scope() | {"document": document, "per_input": most}
        scope |= {"evidence": self._config.evidence, "schema": self._config.schema_}
        lineage, prompt = {"model": self._model.name}, None
        try:
            call = self._asker.call(self._model, group, "convert", self._prompt.render(scope), 0)
            prompt = call.body["messages"]
            if self._model.structured:
                call.body["response_format"] = self._shape.reply_format(most, document)
            read = partial(self._shape.read, document=document, most=most)
            items = await ask_readable(self._model, call, read, self._shape.again)
        except CandidateError as error:
            items = [Item("", verdict=Verdict(None, reason=error.reason, detail=error.detail))]
        return [replace(item, lineage=lineage, prompt=item.prompt or prompt) for item in items]
