"""The judge that eliminates: one call per candidate asks whether any elimination criterion of a constitution applies.

A reply that cannot be read is asked for once more, then the candidate fails as `unreadable`: it is never a low score.
"""

from __future__ import annotations

from typing import Any

from config.schema import Judge
from stages.core.base import Place, Stage
from stages.core.record import Candidate, Group, Message, Verdict
from stages.core.task import task_text
from stages.judge.constitution import Constitution
from stages.judge.reading import Judgement, read_judgement
from stages.llm.protocol import Call, Model
from stages.prompts.builtin import builtin
from stages.prompts.template import Template

_AGAIN = 'That could not be read. Reply with the JSON object only, such as {"pass": true} or {"pass": false}.'


class EliminateStage(Stage):
    """Passes or eliminates each chosen candidate, naming the principle it broke.

    A prompt of the person's own sees the seed's columns, `response`, `task` and `principles`, and must ask for a JSON
    object with `pass`; a bare yes or no is read as passes or fails.
    """

    def __init__(self, place: Place, config: Judge, model: Model, constitution: Constitution | None) -> None:
        super().__init__(place)
        self._model = model
        self._principles = {} if constitution is None else {one.id: one for one in constitution.principles}
        self._shown = [one.model_dump() | {"eliminations": one.eliminations} for one in self._principles.values()]
        self._prompt = Template(config.prompt or builtin("eliminate"))
        self._body: dict[str, Any] = {"temperature": config.temperature}
        if config.max_tokens is not None:
            self._body["max_tokens"] = config.max_tokens
        if model.structured:
            self._body["response_format"] = _reply_format(list(self._principles))

    async def process(self, group: Group) -> None:
        await self.judge_each(group, self._verdict)

    async def _verdict(self, group: Group, candidate: Candidate) -> Verdict:
        shown = {"task": task_text(group, candidate), "principles": self._shown}
        messages: list[Message] = [{"role": "user", "content": self._prompt.render(group.scope(candidate) | shown)}]
        said = await self._ask(group, candidate, messages)
        judgement = read_judgement(said)
        if judgement is None:
            again: list[Message] = [
                {"role": "assistant", "content": said or "..."},
                {"role": "user", "content": _AGAIN},
            ]
            said = await self._ask(group, candidate, messages + again, part="reask")
            judgement = read_judgement(said)
        if judgement is None:
            return Verdict(None, reason="unreadable", detail=f'asked twice, the judge last said "{said:.200}"')
        return self._read(judgement)

    async def _ask(self, group: Group, candidate: Candidate, messages: list[Message], part: str = "") -> str:
        body = {"messages": messages, **self._body}
        reply = await self._model.ask(Call(self.name, self.depth, "eliminate", group, body, candidate.n, part))
        return reply.text

    def _read(self, judgement: Judgement) -> Verdict:
        if judgement.passes:
            return Verdict(True)
        broken = self._principles.get(judgement.principle)
        if broken is None:
            return Verdict(False, reason="eliminated", detail="the judge named no principle")
        return Verdict(False, None, "eliminated", f"{broken.id}: {broken.text}", {"principle": broken.id})


def _reply_format(principles: list[str]) -> dict[str, Any]:
    """Return the reply's JSON schema: short fields without choices that contradict each other, for small models too.

    The principle is the one that comes closest to being broken, and means something only where the response fails.
    """
    fields: dict[str, Any] = {"pass": {"type": "boolean"}}
    if principles:
        fields = {"principle": {"type": "string", "enum": principles}} | fields
    schema = {"type": "object", "properties": fields, "required": list(fields), "additionalProperties": False}
    return {"type": "json_schema", "json_schema": {"name": "judgement", "strict": True, "schema": schema}}
