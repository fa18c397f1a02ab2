"""Transforms in whole runs: documents become questions that are answered, and a killed run pays for nothing twice."""

from __future__ import annotations

import os
import signal
import sqlite3
from contextlib import closing
from typing import Any

import orjson
from whole_runs import CONSTITUTION, Project, arithmetic, calls_reach, committed, identities_hold, simulating

DOCUMENT = "Crate {n} holds apples. It came in {n} days.  What is {n} + 7?\nNobody in Lyon knows “why” it came."


def documents(project: Project, base_url: str, count: int) -> dict[str, Any]:
    project.rows("docs.jsonl", [{"id": f"d{n:03}", "text": DOCUMENT.format(n=n + 10)} for n in range(count)])
    (project.folder / "constitution.yaml").write_text(CONSTITUTION)
    convert = {"type": "transform", "name": "ask", "kind": "convert", "to": "qa", "evidence": "span", "per_input": 4}
    convert |= {"endpoint": "main", "column": "text", "emit": "seeds"}
    vary = {"type": "transform", "name": "vary", "kind": "augment", "column": "question", "endpoint": "main"}
    vary |= {"ways": ["paraphrase", "deepen"], "emit": "seeds", "keep": "both"}
    answer = {"type": "generate", "endpoint": "main", "prompts": ["{{ question }} {{ answer }}"], "candidates": 2}
    revise = {"type": "transform", "name": "revise", "kind": "critique_revise", "endpoint": "main", "keep": "both"}
    return {
        "seed": 7,
        "constitution": "constitution.yaml",
        "endpoints": {"main": {"base_url": base_url, "model": "simulated", "limits": {"max_concurrency": 50}}},
        "source": {"type": "jsonl", "path": "docs.jsonl", "id": "id"},
        "stages": [convert, vary, answer, revise, {"type": "select", "top": 3}],
        "outputs": [{"format": "sft", "prompt": "{{ question }}", "columns": ["evidence"]}],
    }


def rows(project: Project, run: str, query: str) -> list[Any]:
    with closing(sqlite3.connect(project.folder / run / "ledger.sqlite")) as ledger:
        return ledger.execute(query).fetchall()


def test_each_answers_evidence_stands_in_its_document_and_a_killed_run_pays_for_nothing_twice(project: Project) -> None:
    with simulating("--rewrite-loses", "0.25", "--latency", "0.03") as simulator:
        project.write(documents(project, simulator.base_url, 6))
        project.tamis("run", "pipeline.yaml", "--out", "whole")
        before = simulator.stats()["calls"]
        process = project.start("run", "pipeline.yaml", "--out", "cut")
        calls_reach(simulator, before + 60)
        os.killpg(process.pid, signal.SIGKILL)
        process.communicate()
        unacknowledged = simulator.stats()["calls"] - before - committed(project, "cut")
        project.tamis("run", "pipeline.yaml", "--out", "cut", "--resume")
        assert simulator.stats()["calls"] - before - committed(project, "cut") <= unacknowledged
    assert project.lines("cut", "accepted.jsonl") == project.lines("whole", "accepted.jsonl")
    manifest = project.manifest("whole")
    assert identities_hold(manifest)
    counts = manifest["counts"]
    questions = [orjson.loads(row) for (row,) in rows(project, "whole", "select row from seed where id glob 'd*.*.*'")]
    documents_by_id = {row["id"]: row["text"] for row in project.lines(".", "docs.jsonl")}
    for row in questions:
        assert documents_by_id[row["id"]][row["evidence_start"] : row["evidence_end"]] == row["evidence"]
    asked = len({(row["id"], row["evidence_start"]) for row in questions})
    assert counts["candidates"]["rejected"]["ungrounded"] == 6 * 4 - asked
    assert 1 < 6 * 4 - asked < 13, "about a quarter of the quotations were made up"
    assert len(questions) == 3 * asked, "each question and its two variations"
    assert counts["candidates"]["generated"] == 2 * len(questions)
    assert counts["candidates"]["derived"] == 2 * len(questions) + counts["candidates"]["rejected"]["ungrounded"]
    sft = project.lines("whole", "exports/sft.jsonl")
    assert all(row["evidence"] in "".join(documents_by_id.values()) for row in sft)


def test_no_rewrite_that_lost_the_answer_is_accepted(project: Project) -> None:
    """The simulated solutions are right; a third of their rewrites is not, and those stay as they were."""
    with simulating("--accuracy", "1", "--rewrite-loses", "0.33") as simulator:
        config = arithmetic(project, simulator.base_url, seeds=30)
        shorten = {
            "type": "transform",
            "kind": "succinct",
            "endpoint": "main",
            "gate": {"same_answer": True, "extract": "numeric"},
        }
        check = {"type": "verify", "check": "numeric", "against": "{{ answer }}"}
        config |= {"stages": [config["stages"][0], check, shorten, {**check, "name": "again"}], "outputs": []}
        project.write(config)
        project.tamis("run", "pipeline.yaml", "--out", "run")
    accepted = project.lines("run", "accepted.jsonl")
    assert len(accepted) == 120
    verdicts = [
        orjson.loads(data) for (data,) in rows(project, "run", "select data ->> '$.verdicts.transform' from candidate")
    ]
    kept = [verdict["reason"] for verdict in verdicts if "reason" in verdict]
    assert 25 < len(kept) < 55
    assert set(kept) == {"answer_lost", "answer_changed"}
    assert sum("transforms" in row["lineage"] for row in accepted) == 120 - len(kept)
