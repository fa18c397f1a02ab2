"""The generate stage: K candidates for a seed, each with a prompt, an endpoint, a temperature and a seed of its own."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any, NamedTuple

from config.schema import Generate
from stages.core.base import Emit, Outcome, Place, Stage, collect
from stages.core.chance import sampling_seed, uniform
from stages.core.errors import CandidateError
from stages.core.events import CandidatesMade
from stages.core.record import Candidate, Group, Message
from stages.core.steering import Monitor, Steering
from stages.generate import steered
from stages.generate.plan import Plan, Slot
from stages.llm.protocol import Call, Choice, Model
from stages.prompts.template import Template

CONTINUATIONS = 3
GO_ON = "Go on exactly where you stopped. Repeat nothing, and do not comment on the interruption."


class _Request(NamedTuple):
    """A call that is ready to be made, whom it asks, and the steering that it was drafted under."""

    call: Call
    model: Model
    steering: Steering
    lineage: dict[str, Any]

    @property
    def committed(self) -> bool:
        return self.model.committed(self.call)


class _Heard(NamedTuple):
    """What came for each candidate of one request, and the steering that it came under."""

    came: list[Choice | CandidateError]
    steering: Steering


class GenerateStage(Stage):
    """Asks for `config.candidates` completions per seed, concurrently; a failed call fails its own candidate.

    The monitor sees all that comes and may change how the next requests are made. A candidate whose reply an earlier
    process committed is made again as it was asked for then, whatever the steering is now.
    """

    makes_candidates = True

    def __init__(
        self,
        place: Place,
        config: Generate,
        models: Mapping[str, Model],
        run_seed: int,
        monitor: Monitor | None = None,
    ) -> None:
        super().__init__(place)
        self._config, self._models, self._run_seed = config, models, run_seed
        self._prompts = [Template(source) for source in config.prompts]
        self._system = None if config.system is None else Template(config.system)
        self._monitor = monitor or Monitor()
        in_turn = 1 if self._monitor.one_prompt else max(len(self._prompts), 1)
        self._plan = Plan(config.endpoint, in_turn, config.temperature, config.candidates, run_seed)
        sampling = {"max_tokens": config.max_tokens, "top_p": config.top_p, "stop": list(config.stop) or None}
        self._sampling = {key: value for key, value in sampling.items() if value is not None}

    async def start(self) -> None:
        await self._monitor.start()

    def left(self, group: Group) -> None:
        self._monitor.left(group)

    async def process(self, group: Group) -> Outcome:
        if not self.takes(group):
            return None
        first, count = len(group.candidates), group.more or self._config.candidates
        made = [Candidate(n, "", "generated") for n in range(first, first + count)]
        scope, size = group.scope(), self._config.per_request
        parts = [made[at : at + size] for at in range(0, count, size)]

        async def sample(asked: list[Candidate]) -> _Heard:
            async with self._monitor.room:
                return await self._sample(group, asked, scope)

        heard = await collect(sample, parts)
        group.candidates.extend(made)
        for asked, one in zip(parts, heard, strict=True):
            await self._take(group, asked, one)
        if self._observe is not None:
            self._observe(CandidatesMade(self.name, "generated", len(made)))
        return self._emitted(group, made) if self._config.emit == "seeds" else None

    def _emitted(self, group: Group, made: list[Candidate]) -> Emit:
        """Turn the outputs that came well into seeds; those that did not stay, with their reason."""
        outputs = [candidate for candidate in made if candidate.state == "live"]
        group.candidates = [candidate for candidate in group.candidates if candidate not in outputs]
        rows = [{**group.seed.row, self._config.as_: candidate.text} for candidate in outputs]
        seeds = [group.seed.child(n, row) for n, row in enumerate(rows)]
        for candidate, seed in zip(outputs, seeds, strict=True):
            self._monitor.became(group, candidate, seed)
        return Emit(seeds)

    async def _sample(self, group: Group, asked: list[Candidate], scope: dict[str, Any]) -> _Heard:
        """Make one request for these candidates (several: the API's n)."""
        steering = self._monitor.steerings[-1]
        try:
            call, model, steering, lineage = self._request(group, asked, scope)
            for candidate in asked:
                candidate.prompt, candidate.lineage = call.body["messages"], {**lineage}
            choices = (await model.ask(call)).choices[: len(asked)]
        except CandidateError as error:
            return _Heard([error] * len(asked), steering)
        few = CandidateError("no_choice", f"{len(asked)} choices were asked for and {len(choices)} came")
        came: list[Choice | CandidateError] = [few] * len(asked)
        for at, choice in enumerate(choices):
            came[at] = await self._whole(group, asked[at], call.body, choice, model)
        return _Heard(came, steering)

    async def _take(self, group: Group, asked: list[Candidate], heard: _Heard) -> None:
        """Fill each candidate from its choice; those without one fail."""
        for candidate, came in zip(asked, heard.came, strict=True):
            if isinstance(came, CandidateError):
                group.fail(candidate, self.name, came.reason, came.detail)
                self._tell("failed", came.reason)
            else:
                self._fill(group, candidate, came, heard.steering)
                await self._monitor.saw(group, candidate, heard.steering)

    def _request(self, group: Group, asked: list[Candidate], scope: dict[str, Any]) -> _Request:
        """Return the request under the steering in force, or, where there is a reply to another one, that one."""
        drafts = (self._draft(group, asked, scope, steering) for steering in reversed(self._monitor.steerings))
        now = next(drafts)
        if not group.replies or now.committed:
            return now
        return next((before for before in drafts if before.committed), now)

    def _draft(self, group: Group, asked: list[Candidate], scope: dict[str, Any], steering: Steering) -> _Request:
        n = asked[0].n
        slot = self._plan.slot(group.seed.no, group.seed.id, n)
        prompt = (slot.prompt + steering.prompt) % max(len(self._prompts), 1)
        slot = slot._replace(prompt=prompt, temperature=steered.temperature(slot, steering))
        model = self._models[slot.endpoint]
        chance = partial(self._chance, group, n)
        messages = steered.messages(self._messages(group, slot, scope), steering, chance)
        body = self._body(group, asked, messages, slot, model)
        body |= steered.body(steering, self._sampling, model.structured)
        call = Call(self.name, self.depth, "generate", group, body, n)
        return _Request(call, model, steering, _lineage(slot, model, body, steering))

    def _chance(self, group: Group, n: int, purpose: str) -> float:
        return uniform(self._run_seed, purpose, group.seed.id, n)

    async def _whole(
        self, group: Group, candidate: Candidate, body: dict[str, Any], choice: Choice, model: Model
    ) -> Choice | CandidateError:
        """Return a choice as it came, or, where it was truncated and shall go on, joined with what came after it."""
        rounds = CONTINUATIONS if self._config.on_truncated == "continue" else 0
        for number in range(1, rounds + 1):
            if not choice.truncated:
                break
            turns = [{"role": "assistant", "content": choice.text}, {"role": "user", "content": GO_ON}]
            more = {**body, "messages": [*body["messages"], *turns]}
            more.pop("n", None)
            call = Call(self.name, self.depth, "generate", group, more, candidate.n, f"continue{number}")
            try:
                rest = (await model.ask(call)).first
            except CandidateError as error:
                return error
            choice = choice._replace(text=choice.text + rest.text, finish_reason=rest.finish_reason)
        return choice

    def _messages(self, group: Group, slot: Slot, scope: dict[str, Any]) -> list[Message]:
        messages: list[Message] = []
        if self._system is not None:
            messages.append({"role": "system", "content": self._system.render(scope)})
        messages.extend(group.seed.messages or ())
        if self._prompts:
            prompt = self._prompts[slot.prompt].render(scope)
            if not prompt.strip():
                raise CandidateError("template", f"the prompt is empty (in {self._prompts[slot.prompt].source!r:.80})")
            messages.append({"role": "user", "content": prompt})
        return messages

    def _body(
        self, group: Group, asked: list[Candidate], messages: list[Message], slot: Slot, model: Model
    ) -> dict[str, Any]:
        body: dict[str, Any] = {"messages": messages}
        if slot.temperature is not None:
            body["temperature"] = slot.temperature
        if model.sends_seed:
            body["seed"] = sampling_seed(self._run_seed, self.name, group.seed.id, asked[0].n)
        if len(asked) > 1:
            body["n"] = len(asked)
        if group.seed.tools:
            body["tools"] = group.seed.tools
        return body

    def _fill(self, group: Group, candidate: Candidate, choice: Choice, steering: Steering) -> None:
        several = steering.verbalized and not choice.truncated and choice.text.strip()
        said = steered.taken(choice.text, self._chance(group, candidate.n, "response")) if several else choice.text
        candidate.text, candidate.reasoning = said or choice.text, choice.reasoning
        candidate.finish_reason, candidate.tool_calls = choice.finish_reason, choice.tool_calls
        if choice.truncated and self._config.on_truncated != "keep":
            group.reject(candidate, self.name, "truncated", "the reply ended at max_tokens")
            self._tell("rejected", "truncated")
        elif not choice.text.strip() and not choice.tool_calls:
            group.reject(candidate, self.name, "empty", "the reply has no text")
            self._tell("rejected", "empty")
        elif said is None:
            group.fail(candidate, self.name, "unreadable", "several responses were asked for, and none can be read")
            self._tell("failed", "unreadable")
        else:
            self._tell("passed")


def _lineage(slot: Slot, model: Model, body: dict[str, Any], steering: Steering) -> dict[str, Any]:
    lineage = {"endpoint": slot.endpoint, "model": model.name, "prompt": slot.prompt}
    if steering.number:
        lineage["steering"] = steering.number
    lineage.update((key, body[key]) for key in ("temperature", "seed") if key in body)
    return lineage
