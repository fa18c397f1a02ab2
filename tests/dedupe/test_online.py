"""Online dedupe in a pipeline: whoever comes first claims its text, and who fell gives it back to its twins."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Iterable, Sequence
from itertools import combinations
from typing import Any

import pytest
from decisions import MadeDecisions
from hypothesis import given, settings
from hypothesis import strategies as st
from memory_store import Memory

from config.schema import Dedupe, Select
from stages.core.base import Outcome, Place, Stage
from stages.core.record import Candidate, Group, Seed, Verdict
from stages.dedupe.documents import Document, Measure
from stages.dedupe.online import OnlineDedupe, ReviveStage
from stages.judge.select import SelectStage
from stages.pipeline import Pipeline, Sizes

WORDS = [f"w{i}" for i in range(40)]
SIZES = Sizes(4, 4, 2)


class Doom(Stage):
    """Gives way, then rejects whom it was told to: the judge that a claimant may fall to."""

    async def process(self, group: Group) -> Outcome:
        for _ in range(group.seed.row.get("turns", 1)):
            await asyncio.sleep(0)
        for candidate in self.chosen(group):
            self.judge(group, candidate, Verdict(not candidate.fields["doomed"], reason="doomed"))
        return None


def group(no: int, *texts: str, doomed: str = "", turns: int = 1) -> Group:
    """A group of given texts; `doomed` are the numbers of those that will fall."""
    made = [Candidate(n, text, "given", fields={"doomed": str(n) in doomed}) for n, text in enumerate(texts)]
    return Group(Seed(no, f"s{no}", {"turns": turns}), made)


async def stream(groups: Iterable[Group]) -> AsyncIterator[Group]:
    for one in groups:
        yield one


def stages(*later: Stage, **config: Any) -> list[Stage]:
    dedupe = Dedupe.model_validate({"mode": "online", "on": "response", **config})
    online = OnlineDedupe(Place("dedupe", 0), dedupe, MadeDecisions())
    return [online, Doom(Place("doom", 1)), ReviveStage(Place("dedupe.revive", 2), "dedupe"), *later]


async def run(groups: Sequence[Group], store: Memory | None = None, sizes: Sizes = SIZES, **config: Any) -> Memory:
    store = store or Memory()
    fresh = [one for one in groups if one.seed.no not in store.settled and one.seed.no not in store.parked]
    async with asyncio.timeout(20):
        await Pipeline(stages(**config), store, sizes).run(stream(fresh))
    assert store.parked == {}
    return store


def all_of(store: Memory) -> dict[str, Candidate]:
    return {one.candidate_id(c): c for _, one, _ in store.settled.values() for c in one.candidates}


def accepted(store: Memory) -> list[str]:
    return [id_ for id_, candidate in sorted(all_of(store).items()) if candidate.state == "accepted"]


letters = st.lists(st.tuples(st.sampled_from("abc"), st.booleans()), max_size=4)
many = st.lists(st.tuples(letters, st.integers(0, 6)), max_size=12)
sizes = st.builds(Sizes, st.integers(1, 6), st.integers(1, 4), st.integers(1, 3))


def groups_of(rows: Sequence[tuple[Sequence[tuple[str, bool]], int]]) -> list[Group]:
    return [
        group(
            no, *(text for text, _ in row), doomed="".join(str(n) for n, (_, dead) in enumerate(row) if dead), turns=t
        )
        for no, (row, t) in enumerate(rows)
    ]


@settings(max_examples=80)
@given(many, sizes, st.integers(1, 3), st.integers(0, 12))
def test_as_many_of_each_text_stay_as_may_whoever_falls_and_whenever_the_run_was_cut(
    rows: list[tuple[list[tuple[str, bool]], int]], sizes: Sizes, per_cluster: int, cut: int
) -> None:
    """So no claimant's fall loses a twin, and never do both of a pair go."""

    async def scenario() -> Memory:
        keep = {"per_cluster": per_cluster}
        store = await run(groups_of(rows[:cut]), sizes=sizes, keep=keep)
        return await run(groups_of(rows), store, sizes, keep=keep)

    store = asyncio.run(scenario())
    assert sorted(store.settled) == list(range(len(rows)))
    made = all_of(store)
    good = Counter(c.text for c in made.values() if not c.fields["doomed"])
    stayed = Counter(c.text for c in made.values() if c.state == "accepted")
    assert stayed == Counter({text: min(count, per_cluster) for text, count in good.items()})
    for candidate in made.values():
        if candidate.reason == "duplicate":
            twin = made[candidate.verdicts["dedupe"].data["twin"]]
            assert twin.text == candidate.text
            assert twin.state == "accepted"


shifts = st.lists(st.tuples(st.integers(0, 5), st.booleans()), max_size=3)


@settings(max_examples=60)
@given(st.lists(st.tuples(shifts, st.integers(0, 4)), max_size=10), sizes)
def test_near_twins_that_are_not_all_twins_of_each_other_are_kept_apart_too(
    rows: list[tuple[list[tuple[int, bool]], int]], sizes: Sizes
) -> None:
    """Texts are windows over words: the next one is a twin, the one after that is not."""
    texts = [([(" ".join(WORDS[at : at + 24]), dead) for at, dead in row], turns) for row, turns in rows]
    store = asyncio.run(run(groups_of(texts), sizes=sizes, near={"threshold": 0.85}))
    made = all_of(store)
    measure = Measure(Dedupe.model_validate({"near": {"threshold": 0.85}}))

    def twins(one: str, other: str) -> bool:
        batch = measure.hashed([Document((one,)), Document((other,))])
        return measure.likeness(batch[0], batch[1]) is not None

    stay = [made[id_] for id_ in accepted(store)]
    assert not any(twins(one.text, other.text) for one, other in combinations(stay, 2))
    for candidate in made.values():
        if candidate.reason == "duplicate":
            twin = made[candidate.verdicts["dedupe"].data["twin"]]
            assert twin.state == "accepted"
            assert twins(twin.text, candidate.text)


async def test_twins_of_an_open_claim_wait_out_of_memory_and_are_not_judged_before_it_is_decided():
    """The first one's judge waits till all the others are parked, far more than are admitted."""
    parked = asyncio.Event()

    class Parking(Memory):
        async def park(self, group: Group, phase: int) -> None:
            await super().park(group, phase)
            if len(self.parked) == 99:
                parked.set()

    class Slow(Doom):
        async def process(self, group: Group) -> Outcome:
            if group.seed.no == 0:
                await parked.wait()
            return await super().process(group)

    store, rooms = Parking(), stages()
    rooms[1] = Slow(Place("doom", 1))
    async with asyncio.timeout(20):
        await Pipeline(rooms, store, Sizes(2, 2, 1)).run(stream([group(no, "same") for no in range(100)]))
    assert accepted(store) == ["s0/0"]
    judged = [one.seed.id for _, one, _ in store.settled.values() if "doom" in one.candidates[0].verdicts]
    assert judged == ["s0"], "no duplicate was paid for"


async def test_where_all_twins_are_bad_every_one_gets_its_turn():
    store = await run([group(no, "same", "same", doomed="01", turns=3) for no in range(8)])
    assert {(c.stage, c.reason) for c in all_of(store).values()} == {("doom", "doomed")}


async def test_a_twin_of_the_same_seed_comes_back_before_the_candidates_are_compared():
    rooms = stages(SelectStage(Place("select", 3), Select(name="select", top=1)))
    one = group(0, "same", "same", "other", doomed="0")
    store = Memory()
    await Pipeline(rooms, store, SIZES).run(stream([one]))
    assert [c.state for c in one.candidates] == ["rejected", "accepted", "rejected"]
    assert [c.stage for c in one.candidates] == ["doom", "", "select"]


async def test_scope_seed_knows_no_other_seeds():
    store = await run([group(0, "a", "a", doomed="0"), group(1, "a")], scope="seed")
    assert accepted(store) == ["s0/1", "s1/0"]


async def test_on_prompt_a_question_stays_claimed_while_one_of_its_answers_lives():
    def asked(no: int, doomed: str) -> Group:
        made = group(no, "x", "y", doomed=doomed)
        made.seed.messages = [{"role": "user", "content": "What?"}]
        return made

    store = await run([asked(0, "0"), asked(1, "")], on="prompt")
    assert accepted(store) == ["s0/1"]
    store = await run([asked(0, "01"), asked(1, "")], on="prompt")
    assert accepted(store) == ["s1/0", "s1/1"]


async def test_what_exists_already_is_claimed_for_good(tmp_path: Any):
    (tmp_path / "old.jsonl").write_text('{"prompt": "p", "response": "Same"}\n')
    store = await run([group(0, "same"), group(1, "other")], existing={"path": str(tmp_path / "old.jsonl")})
    assert accepted(store) == ["s1/0"]
    assert all_of(store)["s0/0"].verdicts["dedupe"].data["twin"] == "old.jsonl:1"


@pytest.mark.parametrize("documents", [1, 5])
async def test_the_size_of_the_index_is_written_down(documents: int):
    decisions = MadeDecisions()
    config = Dedupe.model_validate({"mode": "online", "on": "response", "near": {}})
    rooms: list[Stage] = [OnlineDedupe(Place("dedupe", 0), config, decisions)]
    await Pipeline(rooms, Memory(), SIZES).run(stream([group(no, f"text {no}") for no in range(documents)]))
    ((kind, scope, body),) = decisions.rows
    assert (kind, scope, body["documents"]) == ("index", "dedupe", documents)
