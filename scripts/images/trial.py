"""Tries the image as its users will: a batch run and the service, stopped in the middle and started again.

Everything happens on a loopback of its own: scripts/image starts this in a network namespace.
"""

from __future__ import annotations

import argparse
import fcntl
import json
import os
import socket
import struct
import subprocess
import sys
import time
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import yaml
from images.container import SANDBOX, Container, Engine, Image, default_profile, guarded_profile
from served import PAUSE, Caller, additions
from whole_runs import Simulator, calls_reach, simulating

from queues.ledger import Reader

SEEDS, CANDIDATES = 60, 2
CODE_ROW = json.dumps(
    {"id": "q", "task": "Double it.", "codes": ["def double(x): return 2 * x"], "test": "assert double(2) == 4"}
)
CODE = {
    "source": {"type": "jsonl", "path": "code.jsonl", "id": "id", "candidates": "codes"},
    "stages": [{"type": "verify", "check": "python", "tests": "{{ test }}"}],
    "outputs": [{"format": "sft", "prompt": "{{ task }}"}],
}
SERVICE = "http://127.0.0.1:8080"


def main() -> None:
    """Try everything; the first thing that does not hold ends it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("root", type=Path)
    parser.add_argument("inspected", type=Path, help="what `buildah inspect` says of the image")
    parser.add_argument("folder", type=Path)
    asked = parser.parse_args()
    _loopback_up()
    _one_hierarchy()
    image = Image(asked.root, json.loads(asked.inspected.read_text())["OCIv1"]["config"])
    data = asked.folder / "data"
    data.mkdir(parents=True)
    os.chown(data, *image.user)
    engine = Engine(image, asked.folder, data)
    options = ("--latency", "0.4", "--accuracy", "0.7")
    with simulating(*options) as simulator:
        batch(engine, simulator)
    with simulating(*options) as simulator:
        service(engine, simulator)
    code(engine)


def batch(engine: Engine, simulator: Simulator) -> None:
    """Stop a run in the middle and start it again."""
    rows = [{"id": f"q{n}", "question": f"What is {n} + {n + 1}?", "answer": 2 * n + 1} for n in range(SEEDS)]
    (engine.data / "seeds.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    pipeline: dict[str, Any] = additions("") | {"endpoints": {"main": endpoint(simulator)}}
    pipeline["source"] = {"type": "jsonl", "path": "seeds.jsonl", "id": "id"}
    pipeline["outputs"] = [{"format": "sft", "prompt": "{{ question }}", "file": "parquet"}]
    (engine.data / "pipeline.yaml").write_text(yaml.safe_dump(pipeline))
    words = ("run", "pipeline.yaml", "--out", "run", "--resume", "--metrics-port", "9464", "--no-progress")
    begun = time.monotonic()
    with engine.running(*words) as container:
        calls_reach(simulator, 1)
        told(f"a run's first call leaves {time.monotonic() - begun:.1f} s after its container was started")
        confined(container, engine.image)
        holds(container.does("python", "/opt/tamis/health.py") == 0, "the health check finds a run well")
        calls_reach(simulator, 30)
        holds(container.stop() == 75, "a run that gets SIGTERM ends with 75")
    before = simulator.stats()["calls"]
    holds(committed(engine) == before < SEEDS * CANDIDATES, f"its {before} calls came home, and are in the ledger")
    code, _ = engine.ends(*words)
    sent = simulator.stats()["calls"]
    holds(code == 0, "a second start ends with 0")
    holds(sent == SEEDS * CANDIDATES == committed(engine), f"{sent} calls in all: none was sent twice")
    holds(any((engine.data / "run/exports").glob("*.parquet")), "Parquet was written")
    holds((engine.data / "run/report.html").exists(), "the report was drawn")


def service(engine: Engine, simulator: Simulator) -> None:
    """Stop the service, which the image starts by itself, in the middle of a job, and start it again."""
    settings = engine.folder / "service.yaml"
    settings.write_text(yaml.safe_dump({"data_dir": "/data/service", "endpoints": {"main": endpoint(simulator)}}))
    mounts = {"/etc/tamis/service.yaml": settings}
    caller = Caller(SERVICE)
    begun = time.monotonic()
    with engine.running(mounts=mounts) as container:
        answers(caller)
        told(f"the service answers {time.monotonic() - begun:.1f} s after its container was started")
        holds(container.does("python", "/opt/tamis/health.py") == 0, "the health check finds the service well")
        job = caller.post("/v1/jobs", {"pipeline": additions(caller.seeds(SEEDS))}, 201)["id"]
        refused = code_job(caller)
        calls_reach(simulator, 30)
        holds(container.stop() == 75, "a service that gets SIGTERM ends with 75")
    holds("the sandbox does not hold" in refused, f"a job that runs code is refused: {refused}")
    before = simulator.stats()["calls"]
    with engine.running(mounts=mounts) as container:
        answers(caller)
        ended = caller.job(job, "complete")
        container.stop()
    sent = simulator.stats()["calls"]
    holds(
        before < sent == SEEDS * CANDIDATES,
        f"after the second start its job goes on by itself: {before}, then {sent} calls",
    )
    told(f"the job made {ended['counts']['candidates']['accepted']} samples")


def code(engine: Engine) -> None:
    """See what a profile does to the sandbox."""
    (engine.data / "code.jsonl").write_text(CODE_ROW)
    (engine.data / "code.yaml").write_text(yaml.safe_dump(CODE))
    ended, said = engine.ends("run", "code.yaml", "--out", "refused", "--no-progress")
    refused = ended == 2 and "the sandbox does not hold" in said
    holds(refused, f"where a profile refuses namespaces, as Docker's does, no code is run: {said.strip()}")
    for name, profile in (
        (f"that profile with {', '.join(SANDBOX)} allowed", guarded_profile(SANDBOX)),
        ("the default profile of Podman and Buildah", default_profile()),
    ):
        other = Engine(engine.image, engine.folder, engine.data, profile)
        ended, said = other.ends("run", "code.yaml", "--out", f"run-{len(name)}", "--no-progress")
        holds(ended == 0, f"under {name} the sandbox proves itself, and code is run {'' if ended == 0 else said}")


def code_job(caller: Caller) -> str:
    """Submit a job that runs code, and return why it was not run."""
    file_id = caller.upload("code.jsonl", CODE_ROW.encode()).json["id"]
    source = {"type": "upload", "file_id": file_id, "id": "id", "candidates": "codes"}
    pipeline = {**CODE, "name": "code", "source": source}
    job = caller.post("/v1/jobs", {"pipeline": pipeline}, 201)["id"]
    return str(caller.job(job, "failed")["error"])


def confined(container: Container, image: Image) -> None:
    """See that the process is nobody, has nothing to gain, and cannot write to its root."""
    status = container.status()
    holds(status["Uid"].split() == [str(image.user[0])] * 4, f"it runs as {image.user[0]}")
    holds(int(status["CapBnd"], 16) == 0 and status["NoNewPrivs"] == "1", "without any capability, now or later")
    holds(status["Seccomp"] == "2", "under a seccomp profile")
    write = "open({!r}, 'w')".format
    holds(container.does("python", "-c", write("/opt/x")) != 0, "its root is read-only")
    holds(container.does("python", "-c", write("/data/x")) == 0, "/data can be written to")


def endpoint(simulator: Simulator) -> Mapping[str, Any]:
    return {"base_url": simulator.base_url, "model": "simulated", "limits": {"max_concurrency": 8}}


def committed(engine: Engine) -> int:
    with Reader(engine.data / "run/ledger.sqlite") as reader:
        return sum(spend.calls for spend in reader.spend())


def answers(caller: Caller) -> None:
    """Return when the service is ready."""
    for _ in range(1200):
        with suppress(OSError):
            if caller.ask("GET", "/readyz").status == 200:
                return
        PAUSE.wait(0.05)
    sys.exit("the service never answered")


def holds(true: bool, what: str) -> None:
    told(("ok    " if true else "WRONG ") + what)
    if not true:
        sys.exit(1)


def told(what: str) -> None:
    print(what, flush=True)


def _loopback_up() -> None:
    """Do what `ip link set lo up` does."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as any_socket:
        up = struct.pack("16sH22x", b"lo", 1)
        fcntl.ioctl(any_socket, 0x8914, up)  # SIOCSIFFLAGS, IFF_UP


def _one_hierarchy() -> None:
    """Show crun control groups of the one kind that it takes, in this mount namespace; none are used."""
    subprocess.run(["mount", "-t", "cgroup2", "none", "/sys/fs/cgroup"], check=True)


if __name__ == "__main__":
    main()
