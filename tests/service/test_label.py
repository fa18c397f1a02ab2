from __future__ import annotations

from collections import Counter
from itertools import pairwise
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import orjson
import pytest
from stored_groups import group
from watched_run import PIPELINE

from config.schema import Pipeline, resolved
from config.yamlfile import write
from queues.ledger import Ledger
from service.audit.label import Item, label_run, sample
from service.cli import _keys
from stages.core.errors import InputError
from stages.core.record import Candidate, Verdict
from stages.io.store import pack


async def a_run(folder: Path, *candidates: Candidate, **change: Any) -> Path:
    """Write a run with one candidate a seed."""
    ledger = Ledger.open(folder / "ledger.sqlite")
    for no, candidate in enumerate(candidates):
        last = ledger.group(*pack(group(no, candidate), "unsolved", 0))
    await last
    await ledger.close()
    (folder / "pipeline.resolved.yaml").write_text(write(resolved(Pipeline.model_validate(PIPELINE | change))))
    return folder


def judged(text: str, passed: bool | None = True) -> Candidate:
    verdict = Verdict(passed, reason="unreadable" if passed is None else "a reason of the judge")
    return Candidate(0, text, state="rejected", stage="judge", detail="shown", verdicts={"judge": verdict})


@pytest.fixture
async def run(tmp_path: Path) -> Path:
    return await a_run(tmp_path, *(judged(f"response {no}", no % 2 == 0) for no in range(6)))


def labels(run: Path) -> dict[str, bool]:
    return {row["id"]: row["label"] for row in map(orjson.loads, (run / "gold.jsonl").read_bytes().splitlines())}


def asked(run: Path, keys: str, count: int = 6) -> tuple[str, str]:
    """Return what was shown, and what was told in the end."""
    out: list[str] = []
    told = label_run(run, count, iter(keys), out.append)
    return "\n".join(out), told


def test_question_and_response_are_shown_and_nothing_of_the_verdict(run: Path) -> None:
    shown, told = asked(run, "ynynyn")
    assert shown.count("response 3\n") == 1
    assert '{"question":"What is 3 + 3?"}' in shown
    assert not [word for word in ("judge", "reason", "shown", "rejected", "True", "False") if word in shown]
    assert told == f"6 of 6 are labelled: {run}/gold.jsonl\nnext: tamis audit {run}"
    assert Counter(labels(run).values()) == {True: 3, False: 3}


def test_what_was_labelled_is_saved_at_once_and_not_asked_again(run: Path) -> None:
    _, told = asked(run, "yyq")
    assert told.startswith("2 of 6 are labelled")
    assert len(labels(run)) == 2
    second, told = asked(run, "nnnn")
    assert "── 1 of 4 ──" in second
    assert told.startswith("6 of 6")
    assert Counter(labels(run).values()) == {True: 2, False: 4}


def test_back_corrects_skip_leaves_open_and_the_end_of_keys_ends(run: Path) -> None:
    _, told = asked(run, "nby x\ns")
    assert told.startswith("1 of 6"), "one was taken back and put right, other keys do nothing"
    assert list(labels(run).values()) == [True]


def test_labels_from_elsewhere_stay(run: Path) -> None:
    (run / "gold.jsonl").write_text('{"id": "other", "answer": "4"}\n')
    asked(run, "y")
    first, second = (run / "gold.jsonl").read_bytes().splitlines()
    assert orjson.loads(first) == {"id": "other", "answer": "4"}
    assert orjson.loads(second)["label"] is True


async def test_only_what_a_judge_could_judge_is_shown(tmp_path: Path) -> None:
    fell = Candidate(0, "fell before", state="rejected", stage="verify")
    run = await a_run(tmp_path, judged("seen"), judged("unread", None), fell)
    shown, told = asked(run, "y")
    assert "seen" in shown and told.startswith("1 of 1")


async def test_without_a_judge_whatever_was_made_is_shown(tmp_path: Path) -> None:
    stages = [stage for stage in PIPELINE["stages"] if stage["type"] != "judge"]
    run = await a_run(tmp_path, Candidate(0, "made"), Candidate(0, ""), stages=stages)
    assert asked(run, "n")[1].startswith("1 of 1")


async def test_where_nothing_was_judged_there_is_nothing_to_label(tmp_path: Path) -> None:
    run = await a_run(tmp_path, Candidate(0, "fell before"))
    with pytest.raises(InputError, match="nothing was judged yet"):
        asked(run, "y")


async def test_a_response_cannot_steer_the_terminal(tmp_path: Path) -> None:
    run = await a_run(tmp_path, judged("a\x1b[2Jb\x07\x9bc\n\td\r"))
    assert "a[2Jbc\n\td\n" in asked(run, "y")[0]


def items(*strata: tuple[str, str, int]) -> list[Item]:
    """Return so many items of each verdict and topic, scores running through them."""
    return [
        Item(f"{said} {topic} {number}", (said, topic, number / of), "q", "r")
        for said, topic, of in strata
        for number in range(of)
    ]


def test_the_sample_has_the_proportions_of_the_run() -> None:
    pool = items(("True", "sums", 600), ("True", "products", 300), ("False", "sums", 100))
    taken = sample(pool, 50)
    assert Counter(item.stratum[:2] for item in taken) == {
        ("True", "sums"): 30, ("True", "products"): 15, ("False", "sums"): 5,
    }  # fmt: skip
    scores = sorted(item.stratum[2] for item in taken if item.stratum[1] == "products")
    assert max(after - before for before, after in pairwise(scores)) < 0.1, "even in scores too"


def test_the_sample_is_the_same_each_time_and_its_order_tells_nothing() -> None:
    pool = items(("False", "", 50), ("True", "", 50))
    taken = sample(pool, 20)
    assert taken == sample(reversed(pool), 20)
    said = [item.stratum[0] for item in taken]
    assert said != sorted(said) and said != sorted(said, reverse=True)


def test_no_more_is_taken_than_there_is() -> None:
    assert len(sample(items(("True", "", 3)), 50)) == 3
    assert sample([], 50) == []


def test_keys_that_are_typed_faster_than_they_are_read_count_one_by_one(monkeypatch: pytest.MonkeyPatch) -> None:
    """A terminal hands over all that was typed, and nothing when it is gone."""
    typed = iter(["y", "ny", "\x1b[A", ""])
    monkeypatch.setattr("typer.getchar", lambda: next(typed))
    monkeypatch.setattr("sys.stdin", SimpleNamespace(isatty=lambda: True))
    assert [key for key in _keys() if key in "ynsbq"] == ["y", "n", "y"]
