"""The files of a run, derived from a real ledger."""

from __future__ import annotations

import errno
import tracemalloc
from pathlib import Path
from typing import Any

import orjson
import pytest
from stored_groups import LedgerOf, accepted, exported, group, rejected

from config.schema import Output, Pairs
from service.exports.alike import NearRows
from stages.core.errors import InputError, RunStopped
from stages.core.record import Candidate, Group, Verdict
from stages.io.atomic import replacing
from stages.io.exports.export import Written
from stages.io.outputs import derive


def lines(path: Path) -> list[dict[str, Any]]:
    return [orjson.loads(line) for line in path.read_bytes().splitlines()]


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def right(text: str = "It is 4.", **more: Any) -> Candidate:
    return accepted(text, verdicts={"verify": Verdict(True)}, **more)


def wrong(text: str = "It is 5.", **more: Any) -> Candidate:
    return rejected(text, verdicts={"verify": Verdict(False, reason="wrong_answer")}, **more)


def failed(text: str = "") -> Candidate:
    return Candidate(0, text, state="failed", stage="judge", reason="unreadable", detail="no JSON in the reply")


SFT = Output(format="sft", prompt="{{ question }}")
DPO = Output(format="dpo", prompt="{{ question }}", pairs=Pairs(rejected=("verify",)))


async def test_an_accepted_sample_is_one_line_with_its_keys_in_order(ledger_of: LedgerOf, tmp_path: Path) -> None:
    lineage = {"model": "m", "endpoint": "main", "prompt": 0, "temperature": 0.7, "seed": 12}
    sample = right(
        lineage=lineage, scores={"steps": 0.2, "score": 0.9}, prompt=[{"role": "user", "content": "scaffold"}]
    )
    sample.verdicts["score"] = Verdict(True, 0.9, data={"features": {"explanation": 2, "words": 3}})
    reader = await ledger_of([(group(2, wrong(), sample), "solved")])
    derive(reader, tmp_path, [SFT], NearRows)
    (line,) = (tmp_path / "accepted.jsonl").read_bytes().splitlines()
    assert line == orjson.dumps(
        {
            "id": "q2/1",
            "seed_id": "q2",
            "messages": [{"role": "user", "content": "What is 2 + 2?"}, {"role": "assistant", "content": "It is 4."}],
            "scores": {"score": 0.9, "steps": 0.2},
            "difficulty": None,
            "features": {"explanation": 2, "words": 3},
            "lineage": {"endpoint": "main", "model": "m", "prompt": 0, "seed": 12, "temperature": 0.7},
        }
    )


async def test_every_candidate_and_seed_that_is_done_stands_in_one_file(ledger_of: LedgerOf, tmp_path: Path) -> None:
    groups = [
        (group(0, right(), wrong(), failed()), "solved"),
        (group(1, wrong(), wrong("6"), failed("?")), "unsolved"),
        (group(2, failed()), "failed"),
        (group(3, Candidate(0, "waits")), "parked"),
    ]
    written = derive(await ledger_of(groups), tmp_path, [], NearRows)
    assert {path.name: held for path, held in written.items()} == {
        "accepted.jsonl": Written(1),
        "rejected.jsonl": Written(3),
        "failed.jsonl": Written(3),
        "unsolved.jsonl": Written(2),
    }
    assert lines(tmp_path / "rejected.jsonl")[0] == {
        "id": "q0/1", "seed_id": "q0", "stage": "verify", "reason": "wrong_answer", "detail": "", "text": "It is 5.",
    }  # fmt: skip
    assert [row["id"] for row in lines(tmp_path / "failed.jsonl")] == ["q0/2", "q1/2", "q2/0"]


async def test_an_unsolved_seed_tells_what_was_tried(ledger_of: LedgerOf, tmp_path: Path) -> None:
    tried = [wrong(detail="5 is not 4"), wrong(detail="6 is not 4"), failed()]
    derive(await ledger_of([(group(1, *tried), "unsolved")]), tmp_path, [], NearRows)
    assert lines(tmp_path / "unsolved.jsonl") == [
        {
            "id": "q1",
            "topic": "",
            "state": "unsolved",
            "candidates": 3,
            "tried": [
                {"state": "rejected", "stage": "verify", "reason": "wrong_answer", "count": 2, "detail": "5 is not 4"},
                {
                    "state": "failed",
                    "stage": "judge",
                    "reason": "unreadable",
                    "count": 1,
                    "detail": "no JSON in the reply",
                },
            ],
            "row": {"question": "What is 1 + 1?"},
        }
    ]


async def test_equal_runs_give_equal_bytes_whatever_was_settled_first(ledger_of: LedgerOf, tmp_path: Path) -> None:
    def groups() -> list[tuple[Group, str]]:
        return [(group(no, wrong(), right(f"{no}")), "solved") for no in range(250)]

    derive(await ledger_of(groups()), tmp_path / "one", [SFT, DPO], NearRows)
    derive(await ledger_of(reversed(groups())), tmp_path / "two", [SFT, DPO], NearRows)
    names = sorted(str(path.relative_to(tmp_path / "one")) for path in (tmp_path / "one").rglob("*.jsonl"))
    assert names == [
        *("accepted.jsonl", "exports/dpo.jsonl", "exports/sft.jsonl"),
        *("failed.jsonl", "rejected.jsonl", "unsolved.jsonl"),
    ]
    for name in names:
        assert (tmp_path / "one" / name).read_bytes() == (tmp_path / "two" / name).read_bytes()
    assert [row["seed_id"] for row in lines(tmp_path / "one/accepted.jsonl")] == [f"q{no}" for no in range(250)]


async def test_sft_rows_have_trls_column_and_what_columns_asks_for(ledger_of: LedgerOf, tmp_path: Path) -> None:
    reader = await ledger_of([(group(1, right(), wrong(), right("2"), level=3), "solved")])
    output = Output(format="sft", prompt="{{ question }}", columns={"difficulty": "level"})
    assert exported(reader, output, tmp_path / "mine.jsonl") == Written(2)
    user = {"role": "user", "content": "What is 1 + 1?"}
    assert lines(tmp_path / "mine.jsonl") == [
        {"messages": [user, {"role": "assistant", "content": text}], "difficulty": 3} for text in ("It is 4.", "2")
    ]


async def test_dpo_rows_have_trls_columns_and_how_the_two_differ(ledger_of: LedgerOf, tmp_path: Path) -> None:
    reader = await ledger_of(
        [(group(1, wrong("no"), right("yes")), "solved"), (group(2, right(), right("x")), "solved")]
    )
    assert exported(reader, DPO, tmp_path / "dpo.jsonl") == Written(1)
    assert lines(tmp_path / "dpo.jsonl") == [
        {
            "prompt": [{"role": "user", "content": "What is 1 + 1?"}],
            "chosen": [{"role": "assistant", "content": "yes"}],
            "rejected": [{"role": "assistant", "content": "no"}],
            "margin": 1.0,
            "chosen_length": 3,
            "rejected_length": 2,
            "rejected_by": "verify",
            "chosen_id": "q1/1",
            "rejected_id": "q1/0",
        }
    ]


async def test_candidates_asked_by_different_prompts_make_no_pair_unless_the_output_names_one(
    ledger_of: LedgerOf, tmp_path: Path
) -> None:
    def asked(how: str) -> dict[str, Any]:
        return {"prompt": [{"role": "user", "content": how}]}

    reader = await ledger_of([(group(1, right("a", **asked("one")), wrong("b", **asked("two"))), "solved")])
    assert exported(reader, Output(format="dpo"), tmp_path / "dpo.jsonl").rows == 0
    assert exported(reader, DPO, tmp_path / "dpo.jsonl").rows == 1


async def test_where_chooses_samples_and_what_it_cannot_tell_is_counted(ledger_of: LedgerOf, tmp_path: Path) -> None:
    samples = [right("a", scores={"score": 0.9}), right("b", scores={"score": 0.1}), right("c")]
    reader = await ledger_of([(group(1, *samples, wrong()), "solved")])
    output = Output(format="sft", prompt="{{ question }}", where="scores.score > 0.5")
    assert exported(reader, output, tmp_path / "sft.jsonl") == Written(1, undecided=1)
    pairs = Output(format="dpo", prompt="{{ question }}", where="text == 'b'")
    exported(reader, pairs, tmp_path / "dpo.jsonl")
    assert [row["chosen_id"] for row in lines(tmp_path / "dpo.jsonl")] == ["q1/1"]
    assert derive(reader, tmp_path, [output], NearRows)[tmp_path / "exports/sft.jsonl"] == Written(1, undecided=1)


async def test_a_given_candidate_without_a_prompt_is_accepted_but_trains_nobody(
    ledger_of: LedgerOf, tmp_path: Path
) -> None:
    reader = await ledger_of([(group(1, right(origin="given")), "solved")])
    derive(reader, tmp_path, [], NearRows)
    assert lines(tmp_path / "accepted.jsonl")[0]["messages"] == [{"role": "assistant", "content": "It is 4."}]
    with pytest.raises(InputError, match="write it as `prompt:` in the output"):
        exported(reader, Output(format="sft"), tmp_path / "sft.jsonl")


async def test_an_export_that_fails_leaves_the_old_file_and_no_other(ledger_of: LedgerOf, tmp_path: Path) -> None:
    reader = await ledger_of([(group(0, right()), "solved"), (group(1, right()), "solved")])
    exported(reader, SFT, tmp_path / "sft.jsonl")
    before = (tmp_path / "sft.jsonl").read_bytes()
    with pytest.raises(InputError, match=r"cannot be made for seed q0: .*'answer' is undefined"):
        exported(reader, Output(format="sft", prompt="{{ answer }}"), tmp_path / "sft.jsonl")
    assert (tmp_path / "sft.jsonl").read_bytes() == before
    assert names(tmp_path) == ["sft.jsonl"]


async def test_hostile_texts_come_through_as_they_are(ledger_of: LedgerOf, tmp_path: Path) -> None:
    text = "<script>\u202e\u2028\x07\U0001f600" + "x" * 1_000_000
    derive(await ledger_of([(group(0, right(text)), "solved")]), tmp_path, [SFT], NearRows)
    (row,) = lines(tmp_path / "exports/sft.jsonl")
    assert row["messages"][1]["content"] == text
    assert (tmp_path / "accepted.jsonl").read_bytes().count(b"\n") == 1


async def test_memory_does_not_grow_with_the_ledger(ledger_of: LedgerOf, tmp_path: Path) -> None:
    reader = await ledger_of([(group(no, right("x" * 5_000)), "solved") for no in range(2_000)])
    tracemalloc.start()
    derive(reader, tmp_path, [SFT], NearRows)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert (tmp_path / "accepted.jsonl").stat().st_size > 10_000_000
    assert peak < 6_000_000


def test_a_full_disk_stops_the_run_resumably(tmp_path: Path) -> None:
    with pytest.raises(RunStopped, match="No space left on device"), replacing(tmp_path / "x"):
        raise OSError(errno.ENOSPC, "No space left on device")
    assert list(tmp_path.iterdir()) == []


def test_a_path_that_cannot_be_written_is_the_persons_to_mend(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(InputError, match=r"cannot write .*File exists"), replacing(tmp_path / "file" / "x"):
        pass
