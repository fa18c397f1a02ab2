"""Groups whose stages ask for what comes later: they wait in the store, and walk on from where they asked."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from functools import partial

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from memory_store import Memory

from queues.ledger import CandidateRow, SeedRow
from stages.core.base import Again, Emit, Outcome, PhaseStage, Place, Postponed, Stage, collect
from stages.core.errors import RunStopped
from stages.core.record import Candidate, Group, Seed, Verdict
from stages.io.store import pack, unpack
from stages.pipeline import Pipeline, Sizes


class Post:
    """What is asked for comes with the next delivery, and is asked for once only after its group is in the store."""

    def __init__(self, store: Memory) -> None:
        self.store, self.sent, self.here = store, Counter[str](), set[str]()
        self.line: Pipeline | None = None

    async def ask(self, no: int, key: str) -> None:
        await asyncio.sleep(0)
        if key not in self.here:
            raise Postponed(partial(self.send, no, key))

    def send(self, no: int, key: str) -> None:
        assert no in self.store.parked, "a request leaves only when its group is safe"
        self.sent[key] += 1

    async def arrive(self) -> None:
        assert self.line is not None
        assert sum(flow.in_flight for flow in self.line.flows) == 0, "groups wait in the store, not in memory"
        await asyncio.sleep(0)
        self.here |= self.sent.keys()


class Rows(Memory):
    """A store that keeps rows, as the ledger does, so that nothing survives in an object."""

    def __init__(self) -> None:
        super().__init__()
        self.rows: dict[int, tuple[SeedRow, list[CandidateRow]]] = {}

    async def park(self, group: Group, phase: int) -> None:
        self.rows[group.seed.no] = pack(group, "parked", phase)
        await super().park(group, phase)

    async def waiting(self, phase: int) -> AsyncIterator[Group]:
        async for group in super().waiting(phase):
            yield unpack(*self.rows[group.seed.no]).group


class Making(Stage):
    """Makes two candidates a wave, each of one request."""

    makes_candidates = True

    def __init__(self, place: Place, post: Post) -> None:
        super().__init__(place)
        self.post = post

    async def process(self, group: Group) -> Outcome:
        first = len(group.candidates)

        async def make(n: int) -> Candidate:
            await self.post.ask(group.seed.no, f"{group.seed.id} make {n}")
            return Candidate(n, f"{group.seed.id}/{n}")

        group.candidates += await collect(make, range(first, first + (group.more or 2)))
        return None


class Judging(Making):
    """Rejects every third candidate, after two requests one behind the other."""

    makes_candidates = False

    async def process(self, group: Group) -> Outcome:
        async def verdict(group: Group, candidate: Candidate) -> Verdict:
            for part in ("first", "second"):
                await self.post.ask(group.seed.no, f"{group.candidate_id(candidate)} {self.name} {part}")
            return Verdict(candidate.n % 3 != 0, reason="third")

        await self.judge_each(group, verdict)
        return None


class OnceMore(Stage):
    """Wants one wave more of every seed."""

    on_seeds = True

    async def process(self, group: Group) -> Outcome:
        return Again(1) if group.wave == 0 else None


class Hatching(Making):
    """Makes two seeds of every seed, after a request."""

    on_seeds = True

    async def process(self, group: Group) -> Outcome:
        await self.post.ask(group.seed.no, f"{group.seed.id} hatch")
        return Emit([group.seed.child(n, {}) for n in range(2)])


class Meeting(PhaseStage):
    """Sees every group once."""

    def __init__(self, place: Place) -> None:
        super().__init__(place)
        self.met: list[int] = []

    async def process(self, group: Group) -> Outcome:
        self.met.append(group.seed.no)
        return None


async def seeds(count: int) -> AsyncIterator[Group]:
    for no in range(count):
        yield Group(Seed(no, f"s{no}", {}))


def a_line(post: Post, hatch: bool, size: int) -> tuple[Pipeline, Meeting]:
    meeting = Meeting(Place("meet", 4))
    stages: list[Stage] = [Hatching(Place("hatch", 0), post)] if hatch else []
    stages += [Making(Place("make", 1), post), Judging(Place("judge", 2), post), OnceMore(Place("more", 3))]
    stages += [meeting, Judging(Place("last", 5), post)]
    post.line = Pipeline(stages, post.store, Sizes(size, size, size), arrive=post.arrive)
    return post.line, meeting


@settings(max_examples=25, deadline=None)
@given(count=st.integers(0, 7), size=st.integers(1, 5), hatch=st.booleans())
def test_every_request_is_sent_once_and_every_group_ends_as_if_replies_came_at_once(
    count: int, size: int, hatch: bool
) -> None:
    post = Post(Rows())
    line, meeting = a_line(post, hatch, size)
    asyncio.run(line.run(seeds(count)))
    assert set(post.sent.values()) <= {1}
    out = {no: group for no, (state, group, _) in post.store.settled.items() if state != "expanded"}
    assert len(out) == count * (2 if hatch else 1)
    assert sorted(meeting.met) == sorted(out), "each of them meets once, whatever it waits for behind"
    for group in out.values():
        assert [candidate.n for candidate in group.candidates] == [0, 1, 2]
        assert [candidate.state for candidate in group.candidates] == ["rejected", "accepted", "accepted"]
        assert all(len(candidate.verdicts) >= 1 for candidate in group.candidates)


@pytest.mark.parametrize("died_at", range(5))
def test_a_run_that_dies_between_deliveries_goes_on_from_its_store(died_at: int) -> None:
    """What waits at a stage behind a phase stage is not decided again; what was sent already is not sent again."""
    post = Post(Rows())
    line, first = a_line(post, False, 3)
    deliveries = 0

    async def mortal() -> None:
        nonlocal deliveries
        if deliveries == died_at:
            raise RunStopped("killed")
        deliveries += 1
        await post.arrive()

    line = Pipeline(line.stages, post.store, Sizes(3, 3, 3), arrive=mortal)
    post.line = line
    with pytest.raises(RunStopped):
        asyncio.run(line.run(seeds(5)))
    post.here |= post.sent.keys()  # they came while nobody ran
    line, second = a_line(post, False, 3)
    fresh = (Group(Seed(no, f"s{no}", {})) for no in range(5) if post.store.fresh(Seed(no, f"s{no}", {})))

    async def rest() -> AsyncIterator[Group]:
        for group in fresh:
            yield group

    asyncio.run(line.run(rest()))
    assert sorted(post.store.settled) == list(range(5))
    assert set(post.sent.values()) == {1}
    assert sorted(first.met + second.met) == list(range(5))


async def test_what_is_postponed_waits_for_its_siblings_and_takes_their_requests_along() -> None:
    asked: list[str] = []
    done: list[str] = []

    async def work(name: str) -> None:
        if name in "ab":
            raise Postponed(partial(asked.append, name))
        for _ in range(3):
            await asyncio.sleep(0)
        done.append(name)

    async def nested(names: str) -> None:
        await collect(work, names)

    with pytest.raises(Postponed) as postponed:
        await collect(nested, ["axy", "z", "b"])
    assert sorted(done) == ["x", "y", "z"]
    for do in postponed.value.then:
        do()
    assert sorted(asked) == ["a", "b"]
