"""A group survives the ledger."""

from __future__ import annotations

import orjson
from hypothesis import given
from hypothesis import strategies as st
from stored_groups import LedgerOf

from stages.core.record import Candidate, Group, Seed, Verdict
from stages.io.store import Stored, pack, unpack

texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
numbers = st.floats(allow_nan=False, allow_infinity=False)
plain = st.dictionaries(texts, texts | numbers | st.none() | st.lists(texts, max_size=2), max_size=3)
turns = st.lists(st.fixed_dictionaries({"role": st.sampled_from(["user", "assistant"]), "content": texts}), max_size=3)
verdicts = st.builds(
    Verdict, st.sampled_from([True, False, None]), numbers | st.none(), texts, texts, st.just({}) | plain
)
candidates = st.builds(
    Candidate,
    st.integers(0, 9),
    texts,
    st.sampled_from(["generated", "derived", "given"]),
    plain,
    st.none() | texts,
    st.sampled_from(["stop", "length"]),
    st.none() | st.lists(plain, max_size=2),
    st.none() | turns,
    plain,
    st.dictionaries(texts, verdicts, max_size=3),
    st.dictionaries(texts, numbers, max_size=3),
    st.sampled_from(["live", "accepted", "rejected", "failed"]),
    texts,
    texts,
    texts,
)
seeds = st.builds(
    Seed, st.integers(0, 99), texts, plain, texts, st.none() | texts, st.none() | texts, st.none() | turns,
    st.none() | st.lists(plain, max_size=2),
)  # fmt: skip
groups = st.builds(Group, seeds, st.lists(candidates, max_size=4), wave=st.integers(0, 3), failure=texts)


@given(groups, st.sampled_from(["solved", "parked"]), st.integers(0, 3))
def test_unpacking_gives_what_was_packed(group: Group, state: str, phase: int) -> None:
    stored = unpack(*pack(group, state, phase))
    assert stored == Stored(group, state, phase)
    for candidate, again in zip(group.candidates, stored.group.candidates, strict=True):
        assert list(candidate.scores) == list(again.scores), "the last score ranks, so their order counts"


async def test_a_group_comes_back_from_a_real_ledger(ledger_of: LedgerOf) -> None:
    messages = [{"role": "user", "content": "a \u202e b\n\u2028"}]
    verdict = Verdict(False, 0.5, "wrong_answer", "3 is not 4", {"parsed": ["3", None]})
    group = Group(
        Seed(3, "é/1", {"q": "NUL \0 stays in a row", "n": 2**63}, "sums", "p", "r", messages, [{"type": "function"}]),
        [
            Candidate(0, "x" * 1_000_000, lineage={"endpoint": "m"}, prompt=messages, verdicts={"verify": verdict}),
            Candidate(1, "", "given", reasoning="", tool_calls=[], fields={"answer": "4"}, scores={"b": 1.0, "a": 0.0}),
        ],
        wave=2,
        failure="why",
    )
    reader = await ledger_of([(group, "parked")])
    ((seed_row, candidate_rows),) = reader.groups()
    assert unpack(seed_row, candidate_rows) == Stored(group, "parked", 0)


def test_a_prompt_that_several_candidates_were_asked_is_stored_once() -> None:
    prompts = [[{"role": "user", "content": letter * 10_000}] for letter in "ab"]
    group = Group(
        Seed(0, "s", {}, messages=prompts[0]),
        [Candidate(n, "", prompt=[dict(prompts[n % 2][0])]) for n in range(8)],
    )
    seed_row, candidate_rows = pack(group, "solved", 0)
    assert len(seed_row.data) + sum(len(row.data) for row in candidate_rows) < 21_000
    assert orjson.loads(candidate_rows[3].data) == {"prompt": 1}
