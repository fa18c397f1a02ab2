"""A running `tamis serve`, and a caller of it: real HTTP over loopback, plain JSON in and out."""

from __future__ import annotations

import json
import signal
import subprocess
import threading
import urllib.error
import urllib.request
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import yaml
from whole_runs import TAMIS, Simulator

PAUSE = threading.Event()
TOKENS = {name: f"token-of-{name}-0123456789" for name in ("a", "b", "small", "narrow", "thrifty", "cramped")}
"""Tenants, and their tokens."""


@dataclass
class Answer:
    status: int
    headers: dict[str, str]
    raw: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.raw)


@dataclass
class Caller:
    """Somebody with a token, or without one."""

    base_url: str
    token: str = ""
    headers: dict[str, str] = field(default_factory=dict)

    def ask(self, method: str, path: str, body: Any = None, **headers: str) -> Answer:
        data = body if isinstance(body, (bytes, type(None))) else json.dumps(body).encode()
        sent = {**self.headers, **{name.replace("_", "-"): value for name, value in headers.items()}}
        if data is not None:
            sent.setdefault("Content-Type", "application/json")
        if self.token:
            sent.setdefault("Authorization", f"Bearer {self.token}")
        request = urllib.request.Request(self.base_url + path, data, sent, method=method)
        try:
            with urllib.request.urlopen(request, timeout=120) as reply:
                return Answer(reply.status, dict(reply.headers), reply.read())
        except urllib.error.HTTPError as error:
            with error:
                return Answer(error.code, dict(error.headers), error.read())

    def get(self, path: str, **headers: str) -> Any:
        answer = self.ask("GET", path, **headers)
        assert answer.status == 200, answer.raw
        return answer.json

    def post(self, path: str, body: Any = None, status: int = 200, **headers: str) -> Any:
        answer = self.ask("POST", path, {} if body is None else body, **headers)
        assert answer.status == status, answer.raw
        return answer.json

    def upload(self, name: str, content: bytes, purpose: str = "seeds") -> Answer:
        mark = uuid.uuid4().hex
        parts = [
            f'--{mark}\r\nContent-Disposition: form-data; name="purpose"\r\n\r\n{purpose}\r\n'.encode(),
            f'--{mark}\r\nContent-Disposition: form-data; name="file"; filename="{name}"\r\n\r\n'.encode(),
            content,
            f"\r\n--{mark}--\r\n".encode(),
        ]
        kind = f"multipart/form-data; boundary={mark}"
        return self.ask("POST", "/v1/files", b"".join(parts), Content_Type=kind)

    def seeds(self, count: int) -> str:
        """Upload additions, and return the file's id."""
        rows = [{"id": f"q{n}", "question": f"What is {n % 37 + 3} + {n % 91}?"} for n in range(count)]
        rows = [{**row, "answer": n % 37 + 3 + n % 91} for n, row in enumerate(rows)]
        answer = self.upload("seeds.jsonl", "".join(json.dumps(row) + "\n" for row in rows).encode())
        assert answer.status == 200, answer.raw
        return str(answer.json["id"])

    def job(self, job_id: str, *states: str) -> Any:
        """Return a job when it is in one of these states; asking again is the only wait."""
        for _ in range(1200):
            job = self.get(f"/v1/jobs/{job_id}")
            if job["state"] in states:
                return job
            if job["state"] in ("complete", "budget", "failed", "cancelled"):
                break
            PAUSE.wait(0.05)
        pytest.fail(f"{job} and never {states}")

    def under_way(self, job_id: str, calls: int = 3) -> Any:
        """Return a job when some calls of it have come home."""
        for _ in range(1200):
            job = self.get(f"/v1/jobs/{job_id}")
            if job["progress"] is not None and job["progress"]["calls"] >= calls:
                return job
            PAUSE.wait(0.05)
        pytest.fail(f"{job} and never {calls} calls")


def endpoints(simulator: Simulator) -> dict[str, Any]:
    """Return the endpoints of a service: `slow` takes one call at a time, behind `dead` there is nobody, and
    behind `absent` not the model."""
    one = {"base_url": simulator.base_url, "model": "simulated"}
    return {
        "main": {**one, "limits": {"max_concurrency": 32}},
        "slow": {**one, "limits": {"max_concurrency": 1}},
        "secret": {**one, "headers": {"X-Route": "behind-the-curtain"}},
        "dead": {"base_url": "http://127.0.0.1:9/v1", "model": "none"},
        "absent": {**one, "model": "absent", "limits": {"max_concurrency": 4}},
    }


def additions(file_id: str, endpoint: str = "main", **changes: Any) -> dict[str, Any]:
    """Return a small pipeline over uploaded additions."""
    return {
        "name": "additions",
        "seed": 7,
        "source": {"type": "upload", "file_id": file_id, "id": "id"},
        "stages": [
            {"type": "generate", "endpoint": endpoint, "prompts": ["{{ question }}"], "candidates": 2},
            {"type": "verify", "check": "numeric", "against": "{{ answer }}"},
            {"type": "select", "top": 1},
        ],
        "outputs": [{"format": "sft", "prompt": "{{ question }}"}],
        **changes,
    }


@dataclass
class Server:
    """A running service. `urls` are its ports, the main one first."""

    process: subprocess.Popen[str]
    urls: list[str]
    log: Path

    def caller(self, token: str = "") -> Caller:
        return Caller(self.urls[0], token)

    def stop(self, number: int = signal.SIGTERM) -> int:
        self.process.send_signal(number)
        return self.process.wait(120)


@contextmanager
def serving(folder: Path, config: Mapping[str, Any]) -> Iterator[Server]:
    """Run `tamis serve` with this service.yaml in a folder."""
    (folder / "service.yaml").write_text(yaml.safe_dump(dict(config)))
    with listening(folder, Path("service.yaml"), ports=2 if "admin_listen" in config else 1) as server:
        yield server


@contextmanager
def listening(folder: Path, file: Path, *options: str, ports: int) -> Iterator[Server]:
    """Run `tamis serve FILE` in a folder, until it listens at so many ports."""
    command = [TAMIS, "serve", str(file), *options]
    with (log := folder / "service.log").open("ab") as out:
        process = subprocess.Popen(command, cwd=folder, stdout=-1, stderr=out, text=True)
    assert process.stdout is not None
    try:
        lines = [process.stdout.readline() for _ in range(ports)]
        assert all(line.startswith("listening on ") for line in lines), log.read_text()
        yield Server(process, [line.split()[-1] for line in lines], log)
    finally:
        process.kill()
        process.wait(30)
        process.stdout.close()
