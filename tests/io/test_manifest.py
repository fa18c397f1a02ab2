"""The manifest adds up, or is not written."""

from __future__ import annotations

import random
from pathlib import Path

import orjson
import pytest
from stored_groups import LedgerOf, group

from queues.ledger import DecisionRow, Ledger, ReplyRow
from queues.ledger.reader import Reader
from stages.core.record import Candidate
from stages.io.manifest import CountsDiffer, Run, counts, write_manifest

RUN = Run("arithmetic", "complete", {"seed": 7}, read=0, skipped=0, wall_s=1.23456)


async def test_whatever_the_states_the_identities_hold(ledger_of: LedgerOf) -> None:
    chance = random.Random(7)
    groups = []
    for no in range(200):
        made = [
            Candidate(
                0,
                "x",
                chance.choice(["generated", "derived", "given"]),
                state=(state := chance.choice(["live", "accepted", "rejected", "failed"])),
                reason=chance.choice(["wrong_answer", "not_selected", "truncated"]) if state == "rejected" else "",
            )
            for _ in range(chance.randrange(5))
        ]
        one = group(no, *made)
        if chance.random() < 0.3:
            one.seed.parent_id = "p"
        groups.append((one, chance.choice(["solved", "unsolved", "failed", "expanded", "parked"])))
    found = counts(await ledger_of(groups), read=500)
    candidates, seeds = found["candidates"], found["seeds"]
    assert list(candidates) == ["generated", "derived", "given", "accepted", "rejected", "failed", "pending"]
    assert list(seeds) == ["read", "derived", "solved", "unsolved", "failed", "expanded", "pending"]
    came = candidates["generated"] + candidates["derived"] + candidates["given"]
    assert came == sum(len(one.candidates) for one, _ in groups)
    assert came == sum(candidates["rejected"].values()) + sum(
        candidates[key] for key in ("accepted", "failed", "pending")
    )
    assert set(candidates["rejected"]) == {"wrong_answer", "not_selected", "truncated"}
    assert seeds["read"] == 500
    assert seeds["derived"] == sum(one.seed.parent_id is not None for one, _ in groups)
    ends = ("solved", "unsolved", "failed", "expanded", "pending")
    assert seeds["read"] + seeds["derived"] == sum(seeds[key] for key in ends)
    assert seeds["solved"] == sum(state == "solved" for _, state in groups)


async def test_an_empty_run_counts_zeros_and_seeds_that_wait(ledger_of: LedgerOf) -> None:
    reader = await ledger_of([(group(0), "unsolved")])
    found = counts(reader, read=40)
    assert found["candidates"] == {
        "generated": 0, "derived": 0, "given": 0, "accepted": 0, "rejected": {}, "failed": 0, "pending": 0,
    }  # fmt: skip
    assert found["seeds"]["pending"] == 39


async def test_a_lower_limit_does_not_unread_what_an_earlier_process_read(ledger_of: LedgerOf) -> None:
    reader = await ledger_of([(group(no), "unsolved") for no in range(5)])
    assert counts(reader, read=2)["seeds"] == {
        "read": 5, "derived": 0, "solved": 0, "unsolved": 5, "failed": 0, "expanded": 0, "pending": 0,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("candidate", "state"),
    [
        (Candidate(0, "", state="lost"), "solved"),
        (Candidate(0, "", origin="found"), "solved"),
        (Candidate(0, ""), "gone"),
    ],
)
async def test_what_is_counted_nowhere_stops_the_manifest(
    ledger_of: LedgerOf, tmp_path: Path, candidate: Candidate, state: str
) -> None:
    reader = await ledger_of([(group(0, candidate), state)])
    with pytest.raises(CountsDiffer):
        write_manifest(reader, RUN, tmp_path / "manifest.json")
    assert not (tmp_path / "manifest.json").exists()


@pytest.mark.parametrize(("last_cost", "cost"), [(0.5, 0.75), (None, None)])
async def test_the_manifest_tells_what_the_run_took(
    tmp_path: Path, last_cost: float | None, cost: float | None
) -> None:
    """A cost that is not wholly known is null; what was reused was paid for by another run."""
    ledger = Ledger.open(tmp_path / "ledger.sqlite")
    ledger.reply(ReplyRow(0, "a", "generate", "main", b"{}", 10, 20, 5, 3, 0.25))
    ledger.reply(ReplyRow(0, "b", "generate", "main", b"{}", 1000, 1000, 0, 0, 9.0, reused=True))
    for documents in (10, 20):
        ledger.decision(DecisionRow("index", "dedupe", orjson.dumps({"documents": documents})))
    await ledger.reply(ReplyRow(0, "c", "judge", "main", b"{}", 1, 2, 0, 0, last_cost))
    with Reader(tmp_path / "ledger.sqlite") as reader:
        manifest = write_manifest(reader, RUN, tmp_path / "manifest.json")
    await ledger.close()
    assert orjson.loads((tmp_path / "manifest.json").read_bytes()) == manifest
    assert list(manifest) == [
        *("name", "state", "fingerprint", "versions", "wall_s"),
        *("calls", "tokens", "cost_usd", "indexes", "quotas", "skipped_rows", "counts"),
    ]
    assert manifest["tokens"] == {"prompt": 11, "completion": 22, "reasoning": 5, "cached": 3}
    assert manifest["calls"] == {"calls": 2, "reused": 1, "unpriced": int(cost is None)}
    assert manifest["indexes"] == {"dedupe": {"documents": 20}}
    assert (manifest["cost_usd"], manifest["wall_s"]) == (cost, 1.235)
    assert {"python", "tamis", "orjson"} <= set(manifest["versions"])
