"""Transforms of candidates: each response is rewritten, and the rewrite stands in its place or beside it.

What a verdict of the stage holds:

    passed          true where the rewrite, or (`on_failure: original`) the response as it was, goes on
    reason, detail  why a rewrite was not taken: the gate that it failed (see gates.py), or why there is none
                    (truncated, empty, unreadable, an endpoint's refusal)
    data.before     the response before, where the rewrite stands in its place
    data.rewrite    the rewrite that was not taken
    data.critiques  of `critique_revise`, by round: the principles that were drawn, and what was said

The lineage's `transforms` names the stages that rewrote a text. With `keep: both` the rewrite is a candidate of origin
`derived` with `lineage.from`, and the gates judge that one. A trace of reasoning is left as it is.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import replace
from functools import partial
from typing import Any, NamedTuple

from config.schema import Transform
from stages.core.base import Place, Stage, collect
from stages.core.errors import CandidateError
from stages.core.events import CandidatesMade
from stages.core.record import Candidate, Group, Verdict
from stages.core.task import task_text
from stages.llm.asking import Asker
from stages.llm.protocol import Model
from stages.prompts.builtin import builtin
from stages.prompts.template import Template
from stages.transform.gates import Gates
from stages.transform.writing import write

Rewriter = Callable[[Group, Candidate], Awaitable[tuple[str, dict[str, Any]]]]
"""Writes a response anew. Returns the text, and what else is known of it; raises CandidateError."""


class _Attempt(NamedTuple):
    """A rewrite (empty: there is none) and the verdict on it."""

    text: str
    verdict: Verdict


class RewriteStage(Stage):
    """Has each chosen candidate rewritten by `rewriter`, and takes what passes the gates."""

    def __init__(self, place: Place, config: Transform, rewriter: Rewriter, gates: Gates) -> None:
        super().__init__(place)
        self._config, self._rewriter, self._gates = config, rewriter, gates
        self.tools = (gates,)

    async def process(self, group: Group) -> None:
        chosen = self.chosen(group)
        attempts = await collect(partial(self._attempt, group), chosen)
        settle = self._beside if self._config.keep == "both" else self._in_place
        for candidate, attempt in zip(chosen, attempts, strict=True):
            settle(group, candidate, attempt)
        if self._observe is not None and self._config.keep == "both" and chosen:
            self._observe(CandidatesMade(self.name, "derived", len(chosen)))

    async def _attempt(self, group: Group, candidate: Candidate) -> _Attempt:
        text = ""
        try:
            text, data = await self._rewriter(group, candidate)
            failed = await self._gates.failure(group, candidate.text, replace(candidate, text=text))
        except CandidateError as error:
            return _Attempt(text, Verdict(None, reason=error.reason, detail=error.detail))
        verdict = failed or Verdict(True)
        verdict.data = data
        return _Attempt(text, verdict)

    def _in_place(self, group: Group, candidate: Candidate, attempt: _Attempt) -> None:
        text, verdict = attempt
        if verdict.passed:
            verdict.data["before"] = candidate.text
            candidate.text, candidate.finish_reason = text, "stop"
            candidate.lineage = self._lineage(candidate)
        elif text:
            verdict.data["rewrite"] = text
        if verdict.passed or self._config.on_failure == "drop":
            self.judge(group, candidate, verdict)
        else:
            candidate.verdicts[self.name] = replace(verdict, passed=True)
            self._tell("marked", verdict.reason)

    def _beside(self, group: Group, candidate: Candidate, attempt: _Attempt) -> None:
        lineage = self._lineage(candidate) | {"from": candidate.n}
        derived = Candidate(len(group.candidates), attempt.text, "derived", lineage, prompt=candidate.prompt)
        derived.fields = dict(candidate.fields)
        group.candidates.append(derived)
        candidate.verdicts[self.name] = Verdict(True)
        self.judge(group, derived, attempt.verdict)

    def _lineage(self, candidate: Candidate) -> dict[str, Any]:
        return candidate.lineage | {"transforms": [*candidate.lineage.get("transforms", ()), self.name]}


class PlainRewriter:
    """Asks once for the whole rewrite. A prompt of the person's own sees all of the candidate, `task` and `style`."""

    def __init__(self, config: Transform, model: Model, asker: Asker) -> None:
        self._model, self._asker = model, asker
        self._prompt = Template(config.prompt or builtin(config.kind))
        self._style = Template(config.style or "")

    async def __call__(self, group: Group, candidate: Candidate) -> tuple[str, dict[str, Any]]:
        scope = group.scope(candidate)
        scope |= {"task": task_text(group, candidate), "style": self._style.render(scope)}
        call = self._asker.call(self._model, group, "rewrite", self._prompt.render(scope), candidate.n)
        return await write(self._model, call), {}
