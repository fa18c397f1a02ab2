"""Which rows an export takes: splits, sizes, shards, order and likeness."""

from __future__ import annotations

import tempfile
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast

import orjson
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st
from stored_groups import LedgerOf, accepted, exported, group, rejected

from config.outputs import Split as SplitConfig
from config.schema import Output
from queues.ledger.reader import GroupRows, Reader
from service.exports.alike import NearRows
from stages.core.record import Candidate, Group, Seed, Verdict
from stages.io.exports.export import Written
from stages.io.exports.split import TRAIN, VALIDATION, Split
from stages.io.outputs import export
from stages.io.store import pack

SFT = Output(format="sft", prompt="{{ question }}")
HALF = SplitConfig(validation=0.5)


def output(**more: Any) -> Output:
    return SFT.model_validate(SFT.model_dump() | more)


def answers(path: Path) -> list[str]:
    return [orjson.loads(line)["messages"][-1]["content"] for line in path.read_bytes().splitlines()]


def files(folder: Path) -> dict[str, list[str]]:
    return {path.name: answers(path) for path in sorted(folder.glob("*.jsonl"))}


def many(reader: Reader, one: Output, folder: Path) -> dict[str, Written]:
    written = export(reader, one, folder / f"sft.{one.file}", NearRows)
    return {path.name: held for path, held in written.items()}


def twin_of(name: str) -> dict[str, Verdict]:
    return {"dedupe": Verdict(True, data={"twin": name})}


seeds = st.lists(
    st.tuples(
        st.integers(0, 5),  # the root
        st.none() | st.integers(0, 19),  # a twin's number
        st.sampled_from(["{}", "{}/0", "old.jsonl:{}"]),  # and how a dedupe calls it
    ),
    min_size=1,
    max_size=20,
)


def related(drawn: list[tuple[int, int | None, str]]) -> list[Group]:
    groups = []
    for no, (root, twin, called) in enumerate(drawn):
        verdicts = {} if twin is None else twin_of(called.format(f"s{twin}"))
        seed = Seed(no, f"s{no}", {"question": f"{no}?"}, parent_id=f"r{root}", root_id=f"r{root}")
        groups.append(Group(seed, [accepted(str(no), verdicts=verdicts)]))
    return groups


@given(seeds, st.randoms(use_true_random=False))
def test_no_root_and_no_cluster_stands_in_both_parts(drawn: list[tuple[int, int | None, str]], random: Any) -> None:
    """Also along chains of twins; and the order in which groups are seen decides nothing."""
    groups = related(drawn)
    split, other = Split(HALF), Split(HALF)
    for one in groups:
        split.see(one)
    for one in random.sample(groups, len(groups)):
        other.see(one)
    parts = {one.seed.id: split.part(one) for one in groups}
    assert set(parts.values()) <= {TRAIN, VALIDATION}
    assert parts == {one.seed.id: other.part(one) for one in groups}
    by_root, by_name = defaultdict(set), defaultdict(set)
    for one in groups:
        by_root[one.seed.root].add(parts[one.seed.id])
        for verdict in one.candidates[0].verdicts.values():
            twin = verdict.data["twin"].removesuffix("/0")
            by_name[twin].add(parts[one.seed.id])
            by_name[twin].add(parts.get(twin, parts[one.seed.id]))
    assert all(len(found) == 1 for found in [*by_root.values(), *by_name.values()])


def test_a_split_by_seed_parts_the_children_of_one_root_but_no_twins() -> None:
    split = Split(SplitConfig(validation=0.5, by="seed"))
    groups = related([(0, None, "")] * 20 + [(0, 0, "{}/0")] * 20)
    for one in groups:
        split.see(one)
    parts = [split.part(one) for one in groups]
    assert set(parts[:20]) == {TRAIN, VALIDATION}
    assert set(parts[20:]) == {parts[0]}


def test_the_share_is_met_and_a_seed_has_the_same_part_in_every_run() -> None:
    split = Split(SplitConfig(validation=0.1))
    parts = [split.part(Group(Seed(no, f"s{no}", {}))) for no in range(5_000)]
    assert 430 < parts.count(VALIDATION) < 570
    assert [no for no in range(30) if parts[no] == VALIDATION] == [24, 29]


async def test_a_group_whose_twin_came_in_between_waits_for_the_next_export(ledger_of: LedgerOf) -> None:
    split = Split(HALF)
    split.see(group(0, accepted("a")))
    assert split.part(group(1, accepted("b", verdicts=twin_of("q0/0")))) is None


async def test_a_split_gives_two_files_that_hold_all(ledger_of: LedgerOf, tmp_path: Path) -> None:
    groups = [group(no, accepted(str(no)), accepted(f"{no}b")) for no in range(40)]
    reader = await ledger_of((one, "solved") for one in groups)
    written = many(reader, output(split={"validation": 0.3}), tmp_path)
    held = files(tmp_path)
    assert list(held) == ["sft.train.jsonl", "sft.validation.jsonl"]
    assert sorted(held["sft.train.jsonl"] + held["sft.validation.jsonl"]) == sorted(
        c.text for one in groups for c in one.candidates
    )
    assert written["sft.validation.jsonl"].rows == len(held["sft.validation.jsonl"]) > 0


def scored(no: int, score: float | None, text: str = "") -> Group:
    return group(no, accepted(text or str(no), scores={} if score is None else {"s": score}))


amounts = st.lists(st.integers(1, 12), min_size=1, max_size=3, unique=True)
scores = st.lists(st.none() | st.sampled_from([0.0, 0.5, 1.0]), max_size=12)


@given(scores, amounts, st.sampled_from(["source", "score"]))
def test_nested_sizes_are_nested_and_hold_the_first_by_the_order(
    given_scores: list[float | None], sizes: list[int], order: str
) -> None:
    groups = [scored(no, score) for no, score in enumerate(given_scores)]
    best = sorted(groups, key=lambda one: -(one.candidates[0].score or -1)) if order == "score" else groups
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        _exported(groups, output(max_samples=sizes, order=order), folder)
        held = files(folder)
    for size in sizes:
        taken = held[f"sft.{size}.jsonl" if len(sizes) > 1 else "sft.jsonl"]
        assert set(taken) >= {one.candidates[0].text for one in best[:size] if (one.candidates[0].score or 0) > 0.5}
        assert len(taken) == min(size, len(groups))
        assert taken == sorted(taken, key=int)
        assert all(set(taken) <= set(held[f"sft.{larger}.jsonl"]) for larger in sizes if larger > size)


class Rows:
    """A ledger's rows without a ledger: a file for every example would take most of the time."""

    def __init__(self, groups: list[Group]) -> None:
        self._groups = groups

    def groups(self) -> Iterator[GroupRows]:
        for one in self._groups:
            yield pack(one, "solved", 0)


def _exported(groups: list[Group], one: Output, folder: Path) -> None:
    many(cast("Reader", Rows(groups)), one, folder)


LONG = "Take the first number and add the second one to it, then write down what you have found at the end of it all"


async def test_diverse_leaves_out_what_is_like_a_better_one(ledger_of: LedgerOf, tmp_path: Path) -> None:
    def asked(no: int, score: float, text: str) -> Group:
        one = scored(no, score, text)
        one.seed.row["question"] = "Add them, and tell how you did it."
        return one

    groups = [asked(0, 0.2, LONG), asked(1, 0.9, f"{LONG} today"), asked(2, 0.5, "Something else altogether")]
    reader = await ledger_of((one, "solved") for one in groups)
    assert many(reader, output(diverse=0.8), tmp_path)["sft.jsonl"].rows == 2
    assert answers(tmp_path / "sft.jsonl") == [LONG, "Something else altogether"]
    many(reader, output(diverse=0.8, order="score"), tmp_path)
    assert answers(tmp_path / "sft.jsonl") == [f"{LONG} today", "Something else altogether"]
    many(reader, output(diverse=0.8, order="score", max_samples=1), tmp_path)
    assert answers(tmp_path / "sft.jsonl") == [f"{LONG} today"]
    many(reader, output(diverse=1.0), tmp_path)
    assert len(answers(tmp_path / "sft.jsonl")) == 3


async def test_where_is_counted_once_though_rows_are_looked_at_twice(ledger_of: LedgerOf, tmp_path: Path) -> None:
    reader = await ledger_of([(scored(0, 0.9), "solved"), (scored(1, None), "solved")])
    assert exported(reader, output(where="scores.s > 0.5", max_samples=5), tmp_path / "x.jsonl") == Written(1, 1)


@pytest.mark.parametrize("file", ["jsonl", "parquet"])
async def test_shards_hold_so_many_rows_and_older_ones_go(file: str, ledger_of: LedgerOf, tmp_path: Path) -> None:
    reader = await ledger_of([(scored(no, None), "solved") for no in range(7)])

    def shards(rows: int) -> list[str]:
        many(reader, output(file=file, shard_rows=rows), tmp_path)
        return sorted(path.name for path in tmp_path.glob("sft*"))

    (tmp_path / "sft-notes.jsonl").touch()
    (tmp_path / "sft-notes.parquet").touch()
    notes = ["sft-notes.jsonl", "sft-notes.parquet"]
    assert shards(3) == sorted([*(f"sft-0000{n}.{file}" for n in range(3)), *notes])
    assert shards(7) == sorted([f"sft-00000.{file}", *notes])
    assert shards(5) == sorted([*(f"sft-0000{n}.{file}" for n in range(2)), *notes])
    if file == "jsonl":
        assert answers(tmp_path / "sft-00001.jsonl") == ["5", "6"]
    else:
        assert [pq.read_metadata(tmp_path / f"sft-0000{n}.parquet").num_rows for n in range(2)] == [5, 2]


async def test_parquet_has_one_schema_whatever_the_first_rows_lack(ledger_of: LedgerOf, tmp_path: Path) -> None:
    """In all parts and shards, and where rows disagree a column holds JSON."""
    kinds: list[Any] = [None, None, 1, 2.5, 3, 4]
    groups = [group(no, accepted(str(no)), n=kind, any=kind if no < 4 else "x") for no, kind in enumerate(kinds)]
    reader = await ledger_of((one, "solved") for one in groups)
    export(reader, output(file="parquet", shard_rows=2, columns=["n", "any"]), tmp_path / "sft.parquet", NearRows)
    tables = [pq.read_table(tmp_path / f"sft-0000{n}.parquet") for n in range(3)]
    assert len({str(table.schema) for table in tables}) == 1
    assert [n for table in tables for n in table["n"].to_pylist()] == [None, None, 1.0, 2.5, 3.0, 4.0]
    assert [n for table in tables for n in table["any"].to_pylist()] == [None, None, "1", "2.5", '"x"', '"x"']


async def test_an_export_without_a_row_is_an_empty_file(ledger_of: LedgerOf, tmp_path: Path) -> None:
    reader = await ledger_of([(group(0, rejected("no")), "unsolved")])
    assert exported(reader, output(file="parquet"), tmp_path / "x.parquet").rows == 0
    assert pq.read_table(tmp_path / "x.parquet").num_rows == 0


same = st.sampled_from(["a", "A ", "\uff21", "b", "a  b", "A\nB", ""])
candidates = st.builds(
    Candidate,
    st.just(0),
    same,
    state=st.sampled_from(["accepted", "rejected"]),
    stage=st.just("verify"),
    verdicts=st.builds(
        lambda passed: {"verify": Verdict(passed, reason="wrong_answer")}, st.sampled_from([True, False])
    ),
    lineage=st.builds(lambda alias: {"endpoint": alias}, st.sampled_from(["big", "small"])),
)


@given(st.lists(candidates, max_size=6), st.sampled_from(["dpo", "reward"]), st.sampled_from(["stage", "model"]))
def test_a_preference_file_never_has_chosen_equal_rejected(drawn: list[Candidate], kind: str, by: str) -> None:
    models = {"strong": ["big"], "weak": ["small", "big"]} if by == "model" else {}
    one = output(format=kind, pairs={"by": by, "per_seed": 3, **models})
    with tempfile.TemporaryDirectory() as name:
        _exported([group(0, *drawn)], one, Path(name))
        rows = [orjson.loads(line) for line in (Path(name) / "sft.jsonl").read_bytes().splitlines()]
    for row in rows:
        sides = [" ".join(row[side][-1]["content"].casefold().split()) for side in ("chosen", "rejected")]
        assert sides[0].replace("\uff41", "a") != sides[1].replace("\uff41", "a")
        assert row["chosen_id"] != row["rejected_id"]
