"""Groups walk through stages and phases: all of them, once, in bounded memory, whatever the stages do."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from memory_store import Memory

from stages.core.base import Again, Emit, Outcome, PhaseStage, Place, Stage
from stages.core.errors import CandidateError, RunStopped
from stages.core.events import Event, GroupSettled
from stages.core.record import Candidate, Group, Seed, Verdict
from stages.pipeline import Pipeline, Sizes


class Yielding(Stage):
    """Gives way `turns` times, then rejects every candidate whose text holds its name."""

    turns = 1

    async def process(self, group: Group) -> Outcome:
        for _ in range(self.turns):
            await asyncio.sleep(0)
        for candidate in self.chosen(group):
            self.judge(group, candidate, Verdict(self.name not in candidate.text, reason="named"))
        return None


class Barrier(PhaseStage):
    """Keeps the first candidate it ever sees of each text."""

    passes = 2

    def __init__(self, place: Place) -> None:
        super().__init__(place)
        self.surveyed: list[int] = []
        self.decided: list[int] = []
        self.seen: set[str] = set()

    async def survey(self, group: Group) -> None:
        self.surveyed.append(group.seed.no)

    async def process(self, group: Group) -> Outcome:
        self.decided.append(group.seed.no)
        for candidate in group.live:
            self.judge(group, candidate, Verdict(candidate.text not in self.seen, reason="duplicate"))
            self.seen.add(candidate.text)
        return None


async def stream(groups: Iterable[Group]) -> AsyncIterator[Group]:
    for group in groups:
        yield group


def groups_of(texts: list[list[str]]) -> list[Group]:
    return [
        Group(Seed(no, f"s{no}", {}), [Candidate(n, text, "given") for n, text in enumerate(row)])
        for no, row in enumerate(texts)
    ]


@settings(max_examples=60, deadline=None)
@given(
    texts=st.lists(st.lists(st.sampled_from(["a", "b", "c", "ab", "z"]), max_size=3), max_size=30),
    rooms=st.lists(st.sampled_from(["a", "b", "c", "|"]), max_size=6),
    in_flight=st.integers(1, 8),
    workers=st.integers(1, 4),
    queue=st.integers(1, 3),
)
def test_every_group_is_settled_once_whatever_the_stages_and_sizes(
    texts: list[list[str]], rooms: list[str], in_flight: int, workers: int, queue: int
) -> None:
    store, peak = Memory(), 0

    async def scenario() -> None:
        nonlocal peak
        stages: list[Stage] = [
            (Barrier if room == "|" else Yielding)(Place(f"phase{depth}" if room == "|" else room, depth))
            for depth, room in enumerate(rooms)
        ]

        def observe(event: Event) -> None:
            nonlocal peak
            peak = max(peak, sum(flow.in_flight for flow in pipeline.flows))

        pipeline = Pipeline(stages, store, Sizes(in_flight, workers, queue), observe)
        async with asyncio.timeout(10):
            await pipeline.run(stream(groups_of(texts)))
        assert sum(flow.in_flight for flow in pipeline.flows) == 0

    asyncio.run(scenario())
    assert sorted(store.settled) == list(range(len(texts)))
    assert store.parked == {}
    assert peak <= in_flight
    names = {room for room in rooms if room != "|"}
    for no, (state, group, _) in store.settled.items():
        survivors = [text for text in texts[no] if not names & set(text)]
        if "|" not in rooms:
            assert [c.text for c in group.candidates if c.state == "accepted"] == survivors
        assert (state == "solved") == any(c.state == "accepted" for c in group.candidates)


async def test_a_phase_stage_sees_every_group_in_canonical_order_before_it_decides() -> None:
    store, barrier = Memory(), Barrier(Place("phase", 1))
    pipeline = Pipeline([Yielding(Place("q", 0)), barrier, Yielding(Place("r", 2))], store, Sizes(4, 4, 2))
    await pipeline.run(stream(reversed(groups_of([["x"], ["x", "y"], ["y"], ["qz"]]))))
    assert barrier.surveyed == barrier.decided == [0, 1, 2]
    assert {no: state for no, (state, _, _) in store.settled.items()} == {
        0: "solved",
        1: "solved",
        2: "unsolved",
        3: "unsolved",
    }


class OnSeeds(Yielding):
    """Looks at every seed, and notes which."""

    on_seeds = True

    def __init__(self, place: Place) -> None:
        super().__init__(place)
        self.seen: list[int] = []

    async def process(self, group: Group) -> Outcome:
        self.seen.append(group.seed.no)
        return await super().process(group)


@pytest.mark.parametrize("sees_seeds", [True, False])
async def test_a_stage_on_seeds_behind_a_phase_sees_the_fallen_ones_too(sees_seeds: bool) -> None:
    last = (OnSeeds if sees_seeds else Yielding)(Place("last", 3))
    between = Yielding(Place("between", 2))
    between.chosen = lambda group: pytest.fail("it works on no seed") if not group.live else []  # type: ignore[method-assign]
    store = Memory()
    stages = [Yielding(Place("first", 0)), Barrier(Place("b", 1)), between, last]
    await Pipeline(stages, store, Sizes(2, 1, 1)).run(stream(groups_of([["first"], ["x"], ["x"]])))
    assert {no: state for no, (state, _, _) in store.settled.items()} == {0: "unsolved", 1: "solved", 2: "unsolved"}
    assert {no: phase for no, (_, _, phase) in store.settled.items()}[0] == (1 if sees_seeds else 0)
    if isinstance(last, OnSeeds):
        assert sorted(last.seen) == [0, 1, 2]


async def test_a_candidate_error_fails_its_candidate_and_not_its_siblings() -> None:
    class Picky(Stage):
        async def process(self, group: Group) -> None:
            async def look(_: Group, candidate: Candidate) -> Verdict:
                if candidate.text == "bad":
                    raise CandidateError("refused", "the provider's words")
                return Verdict(True)

            await self.judge_each(group, look)

    store = Memory()
    await Pipeline([Picky(Place("picky", 0))], store, Sizes(2, 2, 2)).run(stream(groups_of([["bad", "good"]])))
    bad, good = store.settled[0][1].candidates
    assert (bad.state, bad.reason, bad.detail) == ("failed", "refused", "the provider's words")
    assert good.state == "accepted"


async def test_an_error_of_a_stage_ends_the_run_unwrapped_and_stops_every_stage() -> None:
    class Stopping(Stage):
        stopped = False

        async def process(self, group: Group) -> None:
            raise RunStopped("dead key")

        async def stop(self) -> None:
            self.stopped = True

    stage = Stopping(Place("stopping", 0))
    with pytest.raises(RunStopped, match="dead key"):
        await Pipeline([stage], Memory(), Sizes(2, 2, 2)).run(stream(groups_of([["x"], ["y"]])))
    assert stage.stopped


async def test_again_sends_a_group_back_to_where_candidates_are_made_until_it_asks_no_more() -> None:
    class Adding(Stage):
        makes_candidates = True

        async def process(self, group: Group) -> None:
            group.candidates.append(Candidate(len(group.candidates), "x"))

    class Wanting(Stage):
        async def process(self, group: Group) -> Outcome:
            return Again(1) if len(group.candidates) < 3 else None

    store = Memory()
    pipeline = Pipeline([Adding(Place("add", 0)), Wanting(Place("want", 1))], store, Sizes(1, 1, 1))
    await pipeline.run(stream(groups_of([[], []])))
    assert [len(group.candidates) for _, group, _ in store.settled.values()] == [3, 3]


async def test_a_seed_whose_candidates_all_failed_is_failed_and_one_rejection_makes_it_unsolved() -> None:
    store, told = Memory(), []
    pipeline = Pipeline([Yielding(Place("a", 0))], store, Sizes(2, 2, 2), told.append)
    await pipeline.run(stream(groups_of([[], ["a"]])))
    assert {no: state for no, (state, _, _) in store.settled.items()} == {0: "failed", 1: "unsolved"}
    assert {event.outcome for event in told if isinstance(event, GroupSettled)} == {"failed", "unsolved"}


class Hatching(Stage):
    """Turns every candidate of a source's seed into a seed, and gives each of those one candidate."""

    async def process(self, group: Group) -> Outcome:
        if group.seed.parent_id:
            group.candidates.append(Candidate(0, group.seed.row["text"]))
            return None
        seeds = [group.seed.child(n, {"text": candidate.text}) for n, candidate in enumerate(group.candidates)]
        group.candidates.clear()
        return Emit(seeds)


class Laying(Hatching):
    """What stands after it: gives each hatched seed its candidate."""


@pytest.mark.parametrize("phase", [False, True])
@pytest.mark.parametrize("sizes", [Sizes(1, 1, 1), Sizes(4, 2, 2)])
async def test_a_seed_that_gave_others_is_settled_after_all_of_them(phase: bool, sizes: Sizes) -> None:
    store, told = Memory(), []
    rooms: list[Stage] = [Hatching(Place("hatch", 0)), Laying(Place("lay", 1))]
    rooms += [Barrier(Place("phase", 2))] if phase else []
    texts = [["a", "b", "c"], [], ["d"]]
    async with asyncio.timeout(10):
        await Pipeline(rooms, store, sizes, told.append).run(stream(groups_of(texts)))
    states = {group.seed.id: state for state, group, _ in store.settled.values()}
    assert states == {
        "s0": "expanded",
        "s0.0": "solved",
        "s0.1": "solved",
        "s0.2": "solved",
        "s1": "failed",
        "s2": "expanded",
        "s2.0": "solved",
    }
    assert [event.outcome for event in told if isinstance(event, GroupSettled)].count("expanded") == 2


async def test_children_that_an_earlier_process_settled_are_not_made_again() -> None:
    store = Memory()
    first = groups_of([["a", "b"]])[0]
    done = Group(first.seed.child(0, {"text": "a"}))
    store.settled[done.seed.no] = ("solved", done, 0)
    rooms: list[Stage] = [Hatching(Place("hatch", 0)), Laying(Place("lay", 1))]
    await Pipeline(rooms, store, Sizes(2, 2, 2)).run(stream([first]))
    assert store.settled[done.seed.no][1] is done
    assert {state for state, _, _ in store.settled.values()} == {"solved", "expanded"}
