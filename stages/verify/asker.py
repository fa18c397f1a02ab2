"""What the verifying stages ask of models: a text to read an answer from, or a yes or no with its reason."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from stages.core.base import Stage
from stages.core.chance import sampling_seed
from stages.core.record import Group
from stages.llm.asking import ask_readable
from stages.llm.protocol import Call, Choice, Model
from stages.llm.reading import read, truth

_AGAIN = 'That could not be read. Reply with the JSON object only, such as {"pass": true} or {"pass": false}.'


@dataclass(frozen=True, slots=True)
class Asker:
    """Asks one model for one stage."""

    stage: Stage
    model: Model
    run_seed: int
    temperature: float
    max_tokens: int | None

    def call(self, purpose: str, group: Group, prompt: str, sample: int, part: str = "") -> Call:
        """Return the request, with a sampling seed of its own."""
        body: dict[str, Any] = {"messages": [{"role": "user", "content": prompt}], "temperature": self.temperature}
        if self.max_tokens is not None:
            body["max_tokens"] = self.max_tokens
        if self.model.sends_seed:
            body["seed"] = sampling_seed(self.run_seed, self.stage.name, purpose, group.seed.id, sample, part)
        return Call(self.stage.name, self.stage.depth, purpose, group, body, sample, part)

    async def passes(self, call: Call, *texts: str) -> tuple[bool, str]:
        """Return the yes or no, and the reason; `texts` are the keys that the model writes before it says `pass`.

        Raises CandidateError where it gives none.
        """
        if self.model.structured:
            call.body["response_format"] = _reply_format(texts)
        return await ask_readable(self.model, call, _passes, _AGAIN)


def _passes(choice: Choice) -> tuple[bool, str] | None:
    found = read(choice, ["pass"], truth)
    return None if found is None else (found.values["pass"] > 0.5, str(found.said.get("reason", "")))


def _reply_format(texts: tuple[str, ...]) -> dict[str, Any]:
    fields: dict[str, Any] = {key: {"type": "string"} for key in texts} | {"pass": {"type": "boolean"}}
    schema = {"type": "object", "properties": fields, "required": list(fields), "additionalProperties": False}
    return {"type": "json_schema", "json_schema": {"name": "verdict", "strict": True, "schema": schema}}
