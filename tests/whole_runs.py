"""Whole runs as a person makes them: the `tamis` command in a process of its own, against a simulator in another."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

from queues.ledger import Reader

TAMIS = str(Path(sys.executable).parent / "tamis")


@dataclass
class Simulator:
    """A running `tamis simulate`."""

    base_url: str

    def stats(self) -> dict[str, Any]:
        with urllib.request.urlopen(self.base_url.removesuffix("/v1") + "/stats", timeout=10) as reply:
            stats: dict[str, Any] = json.load(reply)
            return stats


@contextmanager
def simulating(*options: str) -> Iterator[Simulator]:
    process = subprocess.Popen([TAMIS, "simulate", "--port", "0", *options], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    try:
        yield Simulator(process.stdout.readline().split()[-1])
    finally:
        process.terminate()
        process.wait(10)
        process.stdout.close()


@dataclass
class Project:
    """A folder with a pipeline in it, and the command to work on it."""

    folder: Path
    tamis_program = TAMIS

    def write(self, config: Mapping[str, Any], name: str = "pipeline.yaml") -> Path:
        path = self.folder / name
        path.write_text(yaml.safe_dump(dict(config), sort_keys=False))
        return path

    def rows(self, name: str, rows: list[dict[str, Any]]) -> Path:
        path = self.folder / name
        path.write_text("".join(json.dumps(row) + "\n" for row in rows))
        return path

    def start(self, *arguments: str, env: Mapping[str, str] | None = None) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [TAMIS, *arguments],
            cwd=self.folder,
            env={**os.environ, **(env or {})},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )

    def tamis(
        self,
        *arguments: str,
        code: int = 0,
        env: Mapping[str, str] | None = None,
        timeout: float = 120,
        typed: str | None = None,
    ) -> str:
        """Run the command, assert its exit code, return what it printed on both streams."""
        process = self.start(*arguments, env=env)
        try:
            out, err = process.communicate(typed, timeout=timeout)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            out, err = process.communicate()
            pytest.fail(f"tamis {arguments} did not end in {timeout} s\n{out}{err}")
        assert process.returncode == code, f"code {process.returncode}, not {code}\n{out}{err}"
        assert "Traceback" not in out + err
        return out + err

    def manifest(self, run: str) -> dict[str, Any]:
        manifest: dict[str, Any] = json.loads((self.folder / run / "manifest.json").read_text())
        return manifest

    def lines(self, run: str, name: str) -> list[dict[str, Any]]:
        return [json.loads(line) for line in (self.folder / run / name).read_text().splitlines()]


def identities_hold(manifest: dict[str, Any]) -> bool:
    """Whether nothing is missing and nothing counted twice."""
    candidates, seeds = manifest["counts"]["candidates"], manifest["counts"]["seeds"]
    made = candidates["generated"] + candidates["derived"] + candidates["given"]
    ended = candidates["accepted"] + sum(candidates["rejected"].values()) + candidates["failed"] + candidates["pending"]
    came = seeds["read"] + seeds["derived"]
    went = sum(seeds[state] for state in ("solved", "unsolved", "failed", "expanded", "pending"))
    return bool(made == ended and came == went)


CONSTITUTION = """\
principles:
  - id: shows-steps
    text: The answer shows the steps that lead to it.
"""


def arithmetic(project: Project, base_url: str, seeds: int = 40, **changes: Any) -> dict[str, Any]:
    """Write seeds and a constitution; return a pipeline of all stages there are over the simulator's own world."""
    project.rows(
        "seeds.jsonl",
        [
            {"id": f"q{n:04}", "question": f"What is {n % 37 + 3} + {n * 7 % 91}?", "answer": n % 37 + 3 + n * 7 % 91}
            for n in range(seeds)
        ],
    )
    (project.folder / "constitution.yaml").write_text(CONSTITUTION)
    return {
        "name": "arithmetic",
        "seed": 7,
        "constitution": "constitution.yaml",
        "endpoints": {"main": {"base_url": base_url, "model": "simulated", "limits": {"max_concurrency": 100}}},
        "source": {"type": "jsonl", "path": "seeds.jsonl", "id": "id"},
        "stages": [
            {
                "type": "generate",
                "endpoint": "main",
                "prompts": ["{{ question }}"],
                "candidates": 4,
                "temperature": [0.2, 0.7],
            },
            {"type": "verify", "check": "numeric", "against": "{{ answer }}"},
            {"type": "judge", "endpoint": "main", "mode": "eliminate"},
            {"type": "select", "top": 2},
            {"type": "dedupe", "near": {"threshold": 0.8}},
            {"type": "score", "features": {"steps": 0.1, "explanation": 0.1}},
        ],
        "outputs": [
            {"format": "sft", "prompt": "{{ question }}"},
            {"format": "dpo", "pairs": {"rejected": ["verify"]}},
        ],
        **changes,
    }


def waits_for(true: Callable[[], object], told: Callable[[], object] = str) -> None:
    """Return when it is true; looking again is the only wait. Two minutes are enough on a machine under load."""
    pause, last = threading.Event(), time.monotonic() + 120
    while not true():
        if time.monotonic() > last:
            pytest.fail(f"it never came to that {told()}")
        pause.wait(0.02)


def calls_reach(simulator: Simulator, wanted: int) -> None:
    """Return when the simulator has seen so many calls."""
    waits_for(lambda: simulator.stats()["calls"] >= wanted, lambda: f"{wanted} calls, {simulator.stats()}")


def committed(project: Project, run: str) -> int:
    with Reader(project.folder / run / "ledger.sqlite") as reader:
        return sum(spend.calls for spend in reader.spend())
