"""The vote stage: the answer that most candidates give wins, and those who gave it go on.

The score of a verdict is the share of the votes that its candidate's answer got; for `select` and reports it holds:

    data.ballots    what the votes for its own answer weigh
    data.winner     the winning answer, as the first who gave it wrote it, cut after 80 characters
    data.agreement  the winner's share of the votes
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence

from config.schema import Vote
from stages.core.answers import Answers
from stages.core.base import Again, Outcome, Place, Stage
from stages.core.errors import CandidateError
from stages.core.record import Candidate, Group, Verdict
from stages.core.task import task_text
from stages.judge.ballots import Option, agreement, decided, tally
from stages.llm.asking import Asker, Question
from stages.llm.protocol import Model
from stages.prompts.builtin import builtin
from stages.prompts.template import Template


class VoteStage(Stage):
    """Counts the chosen candidates' answers, found and compared by `answers`.

    Without `answers` the responses as they are are compared, by `model`. With `config.stop` it asks for waves until the
    vote is clear, and gives no verdict before.
    """

    on_seeds = True

    def __init__(self, place: Place, config: Vote, answers: Answers | None, model: Model | None, run_seed: int) -> None:
        super().__init__(place)
        self._config, self._answers, self._model = config, answers, model
        self.tools = () if answers is None else (answers,)
        self._asker = Asker(self, run_seed)
        self._prompt = Template(builtin("vote"))

    async def process(self, group: Group) -> Outcome:
        voters = self.chosen(group)
        cast = await self._united(group, [self._find(voter) for voter in voters])
        weights = [max(0.0, voter.score or 0.0) for voter in voters] if self._config.weights else None
        options = tally([None if isinstance(answer, CandidateError) else answer for answer in cast], weights)
        if (more := self._more(group, options, len(voters))) > 0:
            return Again(more)
        for voter, answer in zip(voters, cast, strict=True):
            self.judge(group, voter, self._verdict(voter, answer, options))
        return None

    def _find(self, voter: Candidate) -> Hashable | None:
        return voter.text.strip() or None if self._answers is None else self._answers.find(voter.text)

    async def _united(self, group: Group, answers: Sequence[Hashable | None]) -> list[Hashable | CandidateError | None]:
        """Return for each answer the first one that means the same, or why that could not be told."""
        firsts: list[Hashable] = []
        united: dict[Hashable | None, Hashable | CandidateError | None] = {None: None}
        for answer in answers:
            if answer not in united:
                united[answer] = await self._first_like(group, answer, firsts)
        return [united[answer] for answer in answers]

    async def _first_like(self, group: Group, answer: Hashable, firsts: list[Hashable]) -> Hashable | CandidateError:
        try:
            for first in firsts:
                if await self._same(group, first, answer):
                    return first
        except CandidateError as error:
            return error
        firsts.append(answer)
        return answer

    async def _same(self, group: Group, one: Hashable, other: Hashable) -> bool:
        if self._answers is not None:
            return await self._answers.same(one, other)
        assert self._model is not None  # noqa: S101  `check` has seen to it
        shown = {"task": task_text(group), "response_a": one, "response_b": other}
        prompt = self._prompt.render(group.scope() | shown)
        question = Question("same answer", prompt, ("same",), keep=True)
        reading = await self._asker.ask(self._model, group, question, 0)
        return reading.values["same"] > 0.5

    def _more(self, group: Group, options: Sequence[Option], cast: int) -> int:
        """Return how many candidates more the vote wants: none where it is clear, or where there are enough."""
        stop = self._config.stop
        if stop is None or not group.candidates:  # none at all: this seed cannot have any
            return 0
        left = stop.max_candidates - len(group.candidates)
        return 0 if decided(options, cast, left, stop) else min(stop.wave, left)

    def _verdict(
        self, voter: Candidate, answer: Hashable | CandidateError | None, options: Sequence[Option]
    ) -> Verdict:
        if isinstance(answer, CandidateError):
            return Verdict(None, reason=answer.reason, detail=answer.detail)
        if answer is None:
            return Verdict(False, reason="no_answer", detail="found no answer")
        winner, agreed = options[0], agreement(options)
        own = next(option for option in options if option.answer == answer)
        share = own.weight * agreed / winner.weight if winner.weight else 0.0
        data = {"ballots": own.weight, "winner": _shown(winner), "agreement": agreed}
        detail = f"{winner.weight:g} of {sum(option.weight for option in options):g} for {_shown(winner)}"
        if agreed < self._config.min_agreement:
            return Verdict(False, share, "no_agreement", f"{detail}; {self._config.min_agreement:.0%} are needed", data)
        if own is not winner:
            return Verdict(False, share, "outvoted", f"{detail}, {own.weight:g} for {_shown(own)}", data)
        if self._config.write is not None:
            voter.fields[self._config.write] = str(winner.answer)
        return Verdict(True, share, data=data)


def _shown(option: Option) -> str:
    """Return an answer on one line, cut where it is a whole response."""
    return f"{' '.join(str(option.answer)[:200].split()):.80}"
