"""What /openapi.json promises, held against the service by schemathesis: no 5xx, nothing answered outside the schema.

A first run asks with what it makes up itself; a second one asks about a job, a batch and files that there are, whose
answers are long. Not held: that whatever fits the schema is accepted, since a pipeline is looked over in more respects
than a schema can say.
"""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from batch_client import chat, client_of
from needs import need_program
from served import Server, additions, endpoints, serving
from whole_runs import TAMIS, Simulator

SCHEMATHESIS = str(Path(TAMIS).with_name("schemathesis"))
EXAMPLES = 5


@pytest.fixture
def fuzzed(simulator: Simulator, tmp_path: Path) -> Iterator[Server]:
    config = {"listen": "127.0.0.1:0", "endpoints": endpoints(simulator)}
    with serving(tmp_path, config) as server:
        yield server


def conforms(server: Server, folder: Path, config: str, *options: str) -> None:
    """Let schemathesis ask, repeatably, and fail with its words where the service does not do as it says."""
    (folder / "schemathesis.toml").write_text(config)
    config_file, url = ("--config-file", "schemathesis.toml"), f"{server.urls[0]}/openapi.json"
    limits = ("--seed", "7", "--max-examples", str(EXAMPLES), "--exclude-checks", "positive_data_acceptance")
    command = [need_program(SCHEMATHESIS), *config_file, "--no-color", "run", url, *limits, *options]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=240, check=False)
    assert done.returncode == 0, done.stdout[-6000:] + done.stderr
    assert "defect" not in (folder / "service.log").read_text()


def test_whatever_is_asked_is_answered_as_the_document_says(fuzzed: Server, tmp_path: Path) -> None:
    conforms(fuzzed, tmp_path, "")


def test_what_there_is_is_shown_as_the_document_says(fuzzed: Server, tmp_path: Path) -> None:
    caller = fuzzed.caller()
    file_id = caller.seeds(3)
    job_id = caller.post("/v1/jobs", {"pipeline": additions(file_id)}, 201)["id"]
    with client_of(fuzzed) as client:
        batch = client.ended(client.send([chat(n) for n in range(3)]).id)
    caller.job(job_id, "complete")
    known = {"job_id": job_id, "batch_id": batch.id, "file_id": file_id, "number": "1", "name": "accepted.jsonl"}
    lines = [f'"path.{name}" = "{value}"' for name, value in known.items()]
    config = "\n".join(["[parameters]", *lines, f'"body.input_file_id" = "{batch.input_file_id}"'])
    conforms(fuzzed, tmp_path, config, "--exclude-method", "DELETE", "--phases", "coverage,fuzzing")
    assert caller.get(f"/v1/jobs/{job_id}")["state"] == "complete"
