"""The generate stage: K candidates for a seed, each with a prompt, an endpoint, a temperature and a seed of its own."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from config.schema import Generate
from stages.core.base import Emit, Outcome, Place, Stage, each
from stages.core.chance import sampling_seed
from stages.core.errors import CandidateError
from stages.core.events import CandidatesMade, VerdictGiven
from stages.core.record import Candidate, Group, Message
from stages.generate.plan import Plan, Slot
from stages.llm.protocol import Call, Choice, Model
from stages.prompts.template import Template

CONTINUATIONS = 3
GO_ON = "Go on exactly where you stopped. Repeat nothing, and do not comment on the interruption."


class GenerateStage(Stage):
    """Asks for `config.candidates` completions per seed, concurrently; a failed call fails its own candidate."""

    makes_candidates = True

    def __init__(
        self,
        place: Place,
        config: Generate,
        models: Mapping[str, Model],
        prompts: Sequence[Template],
        system: Template | None,
        run_seed: int,
    ) -> None:
        super().__init__(place)
        self._config, self._models, self._prompts, self._system = config, models, prompts, system
        self._run_seed = run_seed
        self._plan = Plan(config.endpoint, max(len(prompts), 1), config.temperature, config.candidates, run_seed)
        sampling = {"max_tokens": config.max_tokens, "top_p": config.top_p, "stop": list(config.stop) or None}
        self._sampling = {key: value for key, value in sampling.items() if value is not None}

    async def process(self, group: Group) -> Outcome:
        try:
            if self._where is not None and not self._where(group.scope()):
                return None
        except CandidateError as error:
            group.failure = error.detail
            return None
        first, count = len(group.candidates), group.more or self._config.candidates
        made = [Candidate(n, "", "generated") for n in range(first, first + count)]
        group.candidates.extend(made)
        scope, size = group.scope(), self._config.per_request

        async def sample(asked: list[Candidate]) -> None:
            await self._sample(group, asked, scope)

        await each(sample, [made[at : at + size] for at in range(0, count, size)])
        if self._observe is not None:
            self._observe(CandidatesMade(self.name, "generated", len(made)))
        return self._emitted(group, made) if self._config.emit == "seeds" else None

    def _emitted(self, group: Group, made: list[Candidate]) -> Emit:
        """Turn the outputs that came well into seeds; those that did not stay, with their reason."""
        outputs = [candidate for candidate in made if candidate.state == "live"]
        group.candidates = [candidate for candidate in group.candidates if candidate not in outputs]
        rows = [{**group.seed.row, self._config.as_: candidate.text} for candidate in outputs]
        return Emit([group.seed.child(n, row) for n, row in enumerate(rows)])

    async def _sample(self, group: Group, asked: list[Candidate], scope: dict[str, Any]) -> None:
        """Make one request for these candidates (several: the API's n), and fill each from its choice."""
        try:
            slot = self._plan.slot(group.seed.no, group.seed.id, asked[0].n)
            model = self._models[slot.endpoint]
            messages = self._messages(group, slot, scope)
            body = self._body(group, asked, messages, slot, model)
            for candidate in asked:
                candidate.prompt, candidate.lineage = messages, _lineage(slot, model, body)
            reply = await model.ask(Call(self.name, self.depth, "generate", group, body, asked[0].n))
            for candidate, choice in zip(asked, reply.choices, strict=False):
                self._fill(group, candidate, await self._whole(group, candidate, body, choice, model))
        except CandidateError as error:
            self._failed(group, asked, error)
        else:
            few = f"{len(asked)} choices were asked for and {len(reply.choices)} came"
            self._failed(group, asked[len(reply.choices) :], CandidateError("no_choice", few))

    def _failed(self, group: Group, candidates: list[Candidate], error: CandidateError) -> None:
        """Fail those that have nothing yet."""
        for candidate in candidates:
            if candidate.state == "live" and not candidate.text:
                group.fail(candidate, self.name, error.reason, error.detail)
                self._tell("failed", error.reason)

    async def _whole(
        self, group: Group, candidate: Candidate, body: dict[str, Any], choice: Choice, model: Model
    ) -> Choice:
        """Return a choice as it came, or, where it was truncated and shall go on, joined with what came after it."""
        rounds = CONTINUATIONS if self._config.on_truncated == "continue" else 0
        for number in range(1, rounds + 1):
            if not choice.truncated:
                break
            turns = [{"role": "assistant", "content": choice.text}, {"role": "user", "content": GO_ON}]
            more = {**body, "messages": [*body["messages"], *turns]}
            more.pop("n", None)
            call = Call(self.name, self.depth, "generate", group, more, candidate.n, f"continue{number}")
            rest = (await model.ask(call)).first
            choice = replace(choice, text=choice.text + rest.text, finish_reason=rest.finish_reason)
        return choice

    def _messages(self, group: Group, slot: Slot, scope: dict[str, Any]) -> list[Message]:
        messages: list[Message] = []
        if self._system is not None:
            messages.append({"role": "system", "content": self._system.render(scope)})
        messages.extend(group.seed.messages or ())
        if self._prompts:
            messages.append({"role": "user", "content": self._prompts[slot.prompt].render(scope)})
        return messages

    def _body(
        self, group: Group, asked: list[Candidate], messages: list[Message], slot: Slot, model: Model
    ) -> dict[str, Any]:
        body: dict[str, Any] = {"messages": messages, **self._sampling}
        if slot.temperature is not None:
            body["temperature"] = slot.temperature
        if model.sends_seed:
            body["seed"] = sampling_seed(self._run_seed, self.name, group.seed.id, asked[0].n)
        if len(asked) > 1:
            body["n"] = len(asked)
        if group.seed.tools:
            body["tools"] = group.seed.tools
        return body

    def _fill(self, group: Group, candidate: Candidate, choice: Choice) -> None:
        candidate.text, candidate.reasoning = choice.text, choice.reasoning
        candidate.finish_reason, candidate.tool_calls = choice.finish_reason, choice.tool_calls
        if choice.truncated and self._config.on_truncated != "keep":
            group.reject(candidate, self.name, "truncated", "the reply ended at max_tokens")
            self._tell("rejected", "truncated")
        elif not choice.text.strip() and not choice.tool_calls:
            group.reject(candidate, self.name, "empty", "the reply has no text")
            self._tell("rejected", "empty")
        else:
            self._tell("passed", "")

    def _tell(self, outcome: Any, reason: str) -> None:
        if self._observe is not None:
            self._observe(VerdictGiven(self.name, outcome, reason))


def _lineage(slot: Slot, model: Model, body: dict[str, Any]) -> dict[str, Any]:
    lineage = {"endpoint": slot.endpoint, "model": model.name, "prompt": slot.prompt}
    lineage.update((key, body[key]) for key in ("temperature", "seed") if key in body)
    return lineage
