"""A generator that slides into repetition, watched and answered by whole runs."""

from __future__ import annotations

import os
import signal
from collections import Counter
from typing import Any

import orjson
from whole_runs import Project, committed, identities_hold, simulating, waits_for

from queues.ledger import Reader
from service.simulator.slide import FIRST, LAST, LENGTH

PROMPTS = ["Write one new task. Example: {{ example }}", "Invent something to do, unlike {{ example }}"]
AFTER = 250


def pipeline(project: Project, base_url: str, seeds: int, respond: list[str] | None, **stage: Any) -> dict[str, Any]:
    project.rows("seeds.jsonl", [{"id": f"s{n:04}", "example": f"task {n}"} for n in range(seeds)])
    config: dict[str, Any] = {
        "seed": 5,
        "endpoints": {"main": {"base_url": base_url, "model": "simulated", "limits": {"max_concurrency": 8}}},
        "source": {"type": "jsonl", "path": "seeds.jsonl", "id": "id"},
        "stages": [{"type": "generate", "endpoint": "main", "prompts": PROMPTS, "temperature": 0.7, **stage}],
    }
    return config if respond is None else {**config, "collapse": {"respond": respond}}


def rows(project: Project, run: str, kind: str) -> list[dict[str, Any]]:
    with Reader(project.folder / run / "ledger.sqlite") as reader:
        return [orjson.loads(row.body) for row in reader.decisions(kind)]


def repeats(project: Project, run: str, last: int) -> float:
    """Return the share of the last texts that were there before."""
    said = [row["messages"][-1]["content"] for row in project.lines(run, "accepted.jsonl")]
    before = set(said[:-last])
    return sum(text in before for text in said[-last:]) / last


def test_a_slide_is_told_in_time_by_a_run_that_nobody_asked_to_watch(project: Project) -> None:
    with simulating("--collapse", str(AFTER)) as simulator:
        project.write(pipeline(project, simulator.base_url, AFTER + LENGTH + 400, None, prompts=PROMPTS[:1]))
        told = project.tamis("run", "pipeline.yaml", "--out", "run")
    (alarm, *_) = rows(project, "run", "collapse")
    assert AFTER < alarm["at"] <= AFTER + LENGTH + 300
    assert alarm["usual"] < alarm["now"]["repeated"]
    assert "step" not in alarm
    assert "ALARM: generate repeats itself" in told
    windows = rows(project, "run", "diversity")
    assert {window["texts"] for window in windows} == {200}
    assert windows[0]["repeated"] < 0.1, "how many more there are depends on the machine: between two it rests"


def test_what_answers_an_alarm_brings_back_at_least_half_of_what_was_lost(project: Project) -> None:
    with simulating("--collapse", str(AFTER)) as simulator:
        project.write(pipeline(project, simulator.base_url, 1_500, ["temperature", "prompt"]))
        told = project.tamis("run", "pipeline.yaml", "--out", "run")
    assert repeats(project, "run", 500) <= (FIRST + LAST) / 2
    assert "answered: temperature, prompt" in told
    alarm, answered, effect, *_ = rows(project, "run", "collapse")
    assert [alarm["step"], answered["step"], effect["what"]] == ["temperature", "prompt", "effect"]
    assert effect["now"]["repeated"] < effect["before"]["repeated"] == answered["now"]["repeated"]
    ways = Counter(
        (row["lineage"].get("steering", 0), row["lineage"]["temperature"], row["lineage"]["prompt"])
        for row in project.lines("run", "accepted.jsonl")
    )
    assert {(0, 0.7, 0), (1, 0.9, 0), (2, 0.9, 1)} <= set(ways)


def steps_reach(project: Project, run: str, wanted: int) -> None:
    """Return when so many steps are committed."""

    def told() -> list[dict[str, Any]]:
        begun = (project.folder / run / "pipeline.resolved.yaml").exists()
        return rows(project, run, "collapse") if begun else []

    waits_for(lambda: sum("step" in row for row in told()) >= wanted, lambda: f"{wanted} steps, {told()}")


def test_a_run_killed_after_its_answers_goes_on_with_them_and_asks_for_nothing_twice(project: Project) -> None:
    """Each kill finds seeds of which some replies are committed, asked for under an older steering."""
    with simulating("--collapse", "250", "--latency", "0.02", "--jitter", "0.5") as simulator:
        every = ["temperature", "prompt", "persona", "verbalized"]
        project.write(pipeline(project, simulator.base_url, 180, every, candidates=8))
        known = []
        for steps in (1, 2):
            process = project.start("run", "pipeline.yaml", "--out", "run", "--resume")
            steps_reach(project, "run", steps)
            os.killpg(process.pid, signal.SIGKILL)
            process.communicate()
            unacknowledged = simulator.stats()["calls"] - committed(project, "run")
            known.append(rows(project, "run", "collapse"))
        project.tamis("run", "pipeline.yaml", "--out", "run", "--resume")
        assert simulator.stats()["calls"] - committed(project, "run") <= unacknowledged
    told = rows(project, "run", "collapse")
    assert all(told[: len(some)] == some for some in known), "what was decided stands"
    numbers = [row["steering"]["number"] for row in told if "steering" in row]
    assert numbers == [*range(1, len(numbers) + 1)]
    manifest = project.manifest("run")
    assert identities_hold(manifest)
    assert manifest["calls"]["calls"] == manifest["counts"]["candidates"]["generated"] == 180 * 8
