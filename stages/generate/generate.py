"""The generate stage: K candidates for a seed, each with a prompt, an endpoint, a temperature and a seed of its own."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from config.schema import Generate
from stages.core.base import Place, Stage, each
from stages.core.chance import sampling_seed
from stages.core.errors import CandidateError
from stages.core.events import CandidatesMade, VerdictGiven
from stages.core.record import Candidate, Group, Message
from stages.generate.plan import Plan, Slot
from stages.llm.protocol import Call, Choice, Model
from stages.prompts.template import Template


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

    async def process(self, group: Group) -> None:
        try:
            if self._where is not None and not self._where(group.scope()):
                return
        except CandidateError as error:
            group.failure = error.detail
            return
        first, count = len(group.candidates), group.more or self._config.candidates
        made = [Candidate(n, "", "generated") for n in range(first, first + count)]
        group.candidates.extend(made)
        scope = group.scope()

        async def sample(candidate: Candidate) -> None:
            await self._sample(group, candidate, scope)

        await each(sample, made)
        if self._observe is not None:
            self._observe(CandidatesMade(self.name, "generated", len(made)))

    async def _sample(self, group: Group, candidate: Candidate, scope: dict[str, Any]) -> None:
        seed = group.seed
        slot = self._plan.slot(seed.no, seed.id, candidate.n)
        model = self._models[slot.endpoint]
        candidate.lineage = {"endpoint": slot.endpoint, "model": model.name, "prompt": slot.prompt}
        try:
            candidate.prompt = self._messages(group, slot, scope)
            body = self._body(group, candidate, slot, model)
            reply = await model.ask(Call(self.name, self.depth, "generate", group, body, candidate.n))
        except CandidateError as error:
            group.fail(candidate, self.name, error.reason, error.detail)
            self._tell("failed", error.reason)
            return
        self._fill(group, candidate, reply.first)

    def _messages(self, group: Group, slot: Slot, scope: dict[str, Any]) -> list[Message]:
        messages: list[Message] = []
        if self._system is not None:
            messages.append({"role": "system", "content": self._system.render(scope)})
        messages.extend(group.seed.messages or ())
        if self._prompts:
            messages.append({"role": "user", "content": self._prompts[slot.prompt].render(scope)})
        return messages

    def _body(self, group: Group, candidate: Candidate, slot: Slot, model: Model) -> dict[str, Any]:
        body: dict[str, Any] = {"messages": candidate.prompt, **self._sampling}
        if slot.temperature is not None:
            body["temperature"] = candidate.lineage["temperature"] = slot.temperature
        if model.sends_seed:
            seed = sampling_seed(self._run_seed, self.name, group.seed.id, candidate.n)
            body["seed"] = candidate.lineage["seed"] = seed
        if group.seed.tools:
            body["tools"] = group.seed.tools
        return body

    def _fill(self, group: Group, candidate: Candidate, choice: Choice) -> None:
        candidate.text, candidate.reasoning = choice.text, choice.reasoning
        candidate.finish_reason, candidate.tool_calls = choice.finish_reason, choice.tool_calls
        if choice.truncated and self._config.on_truncated == "reject":
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
