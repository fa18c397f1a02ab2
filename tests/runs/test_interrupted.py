"""Whatever ends a run in the middle, nothing is lost and nothing is paid for twice."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from pipeline_changes import Config
from whole_runs import Project, Simulator, arithmetic, calls_reach, committed, identities_hold, simulating

from queues.ledger import Ledger
from service.runs import course

SLOW = ("--latency", "0.25", "--jitter", "0.3", "--accuracy", "0.6")


@pytest.fixture
def simulator() -> Iterator[Simulator]:
    with simulating(*SLOW) as running:
        yield running


def undisturbed(project: Project, pipeline: Path) -> bytes:
    project.tamis("run", pipeline.name, "--out", "whole")
    return (project.folder / "whole/accepted.jsonl").read_bytes()


def test_a_run_killed_three_times_and_resumed_accepts_the_same_and_repeats_only_what_was_in_flight(
    project: Project, simulator: Simulator
) -> None:
    pipeline = project.write(arithmetic(project, simulator.base_url, seeds=80))
    whole = undisturbed(project, pipeline)
    calls = project.manifest("whole")["calls"]["calls"]
    with simulating(*SLOW) as fresh:
        project.write(arithmetic(project, fresh.base_url, seeds=80))
        for wanted in (100, 220, 340):
            process = project.start("run", "pipeline.yaml", "--out", "killed", "--resume")
            calls_reach(fresh, wanted)
            os.killpg(process.pid, signal.SIGKILL)
            process.communicate()
            unacknowledged = fresh.stats()["calls"] - committed(project, "killed")
        project.tamis("run", "pipeline.yaml", "--out", "killed", "--resume")
        sent = fresh.stats()["calls"]
    assert (project.folder / "killed/accepted.jsonl").read_bytes() == whole
    manifest = project.manifest("killed")
    assert identities_hold(manifest)
    assert manifest["counts"] == project.manifest("whole")["counts"]
    assert manifest["calls"]["calls"] == calls, "each call is in the ledger once"
    assert sent - calls <= unacknowledged, "no call with a committed reply is sent again"


def test_one_signal_drains_and_the_run_goes_on_later_to_the_same_end(project: Project, simulator: Simulator) -> None:
    pipeline = project.write(arithmetic(project, simulator.base_url, seeds=60))
    whole = undisturbed(project, pipeline)
    before = simulator.stats()["calls"]
    process = project.start("run", "pipeline.yaml", "--out", "drained")
    calls_reach(simulator, before + 120)
    process.send_signal(signal.SIGTERM)
    out, err = process.communicate(timeout=30)
    assert process.returncode == 75, out + err
    assert "Draining" in err
    assert "--resume" in out + err
    manifest = project.manifest("drained")
    assert manifest["state"] == "interrupted"
    assert identities_hold(manifest)
    assert simulator.stats()["calls"] - before == manifest["calls"]["calls"], "every call in flight came home"
    project.tamis("run", "pipeline.yaml", "--out", "drained", "--resume")
    assert (project.folder / "drained/accepted.jsonl").read_bytes() == whole
    assert project.manifest("drained")["calls"] == project.manifest("whole")["calls"]


def test_a_second_signal_stops_at_once_and_the_run_is_still_resumable(project: Project) -> None:
    with simulating("--latency", "20", "--accuracy", "1") as slow:
        project.write(arithmetic(project, slow.base_url, seeds=20))
        process = project.start("run", "pipeline.yaml", "--out", "run")
        calls_reach(slow, 50)
        process.send_signal(signal.SIGINT)
        process.send_signal(signal.SIGTERM)
        out, err = process.communicate(timeout=10)
    assert process.returncode == 75, out + err
    with simulating("--accuracy", "1") as fast:
        project.write(arithmetic(project, fast.base_url, seeds=20))
        project.tamis("run", "pipeline.yaml", "--out", "run", "--resume")
    assert project.manifest("run")["counts"]["seeds"]["solved"] == 20


def test_a_spent_budget_ends_with_3_and_a_raised_one_goes_on(project: Project, simulator: Simulator) -> None:
    config = arithmetic(project, simulator.base_url, seeds=60, budget={"calls": 100})
    project.write(config)
    said = project.tamis("run", "pipeline.yaml", "--out", "run", code=3)
    assert "budget" in said
    manifest = project.manifest("run")
    assert manifest["state"] == "budget"
    assert manifest["calls"]["calls"] == 100
    assert identities_hold(manifest)
    project.write({**config, "budget": {"calls": 10_000}})
    project.tamis("run", "pipeline.yaml", "--out", "run", "--resume")
    assert project.manifest("run")["counts"]["seeds"]["pending"] == 0


@pytest.mark.parametrize("which", ["tokens", "usd"])
def test_what_calls_take_is_known_before_many_leave(project: Project, simulator: Simulator, which: str) -> None:
    config = arithmetic(project, simulator.base_url, seeds=60)
    config["endpoints"]["main"]["price"] = {"input_per_mtok": 1000, "output_per_mtok": 1000}
    most = {"tokens": 600, "usd": 0.6}[which]
    project.write({**config, "budget": {which: most}})
    project.tamis("run", "pipeline.yaml", "--out", "run", code=3)
    manifest = project.manifest("run")
    spent = {"tokens": sum(manifest["tokens"].values()), "usd": manifest["cost_usd"]}[which]
    assert 0.5 * most < spent < 1.5 * most


def test_how_long_a_run_has_taken_is_noted_while_it_goes_on(
    project: Project, config: Config, here: Callable[..., object], monkeypatch: pytest.MonkeyPatch
) -> None:
    noted = []

    def note(ledger: Ledger, name: str, value: str) -> asyncio.Future[None]:
        noted.append((name, value))
        return set_meta(ledger, name, value)

    set_meta = Ledger.set_meta
    monkeypatch.setattr(Ledger, "set_meta", note)
    monkeypatch.setattr(course, "NOTE_S", 0.01)
    project.write(config)
    here("run", "pipeline.yaml", "--out", "run", "--no-progress")
    times = [float(value) for name, value in noted if name == "wall_s"]
    assert len(times) > 2, "once would be at its end, which a run that is killed has not"
    assert times == sorted(times)


def test_limits_urls_and_prices_may_change_on_resume_and_meaning_may_not(
    project: Project, simulator: Simulator
) -> None:
    config = arithmetic(project, simulator.base_url, seeds=20)
    project.write(config)
    project.tamis("run", "pipeline.yaml", "--out", "run", "--limit", "10")
    with simulating(*SLOW) as elsewhere:
        endpoint = {**config["endpoints"]["main"], "base_url": elsewhere.base_url, "limits": {"max_concurrency": 7}}
        project.write({**config, "endpoints": {"main": endpoint}})
        project.tamis("run", "pipeline.yaml", "--out", "run", "--resume")
        assert elsewhere.stats()["peak"] <= 7
    project.write(config)
    assert project.manifest("run")["counts"]["seeds"]["read"] == 20

    (project.folder / "constitution.yaml").write_text("principles: [{id: other, text: Another principle.}]\n")
    said = project.tamis("run", "pipeline.yaml", "--out", "run", "--resume", code=2)
    assert "judge" in said
    assert "constitution changed" in said
    assert "--reuse" in said
    before = simulator.stats()["calls"]
    project.tamis("run", "pipeline.yaml", "--out", "other", "--reuse", "run")
    manifest = project.manifest("other")
    assert manifest["calls"]["reused"] == 80, "the four candidates of each of the twenty seeds"
    assert simulator.stats()["calls"] - before == manifest["calls"]["calls"], "only the judge was paid"


def test_a_key_that_dies_in_mid_run_stops_it_with_the_providers_words(project: Project) -> None:
    env = {"SIM_KEY": "sim-key-123"}
    options = ("--api-key", "sim-key-123", "--accuracy", "0.6", "--latency", "0.05")
    with simulating(*options, "--revoke-after", "60") as simulator:
        config = arithmetic(project, simulator.base_url, seeds=40)
        config["endpoints"]["main"]["api_key_env"] = "SIM_KEY"
        project.write(config)
        said = project.tamis("run", "pipeline.yaml", "--out", "run", code=75, env=env)
        assert "401" in said
        assert "SIM_KEY" in said
        assert "sim-key-123" not in said
    with simulating(*options) as mended:
        config["endpoints"]["main"]["base_url"] = mended.base_url
        project.write(config)
        project.tamis("run", "pipeline.yaml", "--out", "run", "--resume", env=env)
    assert project.manifest("run")["state"] == "complete"


def test_a_full_disk_stops_the_run_and_space_lets_it_go_on(project: Project, simulator: Simulator) -> None:
    project.write(arithmetic(project, simulator.base_url, seeds=60))
    limited = subprocess.run(
        ["bash", "-c", f"ulimit -f 200; exec '{project.tamis_program}' run pipeline.yaml --out run"],
        check=False,
        cwd=project.folder,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert limited.returncode == 75, limited.stdout + limited.stderr
    assert "Traceback" not in limited.stderr
    assert "--resume" in limited.stdout + limited.stderr
    project.tamis("run", "pipeline.yaml", "--out", "run", "--resume")
    assert identities_hold(project.manifest("run"))
    assert project.manifest("run")["state"] == "complete"


CUT = """
from pathlib import Path

def cut(response, row, fields):
    done = Path(row["here"] + ".cut")
    if not done.exists():
        done.touch()
        with open(row["here"], "r+b") as file:
            file.truncate({size})
            file.seek({size})
            file.write({end})
    return True
"""


@pytest.mark.parametrize("end", [b"", b'{"id": '])
def test_a_source_that_is_cut_off_in_mid_run_drains_it_and_put_back_it_goes_on(project: Project, end: bytes) -> None:
    seeds = project.folder / "seeds.jsonl"
    row = {"text": "x" * 2000, "here": str(seeds)}  # together they are more than is read ahead
    project.rows("seeds.jsonl", [{"id": f"s{n}", **row} for n in range(200)])
    whole = seeds.read_bytes()
    size = sum(map(len, whole.splitlines(keepends=True)[:150]))
    (project.folder / "cut.py").write_text(CUT.format(size=size, end=end))
    source = {"type": "jsonl", "path": "seeds.jsonl", "id": "id", "candidates": "text"}
    stage = {"type": "verify", "check": "plugin", "function": "./cut.py:cut"}
    project.write({"name": "cut", "source": source, "stages": [stage]})
    said = project.tamis("run", "pipeline.yaml", "--out", "run", code=75)
    assert "the source has changed since the run began" in said
    manifest = project.manifest("run")
    assert manifest["state"] == "interrupted"
    assert identities_hold(manifest)
    assert manifest["counts"]["seeds"]["solved"] == 150
    seeds.write_bytes(whole)
    project.tamis("run", "pipeline.yaml", "--out", "run", "--resume")
    assert project.manifest("run")["counts"]["seeds"]["solved"] == 200


def test_a_second_process_on_the_same_run_is_refused_by_name(project: Project) -> None:
    with simulating("--latency", "20") as slow:
        project.write(arithmetic(project, slow.base_url, seeds=5))
        first = project.start("run", "pipeline.yaml", "--out", "run")
        calls_reach(slow, 5)
        said = project.tamis("run", "pipeline.yaml", "--out", "run", "--resume", code=2)
        assert str(first.pid) in said
        os.killpg(first.pid, signal.SIGKILL)
        first.communicate()
