"""Changes to a good pipeline that make it another, or a bad one: `from pipeline_changes import put, seeds`."""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable
from typing import Any

from whole_runs import Project

Config = dict[str, Any]
Change = Callable[[Project, Config], None]

KEY = "sim-key-123"
"""What the simulator of the fixture `config` asks for."""


def put(place: str, value: Any) -> Change:
    """Return the change that writes `value` at `stages.0.candidates` or the like."""

    def change(_: Project, config: Config) -> None:
        *keys, last = (int(key) if key.isdigit() else key for key in place.split("."))
        holder: Any = config
        for key in keys:
            holder = holder[key]
        holder[last] = value

    return change


def stages(*order: int | Config) -> Change:
    """Return the change that leaves these stages, by their place in the good pipeline, and no outputs."""

    def change(_: Project, config: Config) -> None:
        config["stages"] = [config["stages"][one] if isinstance(one, int) else one for one in order]
        config["outputs"] = []

    return change


def seeds(*lines: str, name: str = "seeds.jsonl", **keys: Any) -> Change:
    """Return the change that makes the source of these lines."""

    def change(project: Project, config: Config) -> None:
        packed = gzip.compress if name.endswith(".gz") else bytes
        (project.folder / name).write_bytes(packed("".join(line + "\n" for line in lines).encode()))
        config["source"] |= {"path": name, **keys}

    return change


def seed(n: int, **more: Any) -> str:
    return json.dumps({"id": f"q{n}", "question": f"What is {n} + 1?", "answer": n + 1, **more})
