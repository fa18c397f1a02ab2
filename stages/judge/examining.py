"""How one judge marks one candidate: by questions of a constitution, a rubric or a checklist, or as a reward model.

A judge is asked `samples` times. The first time everything stands in the order in which it was written; after that the
axes are shuffled, and the options turned round every other time, so that what comes of their order alone evens out
(arXiv 2602.02219). The audit has it all reversed.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from statistics import fmean
from typing import Any, NamedTuple

from config.schema import Judge
from stages.core.base import Place, collect
from stages.core.chance import draw
from stages.core.record import Candidate, Group
from stages.core.task import task_text
from stages.judge.axes import Axis, axes_of, means
from stages.judge.constitution import Constitution
from stages.llm.asking import Asker, Question
from stages.llm.protocol import Call, Model
from stages.llm.reading import Reading, grade, truth
from stages.prompts.builtin import builtin
from stages.prompts.template import Template


@dataclass(frozen=True, slots=True)
class Marks:
    """What a judge found: its score, the mark on each axis, and the principle that it says was broken."""

    score: float
    axes: dict[str, float] = field(default_factory=dict)
    principle: str = ""


_KEYS = {"eliminate": "pass", "rubric": "score", "checklist": "met"}
"""The key of the answer to a lone question. What eliminates always is one question, and names a principle."""


class _Turn(NamedTuple):
    """One call: its part, the axes in it, the axis that each key of the reply is about, the options' order."""

    part: str
    axes: Sequence[Axis]
    keys: dict[str, str]
    turned: bool


class Questionnaire:
    """Asks a chat model whether criteria apply, for marks on axes, or which items of a checklist are met."""

    def __init__(self, place: Place, config: Judge, constitution: Constitution | None, run_seed: int) -> None:
        self._place, self._config, self._constitution, self._run_seed = place, config, constitution, run_seed
        self._eliminates = config.mode == "eliminate"
        self._together = (config.per_call or ("all" if self._eliminates else "one")) == "all"
        self._prompt = Template(config.prompt or builtin(config.mode))
        self._asker = Asker(place, run_seed, config.temperature, config.max_tokens)
        low, high = config.scale
        self._options: Sequence[int] = range(low, high + 1) if config.mode == "rubric" else (True, False)
        self._worth = grade(low, high) if config.mode == "rubric" else truth
        self._logprobs = not self._eliminates or (config.escalate is not None and config.escalate.when == "unsure")

    async def examine(self, model: Model, group: Group, candidate: Candidate, reverse: bool) -> Marks:
        """Have a judge mark a candidate. Raises CandidateError where it gave no marks. `reverse` is the audit's."""
        axes = axes_of(self._config, self._constitution, self._run_seed, group.seed)
        turns = list(self._turns(axes, group, candidate, reverse))

        async def ask(turn: _Turn) -> Reading:
            question = self._question(group, candidate, turn)
            return await self._asker.ask(model, group, question, candidate.n, turn.part)

        return self._marks({axis.id: axis.weight for axis in axes}, turns, await collect(ask, turns))

    def _turns(self, axes: list[Axis], group: Group, candidate: Candidate, reverse: bool) -> Iterator[_Turn]:
        about = (self._run_seed, self._place.name, "order", group.seed.id, candidate.n)
        for sample in range(self._config.samples):
            order = sorted(axes, key=lambda axis: draw(*about, sample, axis.id)) if sample else axes
            order = order[::-1] if reverse else order
            for batch in [order] if self._together or not order else [[axis] for axis in order]:
                alone = batch[0].id if len(batch) == 1 else ""
                many = len(batch) > 1 and not self._eliminates
                keys = {axis.id: axis.id for axis in batch} if many else {_KEYS[self._config.mode]: alone}
                part = " ".join(filter(None, ("reversed" if reverse else "", f"{sample or ''}", alone)))
                yield _Turn(part, batch, keys, bool(sample % 2) != reverse)

    def _question(self, group: Group, candidate: Candidate, turn: _Turn) -> Question:
        shown = [axis.shown for axis in turn.axes]
        options = self._options[::-1] if turn.turned else self._options
        seen: dict[str, Any] = {"task": task_text(group, candidate), "principles": shown, "axes": shown}
        seen |= {"keys": list(turn.keys), "options": list(options), "scale": list(self._config.scale)}
        prompt = self._prompt.render(group.scope(candidate) | seen)
        named = [axis.id for axis in turn.axes] if self._eliminates else []
        return Question(
            self._config.mode, prompt, tuple(turn.keys), self._options, self._worth, named, logprobs=self._logprobs
        )

    def _marks(self, weights: dict[str, float], turns: Sequence[_Turn], readings: Sequence[Reading]) -> Marks:
        said = [
            (turn.keys[key], value, str(reading.said.get("principle")))
            for turn, reading in zip(turns, readings, strict=True)
            for key, value in reading.values.items()
        ]
        found = means((axis, value) for axis, value, _ in said)
        axes = {axis: mean for axis, mean in found.items() if axis}
        if not self._eliminates:
            return Marks(fmean(found.values(), [weights.get(axis, 1.0) for axis in found]), axes)
        broken = Counter(axis or named for axis, value, named in said if value < 0.5)
        principle = next((name for name, _ in broken.most_common(1) if name in weights), "")
        return Marks(min(found.values()), axes, principle)


class RewardModel:
    """Asks a reward model or a cross-encoder for its number, on one of vLLM's routes.

    A reward model is shown the conversation in its own chat template, a cross-encoder the task and the response. A
    prompt of the person's own stands in place of the conversation or of the task.
    """

    def __init__(self, place: Place, config: Judge) -> None:
        self._place, self._route = place, config.reward
        self._prompt = None if config.prompt is None else Template(config.prompt)

    async def examine(self, model: Model, group: Group, candidate: Candidate, reverse: bool) -> Marks:
        """Have a judge mark a candidate. Raises CandidateError where it gave no marks. `reverse` is the audit's."""
        part = "reversed" if reverse else ""
        place, body = self._place, self._body(group, candidate)
        call = Call(place.name, place.depth, "reward", group, body, candidate.n, part, self._route)
        return Marks(float((await model.ask(call)).text))

    def _body(self, group: Group, candidate: Candidate) -> dict[str, Any]:
        task = task_text(group, candidate)
        own = self._prompt and self._prompt.render(group.scope(candidate) | {"task": task})
        if self._route == "score":
            return {"text_1": own or task, "text_2": candidate.text}
        if self._route == "rerank":
            return {"query": own or task, "documents": [candidate.text]}
        if own is not None:
            return {"input": own}
        asked = candidate.prompt or group.seed.messages or [{"role": "user", "content": task}]
        return {"messages": [*asked, {"role": "assistant", "content": candidate.text}]}
