"""Where candidates fell: added up of what the ledger holds, and the same while a job runs and when it has ended."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest
from served import PAUSE, Caller, additions

from queues.ledger import CandidateCount, Ledger, LedgerFailed
from queues.ledger.browse import Browser
from service.serve.funnel import funnel_of
from service.serve.samples import read


def test_a_funnel_adds_up_what_is_settled() -> None:
    rows = [
        CandidateCount("rejected", "verify", "wrong_answer", "generated", 5),
        CandidateCount("rejected", "verify", "wrong_answer", "given", 1),
        CandidateCount("rejected", "verify", "no_answer", "generated", 2),
        CandidateCount("failed", "generate", "truncated", "generated", 3),
        CandidateCount("accepted", "", "", "generated", 4),
        CandidateCount("live", "", "", "generated", 9),
    ]
    funnel = funnel_of([("generate", "generate"), ("verify", "verify")], rows, {"solved": 4})
    generate, verify = funnel.stages
    assert (generate.came, generate.failed, generate.went) == (15, 3, 12)
    assert (verify.came, verify.rejected, verify.went) == (12, 8, funnel.accepted)
    assert [(one.reason, one.count) for one in verify.reasons] == [("wrong_answer", 6), ("no_answer", 2)]
    assert (funnel.accepted, funnel.pending, funnel.seeds) == (4, 9, {"solved": 4})


async def test_a_job_that_is_deleted_while_it_is_read_has_nothing_to_read(tmp_path: Path) -> None:
    path = tmp_path / "run" / "ledger.sqlite"
    path.parent.mkdir()
    await Ledger.open(path).close()

    def counted(browser: Browser) -> object:
        raise LedgerFailed("cannot read it")

    def counted_too_late(browser: Browser) -> object:
        shutil.rmtree(path.parent)
        return counted(browser)

    with pytest.raises(LedgerFailed, match="cannot read it"):
        await read(path.parent, counted)
    assert await read(path.parent, counted_too_late) is None


def funnel_holds(funnel: Any, job: Any) -> bool:
    """Tell whether a funnel and the counts of an ended job say the same."""
    candidates = job["counts"]["candidates"]
    assert funnel["accepted"] == funnel["stages"][-1]["went"] == candidates["accepted"]
    assert sum(stage["rejected"] for stage in funnel["stages"]) == sum(candidates["rejected"].values())
    assert sum(stage["failed"] for stage in funnel["stages"]) == candidates["failed"]
    assert funnel["stages"][0]["came"] == candidates["generated"] - candidates["pending"]
    return True


def test_a_job_has_one_before_it_runs_while_it_is_paused_and_when_it_has_ended(operator: Caller) -> None:
    job = operator.post("/v1/jobs", {"pipeline": additions(operator.seeds(24), "slow")}, 201)
    of_job = f"/v1/jobs/{job['id']}"
    assert operator.get(f"{of_job}/funnel")["object"] == "funnel"
    operator.under_way(job["id"], 12)
    operator.post(f"{of_job}/pause")
    paused = operator.job(job["id"], "paused")
    before = operator.get(f"{of_job}/funnel")
    assert before["seeds"]["solved"] == paused["counts"]["seeds"]["solved"] > 0
    operator.post(f"{of_job}/resume")
    for _ in range(1200):
        progress = operator.get(of_job)["progress"]
        if progress is not None and progress["stages"]:
            break
        PAUSE.wait(0.05)
    for stage, settled in zip(progress["stages"], before["stages"], strict=True):
        assert stage["came"] >= settled["came"] > 0, "what an earlier process has settled counts"
        assert stage["rejected"] >= settled["rejected"]
        assert stage["went"] == stage["came"] - stage["rejected"] - stage["failed"]
    assert progress["prompt_tokens"] >= paused["tokens"]["prompt"] > 0
    job = operator.job(job["id"], "complete")
    assert funnel_holds(operator.get(f"{of_job}/funnel"), job)
    assert job["calls"]["calls"] == job["counts"]["candidates"]["generated"]
