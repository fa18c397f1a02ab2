"""Each export's columns, held to what trainers document, and loaded with the library that trainers load with."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import orjson
import pyarrow.parquet as pq
import pytest
from export_columns import COLUMNS
from needs import ROOT
from stored_groups import LedgerOf, accepted, exported, group, rejected

from config.schema import Output, Pairs
from stages.core.record import Candidate, Verdict
from stages.io.exports.labelled import steps_of

QUESTION = "{{ question }}"
CALLS = [{"id": "1", "type": "function", "function": {"name": "add", "arguments": '{"a": 1}'}}]


def right(text: str = "One.\nSo 4.", **more: Any) -> Candidate:
    return accepted(text, **{"verdicts": {"verify": Verdict(True)}, **more})


def wrong(text: str = "It is 5.", **more: Any) -> Candidate:
    return rejected(text, **{"verdicts": {"verify": Verdict(False, reason="wrong_answer")}, **more})


def output(kind: str, **more: Any) -> Output:
    truth = {"ground_truth": "{{ answer }}"} if kind in ("grpo", "verl") else {}
    return Output(format=kind, prompt=QUESTION, **{**truth, **more})  # type: ignore[arg-type]  one of the formats


def lines(path: Path) -> list[dict[str, Any]]:
    return [orjson.loads(line) for line in path.read_bytes().splitlines()]


@pytest.fixture
def load(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """Return `datasets.load_dataset`, kept from the network and from the person's cache."""
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    datasets = pytest.importorskip("datasets")
    datasets.disable_progress_bars()

    def load(file: str, path: Path) -> Any:
        return datasets.load_dataset(file, data_files=str(path), cache_dir=str(tmp_path / "cache"))["train"]

    yield load
    datasets.enable_progress_bars()


@pytest.mark.parametrize("kind", COLUMNS)
async def test_an_exports_columns_are_those_of_the_pinned_table(
    kind: str, ledger_of: LedgerOf, tmp_path: Path, load: Any
) -> None:
    reader = await ledger_of([(group(no, right(), wrong(), answer=str(no + no)), "solved") for no in range(3)])
    wanted = COLUMNS[kind].types
    assert exported(reader, output(kind), tmp_path / "x.jsonl").rows
    assert all(list(row) == list(wanted) for row in lines(tmp_path / "x.jsonl"))
    assert load("json", tmp_path / "x.jsonl").column_names == list(wanted)
    exported(reader, output(kind, file="parquet"), tmp_path / "x.parquet")
    schema = pq.read_schema(tmp_path / "x.parquet")
    assert {field.name: str(field.type) for field in schema} == wanted
    assert load("parquet", tmp_path / "x.parquet").to_list() == lines(tmp_path / "x.jsonl")


async def test_reward_sides_are_whole_conversations(ledger_of: LedgerOf, tmp_path: Path) -> None:
    reader = await ledger_of([(group(1, right("yes"), wrong("no")), "solved")])
    exported(reader, output("reward"), tmp_path / "x.jsonl")
    (row,) = lines(tmp_path / "x.jsonl")
    user = {"role": "user", "content": "What is 1 + 1?"}
    assert row["chosen"] == [user, {"role": "assistant", "content": "yes"}]
    assert row["rejected"] == [user, {"role": "assistant", "content": "no"}]


MARKED = {"verify": Verdict(True), "judge": Verdict(False, reason="low_score")}
LOST = Verdict(False, reason="not_selected")


@pytest.mark.parametrize(
    ("candidate", "label"),
    [
        (right("good"), True),
        (wrong("bad"), False),
        (right("marked", verdicts=MARKED), False),
        (wrong("yes."), None),  # what the good one says
        (rejected("lost", "select", "not_selected", verdicts={"verify": Verdict(True), "select": LOST}), None),
        (rejected("cut", "generate", "truncated"), None),
        (rejected("seen", "clean", "contaminated", verdicts={"clean": Verdict(False, reason="contaminated")}), None),
        (Candidate(0, "gone", state="failed", stage="judge", reason="unreadable"), None),
    ],
)
async def test_kto_labels_only_what_a_stage_knows_to_be_good_or_bad(
    candidate: Candidate, label: bool | None, ledger_of: LedgerOf, tmp_path: Path
) -> None:
    reader = await ledger_of([(group(1, right("Yes."), candidate), "solved")])
    exported(reader, output("kto"), tmp_path / "x.jsonl")
    labels = {row["completion"][0]["content"]: row["label"] for row in lines(tmp_path / "x.jsonl")}
    assert labels.pop("Yes.") is True
    assert labels == ({} if label is None else {candidate.text: label})


async def test_kto_goes_by_the_stages_that_it_is_told(ledger_of: LedgerOf, tmp_path: Path) -> None:
    reader = await ledger_of([(group(1, right("marked", verdicts=MARKED), wrong("bad")), "solved")])
    exported(reader, output("kto", pairs=Pairs(rejected=("verify",))), tmp_path / "x.jsonl")
    assert [row["label"] for row in lines(tmp_path / "x.jsonl")] == [True, False]


@pytest.mark.parametrize(
    ("text", "steps"),
    [
        ("Add them.\nIt is 4.", ["Add them.", "It is 4."]),
        ("First\nline.\n\nSecond.", ["First\nline.", "Second."]),
        ("So:\n1. Add.\n   2 and 2.\n2. It is 4.", ["So:\n1. Add.\n   2 and 2.", "2. It is 4."]),
        ("Step 1: a\nStep 2: b\n", ["Step 1: a", "Step 2: b"]),
        ("1. only one\nline", ["1. only one", "line"]),
        ("", []),
    ],
)
def test_steps_are_numbered_items_paragraphs_or_lines(text: str, steps: list[str]) -> None:
    assert steps_of(text) == steps


def told(labels: Any, **more: Any) -> dict[str, Any]:
    return {"verdicts": {"judge": Verdict(True, data={"steps": labels})}, **more}


@pytest.mark.parametrize(
    ("candidate", "labels"),
    [
        (right("a\nb"), [True, True]),
        (wrong("a\nb"), None),  # nobody knows which step is wrong
        (wrong("a"), [False]),
        (wrong("a\nb", **told([True, False])), [True, False]),
        (right("a\nb", **told([True, False])), [True, False]),
        (right("a\nb", **told([True])), [True, True]),  # of other steps than these
        (wrong("a\nb", fields={"steps": [False, True]}), [False, True]),
        (rejected("a\nb", "generate", "truncated"), None),
        (right(""), None),
    ],
)
async def test_prm_rows_have_labels_that_are_known(
    candidate: Candidate, labels: list[bool] | None, ledger_of: LedgerOf, tmp_path: Path
) -> None:
    reader = await ledger_of([(group(1, candidate), "solved")])
    exported(reader, output("prm"), tmp_path / "x.jsonl")
    assert [row["labels"] for row in lines(tmp_path / "x.jsonl")] == ([] if labels is None else [labels])


async def test_rl_prompts_are_of_solved_seeds_or_of_all_that_were_asked(ledger_of: LedgerOf, tmp_path: Path) -> None:
    hard = {"difficulty": "hard"}
    groups = [
        (group(0, wrong(), right(), right("again")), "solved"),
        (group(1, wrong(fields=hard)), "unsolved"),
        (group(2), "failed"),
        (group(3, Candidate(0, "waits")), "parked"),
        (group(4, wrong()), "expanded"),
    ]
    for one, _ in groups:
        one.seed.row["answer"] = f" {one.seed.no} "
    reader = await ledger_of(groups)

    def ids(**more: Any) -> list[str]:
        exported(reader, output("grpo", **more), tmp_path / "x.jsonl")
        rows = lines(tmp_path / "x.jsonl")
        assert all(row["ground_truth"] == row["id"][1:] for row in rows)
        return [row["id"] for row in rows]

    assert ids() == ["q0"]
    assert ids(include="all") == ["q0", "q1", "q2"]
    assert ids(include="all", where="fields.difficulty == 'hard'") == ["q1"]


async def test_verl_names_its_reward_function_and_keeps_extras_apart(ledger_of: LedgerOf, tmp_path: Path) -> None:
    one = group(7, right(), answer="14", level=3)
    one.seed.topic = "math"
    reader = await ledger_of([(one, "solved")])
    exported(reader, output("verl", data_source="openai/gsm8k", columns=["level"]), tmp_path / "x.jsonl")
    (row,) = lines(tmp_path / "x.jsonl")
    assert (row["data_source"], row["ability"]) == ("openai/gsm8k", "math")
    assert row["reward_model"] == {"style": "rule", "ground_truth": "14"}
    assert row["extra_info"] == {"index": 7, "id": "q7", "level": 3}


async def test_sharegpt_has_its_own_roles_and_calls_as_turns(ledger_of: LedgerOf, tmp_path: Path) -> None:
    one = group(1, right("", tool_calls=CALLS))
    one.seed.tools = [{"type": "function", "function": {"name": "add", "parameters": {}}}]
    one.seed.messages = [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": [{"type": "text", "text": "1+1?"}]},
        {"role": "assistant", "content": "", "tool_calls": CALLS},
        {"role": "tool", "content": "2"},
    ]
    reader = await ledger_of([(one, "solved")])
    exported(reader, Output(format="sharegpt"), tmp_path / "x.jsonl")
    (row,) = lines(tmp_path / "x.jsonl")
    call = {"from": "function_call", "value": '{"name":"add","arguments":{"a":1}}'}
    observed = {"from": "observation", "value": "2"}
    assert row["conversations"] == [{"from": "human", "value": "1+1?"}, call, observed, call]
    assert row["system"] == "Be brief."
    assert orjson.loads(row["tools"]) == one.seed.tools


async def test_tools_and_their_calls_come_through_parquet_as_they_are(
    ledger_of: LedgerOf, tmp_path: Path, load: Any
) -> None:
    """Each tool has keys of its own: one struct type for all would give each the others' as nulls."""
    groups = []
    for no, key in enumerate("ab"):
        one = group(no, right("", tool_calls=CALLS) if no else right())
        one.seed.tools = [{"function": {"name": key, "parameters": {"properties": {key: {"type": "string"}}}}}]
        groups.append((one, "solved"))
    reader = await ledger_of(groups)
    for file in ("jsonl", "parquet"):
        exported(reader, output("sft", file=file), tmp_path / f"x.{file}")
    written = lines(tmp_path / "x.jsonl")
    rows = load("parquet", tmp_path / "x.parquet").to_list()
    assert [orjson.loads(row["tools"]) for row in rows] == [row["tools"] for row in written]
    assert [row["messages"][-1]["tool_calls"] for row in rows] == [None, CALLS]
    assert load("json", tmp_path / "x.jsonl")[1]["tools"] == written[1]["tools"]


async def test_pairs_of_a_strong_and_a_weak_model_need_no_stage(ledger_of: LedgerOf, tmp_path: Path) -> None:
    def by(alias: str, text: str, **more: Any) -> Candidate:
        return accepted(text, lineage={"endpoint": alias}, **more)

    reader = await ledger_of(
        [
            (group(1, by("big", "good"), by("small", "weak")), "solved"),
            (group(2, by("big", "x", scores={"s": 0.2}), by("small", "y", scores={"s": 0.9})), "solved"),
            (group(3, by("big", "same"), by("small", "Same")), "solved"),
            (group(4, by("small", "a"), by("small", "b")), "solved"),
        ]
    )
    pairs = Pairs(by="model", strong=("big",), weak=("small",))
    exported(reader, output("dpo", pairs=pairs), tmp_path / "x.jsonl")
    (row,) = lines(tmp_path / "x.jsonl")
    assert (row["chosen_id"], row["rejected_id"], row["rejected_by"], row["margin"]) == ("q1/0", "q1/1", "small", 1.0)


def test_the_documents_say_the_same_columns_and_where_they_are_from() -> None:
    text = (ROOT / "docs/data.md").read_text("utf-8")
    rows = {line.split("`")[1]: line for line in text.splitlines() if line.startswith("| `")}
    for kind, (source, types) in COLUMNS.items():
        assert source in text
        told = rows[kind] + (rows["dpo"] if kind == "reward" else "")
        assert [name for name in types if f"`{name}`" not in told] == []
