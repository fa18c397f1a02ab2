"""The stage protocol: what a room of the pipeline must do, and what it is given to do it with."""

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable, Coroutine, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Literal, Protocol, TypeVar

from stages.core.errors import CandidateError
from stages.core.events import Observe, VerdictGiven
from stages.core.record import Candidate, Group, Seed, Verdict

T = TypeVar("T")
R = TypeVar("R")
Where = Callable[[dict[str, Any]], bool]


@dataclass(frozen=True, slots=True)
class Again:
    """The group wants another wave of `candidates` more."""

    candidates: int


@dataclass(frozen=True, slots=True)
class Emit:
    """The group gave seeds of its own; it is expanded once all of them are out."""

    seeds: Sequence[Seed]


@dataclass(frozen=True, slots=True)
class Wait:
    """The group cannot go on before others have left the phase: it waits in the store, and comes in here again.

    `then` is done once it is safe there.
    """

    then: Sequence[Callable[[], None]] = ()


Outcome = Again | Emit | Wait | None


class Postponed(Exception):
    """A stage asked for what will be there later only: its group waits in the store. `then` is as in `Wait`.

    So a stage asks first and changes its group afterwards, or knows when it comes again what it has changed.
    """

    def __init__(self, *then: Callable[[], None]) -> None:
        super().__init__("postponed")
        self.then = then


class Decisions(Protocol):
    """Where decisions that depend on other seeds are kept: committed before they are acted on, replayed on resume."""

    def made(self, kind: str) -> Iterator[tuple[str, Any]]:
        """Yield scope and body of the decisions of earlier processes, in the order in which they were taken."""
        ...

    async def make(self, kind: str, scope: str, body: Any) -> None:
        """Commit a decision."""
        ...


@dataclass(frozen=True, slots=True)
class Place:
    """Where a stage stands: its name, its depth in the pipeline (0 first), what it does to whom it does not like."""

    name: str
    depth: int
    action: Literal["reject", "mark"] = "reject"
    where: Where | None = None
    observe: Observe | None = None


class Tool(Protocol):
    """What has to be made ready before it is used: worker processes, a sandbox."""

    async def start(self) -> None:
        """Make ready. Raises InputError where it cannot work."""
        ...

    async def stop(self) -> None:
        """Release what `start` took."""
        ...


class Equipped:
    """Whatever works with tools: it is ready when they are."""

    tools: Sequence[Tool] = ()

    async def start(self) -> None:
        """Make ready before the first group (self-tests, worker processes). Raises InputError where it cannot work."""
        for tool in self.tools:
            await tool.start()

    async def stop(self) -> None:
        """Release what `start` took. Called once, whatever happened."""
        for tool in self.tools:
            await tool.stop()


class Stage(Equipped, ABC):
    """One step of the pipeline. `process` works on a group in place; concurrency inside a group is the stage's own."""

    on_seeds: ClassVar[bool] = False
    """Whether it works on seeds, so that a group without live candidates goes on to it and past it."""

    makes_candidates: ClassVar[bool] = False
    """Whether a group comes back to it for another wave."""

    def __init__(self, place: Place) -> None:
        self.name, self.depth, self.action = place.name, place.depth, place.action
        self._where, self._observe = place.where, place.observe

    @abstractmethod
    async def process(self, group: Group) -> Outcome:
        """Work on the group's live candidates; return None to pass it on."""

    def left(self, group: Group) -> None:
        """Be told of every group that is done, or parked, after it has come as far as this phase lets it."""

    def chosen(self, group: Group) -> list[Candidate]:
        """Return the live candidates that `where` lets in and that this stage has not judged in an earlier wave."""
        where = self._where
        live = [candidate for candidate in group.live if self.name not in candidate.verdicts]
        if where is None:
            return live
        chosen = []
        for candidate in live:
            try:
                if where(group.scope(candidate)):
                    chosen.append(candidate)
            except CandidateError as error:
                self.judge(group, candidate, Verdict(None, reason=error.reason, detail=error.detail))
        return chosen

    def takes(self, group: Group) -> bool:
        """Tell whether `where` lets a seed in; where that cannot be told it does not, and the group says why."""
        try:
            return self._where is None or self._where(group.scope())
        except CandidateError as error:
            group.failure = error.detail
            return False

    def judge(self, group: Group, candidate: Candidate, verdict: Verdict) -> None:
        """Record a verdict; a failing one rejects (or only marks), an unreadable one fails the candidate."""
        candidate.verdicts[self.name] = verdict
        outcome: Literal["passed", "rejected", "failed", "marked"] = "passed"
        if verdict.passed is None:
            outcome = "failed"
            group.fail(candidate, self.name, verdict.reason, verdict.detail)
        elif not verdict.passed:
            outcome = "marked" if self.action == "mark" else "rejected"
            if self.action == "reject":
                group.reject(candidate, self.name, verdict.reason, verdict.detail)
        self._tell(outcome, verdict.reason)

    def _tell(self, outcome: Literal["passed", "rejected", "failed", "marked"], reason: str = "") -> None:
        if self._observe is not None:
            self._observe(VerdictGiven(self.name, outcome, reason))

    async def judge_each(self, group: Group, verdict_of: Callable[[Group, Candidate], Awaitable[Verdict]]) -> None:
        """Judge the chosen candidates concurrently. A CandidateError fails its own candidate and no other."""

        async def one(candidate: Candidate) -> None:
            try:
                verdict = await verdict_of(group, candidate)
            except CandidateError as error:
                verdict = Verdict(None, reason=error.reason, detail=error.detail)
            self.judge(group, candidate, verdict)

        await collect(one, self.chosen(group))


class PhaseStage(Stage):
    """A stage that must see every group before it can decide: it gets them all in canonical order, then again.

    The groups are streamed `passes` times: through `survey` in all passes but the last, also those that an earlier
    process let pass already; in the last one those that wait go through `process`.
    """

    passes: int = 1

    async def survey(self, group: Group) -> None:
        """Look at a group without deciding."""


class ClaimStage(Stage):
    """A stage where groups claim what others then cannot have, until they fall; it may return `Wait`.

    A waiting group has no claims. It comes in here again, in a round of all that wait, when no group is on its way.
    """

    async def replay(self, group: Group, *, on_its_way: bool) -> None:
        """Remember what a group that is past this stage has claimed. Called before the first group comes.

        `on_its_way`: it has not left the phase, so what it claims is provisional.
        """


async def collect(work: Callable[[T], Coroutine[Any, Any, R]], items: Iterable[T]) -> list[R]:
    """Run `work` on every item concurrently; return the results in order. One item costs no task.

    The first error cancels the rest and is raised. What is postponed cancels nothing: it is raised when all others are
    done, and everything asked for stands in it.
    """
    items = list(items)
    if len(items) < 2:
        return [await work(item) for item in items]
    results: dict[int, R] = {}
    then: list[Callable[[], None]] = []

    async def one(at: int, item: T) -> None:
        try:
            results[at] = await work(item)
        except Postponed as postponed:
            then.extend(postponed.then)

    try:
        async with asyncio.TaskGroup() as tasks:
            for at, item in enumerate(items):
                tasks.create_task(one(at, item))
    except BaseExceptionGroup as errors:
        raise first_error(errors) from None
    if len(results) < len(items):
        raise Postponed(*then)
    return [results[at] for at in range(len(items))]


def first_error(error: BaseException) -> BaseException:
    """Return the first error inside nested groups: a TaskGroup's wrapping tells the person nothing."""
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error
