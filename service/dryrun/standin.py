"""The most that a pipeline can ask for, found without a call: models that only count, behind stages that let all by.

Every candidate there may be goes through every stage, and every reply takes all of its `max_tokens`; later prompts hold
texts of that length. Not in it are what happens by accident: retries, second asks, escalations.
"""

from __future__ import annotations

import math
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import orjson

from config.schema import Endpoint, Generate, Pipeline, Select, Stage, Vote
from service.dryrun.forecast import Paid, Probe
from service.runs import rundir
from service.runs.plan import drawn
from service.runs.store import LedgerStore, fresh_groups
from service.simulator.draws import Draws
from service.simulator.judge import Opinion
from service.simulator.schema import Filling, from_example
from stages import pipeline as running
from stages.core.task import conversation
from stages.io.sources import Source
from stages.llm.protocol import Call, Choice, Reply
from stages.llm.reserve import TokenEstimate
from stages.registry import Tools, build

SEEDS = 10
ANSWER = "The answer is 7."


class StandIn:
    """A model that takes note of what it would take to ask it, and says what lets a pipeline go on."""

    logprobs = False

    def __init__(self, alias: str, config: Endpoint, paid: list[Paid]) -> None:
        self.alias, self.name = alias, config.model or alias
        self.sends_seed, self.structured = config.send_seed, config.structured
        self._config, self._paid, self.unlimited = config, paid, set[str]()
        self._estimate = TokenEstimate()

    def committed(self, _: Call) -> bool:
        return False

    async def ask(self, call: Call) -> Reply:
        body = {name: value for name, value in (call.body | self._config.body).items() if value is not None}
        most = 0
        if call.route == "generate":
            most = self._estimate.of(body, {}, 0) - 1
            if not (body.get("max_tokens") or body.get("max_completion_tokens")):
                self.unlimited.add(call.stage)
        prompt = math.ceil(len(orjson.dumps(body)) / self._estimate.bytes_per_token)
        self._paid.append(Paid(call.group.seed.root, call.stage, self.alias, prompt, most, self._price(prompt, most)))
        if call.route == "embeddings":
            return Reply((Choice(""),), vectors=tuple([1.0, 0.0] for _ in body["input"]))
        several = body.get("n") or 1
        return Reply((Choice(self._say(call, body, most // several)),) * several)

    def _price(self, prompt: int, completion: int) -> float | None:
        price = self._config.price
        if price is None:
            return None if self._config.embedded is None else 0.0
        return price.usd(prompt, completion)

    def _say(self, call: Call, body: Mapping[str, Any], most: int) -> str:
        if call.route != "generate":
            return "1"
        draws = Draws(0, call.stage, call.sample, call.part)
        schema = (body.get("response_format") or {}).get("json_schema", {}).get("schema")
        if wanted := schema or from_example(conversation(body["messages"])):
            opinion = Opinion(passes=True, prefers_first=True, same=True, merit=1.0, draws=draws)
            filling = Filling(opinion, lambda _: ANSWER, draws, wanted)
            return orjson.dumps(filling.fill(_full(wanted))).decode()
        return f"{'so ' * (int(most * self._estimate.bytes_per_token / 3) - len(ANSWER))}{ANSWER}"


def _full(schema: Any) -> Any:
    """Return a JSON schema whose lists are as long as they may be."""
    if isinstance(schema, list):
        return [_full(part) for part in schema]
    if not isinstance(schema, dict):
        return schema
    full = {key: _full(part) for key, part in schema.items()}
    return full | ({"minItems": full["maxItems"]} if "maxItems" in full else {})


async def bound(config: Pipeline, source: Source, within: int) -> Probe:
    """Return the most that some seeds, drawn evenly of the first `within`, can ask for. Raises InputError."""
    paid: list[Paid] = []
    stages = list(_open(config.stages))
    models = {alias: StandIn(alias, endpoint, paid) for alias, endpoint in config.used.items()}
    first = next((stage.candidates for stage in stages if isinstance(stage, Generate)), 1)
    groups = list(drawn(source, within, min(within, SEEDS)))
    roots = [group.seed.id for group in groups]
    with tempfile.TemporaryDirectory(prefix="tamis-estimate-") as folder:
        ledger = rundir.open_ledger(Path(folder), None)
        try:
            with rundir.open_reader(Path(folder)) as reader:
                store = LedgerStore(ledger, reader)
                tools = Tools(models, store, config.seed, config.constitution, expected=within * first)
                line = running.Pipeline(build(stages, tools), store, running.Sizes(16, 8, 16))
                await line.run(fresh_groups(groups, store, lambda: False))
        finally:
            await ledger.close()
    unlimited = frozenset().union(*(model.unlimited for model in models.values()))
    return Probe(roots, within, paid, {}, measured=False, unlimited=unlimited)


def _open(stages: tuple[Stage, ...]) -> Iterator[Stage]:
    """Yield the stages such that nothing falls but by `select`, and every seed has all the candidates it may have."""
    asked = max((stage.stop.max_candidates for stage in stages if isinstance(stage, Vote) and stage.stop), default=0)
    for stage in stages:
        change: dict[str, Any] = {} if isinstance(stage, Select) else {"action": "mark"}
        if isinstance(stage, Vote):
            change["stop"] = None
        if isinstance(stage, Generate):
            most, until = max(stage.candidates, asked), stage.until
            if until is not None:
                cap = until.max_candidates if until.mean_candidates is None else math.ceil(until.mean_candidates)
                most = max(most, min(cap, until.max_candidates))
            change |= {"candidates": most, "until": None}
        yield stage.model_copy(update=change)
