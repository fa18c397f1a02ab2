"""Second methods, as a run asks them: blind draws once per seed, whatever waves come, and a killed run pays no more."""

from __future__ import annotations

import os
import signal
import sqlite3
from collections import Counter
from contextlib import closing
from typing import Any

import orjson
from whole_runs import Project, arithmetic, calls_reach, committed, identities_hold, simulating

OWN = """\
def right(response, row, fields):
    return {"passed": fields["answer"] == str(row["answer"]), "score": 1.0, "reason": "own_no"}
"""


def sifted(project: Project, base_url: str, seeds: int) -> dict[str, Any]:
    config = arithmetic(project, base_url, seeds=seeds)
    generate, verify, *_ = config["stages"]
    generate |= {"candidates": 2, "temperature": [1.0], "until": {"accepted": 2, "max_candidates": 8, "wave": 2}}
    verify |= {"action": "mark", "fallback": {"endpoint": "main", "share": 0.5}}
    (project.folder / "checks.py").write_text(OWN)
    again = {"type": "cross_check", "endpoint": "main", "prompt": "Otherwise: {{ question }}", "extract": "numeric"}
    own = {"type": "verify", "name": "own", "check": "plugin", "function": "./checks.py:right", "action": "mark"}
    read = {"type": "cross_check", "name": "read", "sees": "response", "endpoint": "main", "action": "mark"}
    return {**config, "stages": [generate, verify, own, {**again, "samples": 2}, read], "outputs": []}


def ask(project: Project, query: str) -> list[Any]:
    with closing(sqlite3.connect(project.folder / "run" / "ledger.sqlite")) as ledger:
        return ledger.execute(query).fetchall()


def test_a_seed_is_solved_again_once_however_many_waves_it_takes_and_a_killed_run_repeats_no_call(
    project: Project,
) -> None:
    with simulating("--beta", "0.7,0.7", "--latency", "0.05") as simulator:
        project.write(sifted(project, simulator.base_url, 40))
        process = project.start("run", "pipeline.yaml", "--out", "run")
        calls_reach(simulator, 200)
        os.killpg(process.pid, signal.SIGKILL)
        process.communicate()
        unacknowledged = simulator.stats()["calls"] - committed(project, "run")
        project.tamis("run", "pipeline.yaml", "--out", "run", "--resume")
        assert simulator.stats()["calls"] - committed(project, "run") <= unacknowledged
    assert identities_hold(project.manifest("run"))
    calls = ask(project, "select stage, seed, count(*) from reply group by stage, seed")
    assert max(count for stage, _, count in calls if stage == "generate") > 2, "some seeds took several waves"
    assert {count for stage, _, count in calls if stage == "cross_check"} == {2}
    fallen = project.lines("run", "rejected.jsonl")
    assert Counter(row["stage"] for row in fallen).keys() == {"cross_check"}
    assert all("0 of 2 agree" in row["detail"] for row in fallen)
    verdicts = ask(project, "select data ->> '$.verdicts.verify', data ->> '$.verdicts.own' from candidate")
    pairs = [(orjson.loads(one), orjson.loads(other)) for one, other in verdicts]
    assert all(one["passed"] == other["passed"] for one, other in pairs)
    asked = [one["data"]["fallback"] for one, _ in pairs if "data" in one]
    rejected = sum(not one["passed"] for one, _ in pairs)
    assert set(asked) <= {"different", "equivalent"}
    assert 0.3 * rejected < len(asked) < 0.7 * rejected
