"""Groups that come at a time are hashed together: whoever is cancelled or fails takes nobody along for good."""

from __future__ import annotations

import asyncio

import pytest
from decisions import MadeDecisions
from hypothesis import given, settings
from hypothesis import strategies as st

from config.schema import Dedupe
from stages.core.base import Place
from stages.core.record import Candidate, Group, Seed
from stages.dedupe.documents import Batch, Document, Measure
from stages.dedupe.online import OnlineDedupe


def stage() -> OnlineDedupe:
    config = Dedupe.model_validate({"mode": "online", "on": "response", "near": {}})
    return OnlineDedupe(Place("dedupe", 0), config, MadeDecisions())


def group(no: int, text: str) -> Group:
    return Group(Seed(no, f"s{no}", {}), [Candidate(0, text)])


@settings(max_examples=40)
@given(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 8), st.booleans()), min_size=1, max_size=12))
def test_whoever_is_cancelled_anywhere_leaves_the_others_their_verdicts(rows: list[tuple[int, int, bool]]) -> None:
    """Rows: the turns of the loop after which a group comes and is cancelled, and whether it is."""
    online = stage()

    async def come(no: int, turns: int) -> None:
        for _ in range(turns):
            await asyncio.sleep(0)
        await online.process(group(no, f"text number {no}"))

    async def scenario() -> list[object]:
        async with asyncio.timeout(5), asyncio.TaskGroup() as tasks:
            made = [tasks.create_task(come(no, turns)) for no, (turns, _, _) in enumerate(rows)]
            for turn in range(9):
                for task, (_, at, goes) in zip(made, rows, strict=True):
                    if goes and at == turn:
                        task.cancel()
                await asyncio.sleep(0)
        return [task.cancelled() for task in made]

    cancelled = asyncio.run(scenario())
    assert all(goes or not gone for gone, (_, _, goes) in zip(cancelled, rows, strict=True))


async def test_an_error_comes_to_all_of_its_batch_and_to_nobody_after_it(monkeypatch: pytest.MonkeyPatch) -> None:
    real, sizes = Measure.hashed, list[int]()

    def hashed(self: Measure, documents: list[Document]) -> Batch:
        sizes.append(len(documents))
        if any("broken" in one.parts[0] for one in documents):
            raise ValueError("cannot be hashed")
        return real(self, documents)

    monkeypatch.setattr(Measure, "hashed", hashed)
    online = stage()
    texts = ["one", "a broken one", "two"]
    async with asyncio.timeout(5):
        found = await asyncio.gather(
            *(online.process(group(no, text)) for no, text in enumerate(texts)), return_exceptions=True
        )
        assert [str(one) for one in found] == ["cannot be hashed"] * 3
        good = [group(no, f"good {no}") for no in range(4, 24)]
        await asyncio.gather(*map(online.process, good))
    assert all(one.live for one in good)
    assert sizes == [3, 20], "those who come in one turn of the loop are one batch"
