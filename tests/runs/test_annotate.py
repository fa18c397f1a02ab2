"""A folder of documents, each chunk labelled and then written about: a whole run, and one that is resumed."""

from __future__ import annotations

from collections import Counter
from typing import Any

from whole_runs import Project, identities_hold, simulating

CHOICES = ["cooking", "travel by rail", "music"]


def pipeline(project: Project, base_url: str, documents: int, **endpoint: Any) -> None:
    for number in range(documents):
        folder = project.folder / f"docs/{number % 3}"
        folder.mkdir(parents=True, exist_ok=True)
        (folder / f"{number}.md").write_text(f"# Note {number}\nFirst part.\n\n## More\nSecond part of {number}.\n")
    project.write(
        {
            "endpoints": {"main": {"base_url": base_url, "model": "simulated", **endpoint}},
            "source": {"type": "text", "path": "docs", "glob": "**/*.md", "chunk": {"by": "heading"}},
            "stages": [
                {
                    "type": "annotate",
                    "as": "topic",
                    "endpoint": "main",
                    "prompt": "About: {{ text }}",
                    "choices": CHOICES,
                },
                {
                    "type": "generate",
                    "endpoint": "main",
                    "prompts": ["Write on {{ topic }}: {{ heading }}\n{{ text }}"],
                },
            ],
            "outputs": [
                {"format": "sft", "prompt": "{{ topic }}: {{ text }}", "columns": ["topic", "path", "heading"]}
            ],
        }
    )


def test_chunks_are_labelled_and_the_label_is_seen_by_prompts_and_exports(project: Project) -> None:
    with simulating() as simulator:
        pipeline(project, simulator.base_url, documents=9, structured=False)
        project.tamis("run", "pipeline.yaml", "--out", "run")
    rows = project.lines("run", "exports/sft.jsonl")
    assert len(rows) == 18
    labels = Counter(row["topic"] for row in rows)
    assert set(labels) == set(CHOICES)
    assert rows[0]["messages"][0]["content"].startswith(f"{rows[0]['topic']}: # Note 0")
    assert {(row["path"], row["heading"]) for row in rows} >= {("0/0.md", "Note 0"), ("2/8.md", "Note 8 > More")}


def test_a_resumed_run_labels_nothing_twice_and_ends_as_one_that_was_never_stopped(project: Project) -> None:
    with simulating() as simulator:
        pipeline(project, simulator.base_url, documents=15)
        project.tamis("run", "pipeline.yaml", "--out", "whole")
        project.tamis("run", "pipeline.yaml", "--out", "cut", "--set", "budget.calls=37", code=3)
        before = simulator.stats()["calls"]
        project.tamis("run", "pipeline.yaml", "--out", "cut", "--resume")
        again = simulator.stats()["calls"] - before
    manifest = project.manifest("cut")
    assert again + 37 == manifest["calls"]["calls"] == 60
    assert identities_hold(manifest)
    assert (project.folder / "cut/accepted.jsonl").read_bytes() == (
        project.folder / "whole/accepted.jsonl"
    ).read_bytes()
