"""What benches share: pipelines of one endpoint, simulated servers, and virtual environments of other tools."""

from __future__ import annotations

import json
import subprocess
import sys
import urllib.request
import venv
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
TAMIS = str(Path(sys.executable).parent / "tamis")


def write_pipeline(
    folder: Path,
    rows: Iterable[dict[str, Any]],
    endpoint: dict[str, Any],
    stages: Sequence[dict[str, Any]],
    **more: Any,
) -> Path:
    """Write a pipeline with one endpoint, `main`, and its source; return its file."""
    with (folder / "seeds.jsonl").open("w") as file:
        file.writelines(json.dumps(row) + "\n" for row in rows)
    source = {"type": "jsonl", "path": "seeds.jsonl", "id": "id"}
    pipeline = {"name": "bench", "endpoints": {"main": endpoint}, "source": source, "stages": stages, **more}
    path = folder / "pipeline.yaml"
    path.write_text(json.dumps(pipeline))
    return path


@contextmanager
def simulating(*options: object) -> Iterator[str]:
    """Run a simulator while the block runs, on a free port where `options` name none; yield its base URL."""
    command = [TAMIS, "simulate", "--port", "0", *map(str, options)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            yield process.stdout.readline().split()[-1]
        finally:
            process.terminate()


def stats(base_url: str) -> dict[str, Any]:
    """Return what a simulator has counted."""
    with urllib.request.urlopen(base_url.removesuffix("/v1") + "/stats", timeout=60) as reply:
        told: dict[str, Any] = json.load(reply)
        return told


def peak_mb(process: int | str = "self") -> float:
    """Return the most memory that a process ever had; getrusage has the peak of who started it, too."""
    status = Path(f"/proc/{process}/status").read_text()
    return int(status.partition("VmHWM:")[2].split()[0]) / 1024


def environment(folder: Path, *packages: str) -> Path:
    """Return the interpreter of a virtual environment with these packages; it is made where there is none."""
    python = folder / "bin" / "python"
    if not python.exists():
        venv.create(folder, with_pip=True)
        subprocess.run([python, "-m", "pip", "install", "--quiet", *packages], check=True)
    return python
