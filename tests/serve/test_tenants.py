"""What a tenant tries, and what comes of it."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from batch_client import chat, client_of
from scripted_server import closed_port
from served import TOKENS, Answer, Caller, Server, additions, serving
from whole_runs import simulating


def code(answer: Any) -> tuple[int, str | None]:
    return answer.status, answer.json["error"]["code"]


@pytest.mark.parametrize("token", ["", "wrong-token-0123456789", "no-utf-8-\xff"])
def test_without_a_known_token_there_is_nothing_but_probes(server: Server, token: str) -> None:
    nobody = server.caller(token)
    for path in ("/v1/jobs", "/v1/files", "/v1/endpoints", "/v1/jobs/job-0/events"):
        answer = nobody.ask("GET", path)
        assert code(answer) == (401, "invalid_api_key")
        assert answer.json["error"]["type"] == "authentication_error"
    for path in ("/healthz", "/readyz", "/openapi.json"):
        assert nobody.ask("GET", path).status == 200
    assert nobody.ask("GET", "/metrics").status == 404


@pytest.fixture(scope="module")
def of_a(server: Server) -> tuple[str, str]:
    """What a tenant has: a file, and a job that has ended."""
    a = server.caller(TOKENS["a"])
    file_id = a.seeds(4)
    job = a.post("/v1/jobs", {"pipeline": additions(file_id)}, 201)["id"]
    a.job(job, "complete")
    return file_id, job


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/v1/jobs/{job}"),
        ("GET", "/v1/jobs/{job}/events"),
        ("GET", "/v1/jobs/{job}/pipeline"),
        ("GET", "/v1/jobs/{job}/samples"),
        ("GET", "/v1/jobs/{job}/seeds"),
        ("GET", "/v1/jobs/{job}/seeds/0"),
        ("GET", "/v1/jobs/{job}/files"),
        ("GET", "/v1/jobs/{job}/files/accepted.jsonl"),
        ("POST", "/v1/jobs/{job}/cancel"),
        ("POST", "/v1/jobs/{job}/pause"),
        ("POST", "/v1/jobs/{job}/resume"),
        ("DELETE", "/v1/jobs/{job}"),
        ("GET", "/v1/files/{file}"),
        ("GET", "/v1/files/{file}/content"),
        ("DELETE", "/v1/files/{file}"),
    ],
)
def test_what_is_anothers_is_not_there(b: Caller, of_a: tuple[str, str], method: str, path: str) -> None:
    answer = b.ask(method, path.format(file=of_a[0], job=of_a[1]))
    assert code(answer) == (404, "not_found")


def test_lists_hold_what_is_ones_own(a: Caller, b: Caller, of_a: tuple[str, str]) -> None:
    assert of_a[1] in [job["id"] for job in a.get("/v1/jobs")["data"]]
    assert of_a[1] not in [job["id"] for job in b.get("/v1/jobs?limit=1000")["data"]]
    assert of_a[0] not in [file["id"] for file in b.get("/v1/files?limit=1000")["data"]]
    after = b.get(f"/v1/jobs?order=asc&after={of_a[1]}")
    assert all(job["tenant"] == "b" for job in after["data"])
    assert [one["id"] for one in b.get("/v1/endpoints")["data"]] == ["main", "slow", "dead"]


GENERATE = {"type": "generate", "endpoint": "main", "prompts": ["{{ question }}"]}


@pytest.mark.parametrize(
    ("keys", "loc"),
    [
        ({"source": {"type": "jsonl", "path": "/etc/passwd"}}, "source.path"),
        ({"source": {"type": "text", "path": "../.."}}, "source.path"),
        ({"source": {"type": "huggingface", "path": "openai/gsm8k"}}, "source.path"),
        ({"source": {"type": "huggingface", "path": "{own}"}}, "source.path"),
        ({"source": {"type": "upload", "file_id": "{anothers}"}}, "source.file_id"),
        ({"source": {"type": "upload", "file_id": "../registry.sqlite"}}, "source.file_id"),
        ({"constitution": "/etc/hostname"}, "constitution"),
        ({"constitution": "{anothers}"}, "constitution"),
        ({"endpoints": {"main": {"base_url": "http://169.254.169.254/", "model": "x"}}}, "endpoints"),
        ({"stages": [{**GENERATE, "endpoint": "secret"}]}, "stages[0].endpoint"),
        ({"stages": [{**GENERATE, "prompts": [{"file": "/proc/self/environ"}]}]}, "stages[0].prompts[0]"),
        (
            {"stages": [GENERATE, {"type": "verify", "check": "plugin", "function": "/tmp/x.py:f"}]},
            "stages[1].function",
        ),
        (
            {"stages": [GENERATE, {"type": "decontaminate", "against": ["/etc/passwd"], "field": "x"}]},
            "stages[1].against[0]",
        ),
    ],
)
def test_a_pipeline_reaches_nothing_of_the_host(
    b: Caller, of_a: tuple[str, str], keys: dict[str, Any], loc: str
) -> None:
    own = b.seeds(1)
    written = json.dumps(additions(own, **keys)).replace("{anothers}", of_a[0]).replace("{own}", own)
    pipeline = json.loads(written)
    answer = b.ask("POST", "/v1/jobs", {"pipeline": pipeline})
    assert code(answer) == (400, "invalid_pipeline")
    assert loc in [error["loc"] for error in answer.json["errors"]]
    assert "root:" not in answer.raw.decode()


def test_all_mistakes_are_told_at_once_before_a_job_is_made(b: Caller) -> None:
    pipeline = additions(b.seeds(1), stages=[{**GENERATE, "prompts": ["{{ qestion }}"], "candidats": 3}], seed="x")
    before = b.get("/v1/jobs?limit=1000")["data"]
    answer = b.ask("POST", "/v1/jobs", {"pipeline": pipeline}).json
    assert {error["loc"] for error in answer["errors"]} == {"stages[0].prompts[0]", "stages[0].candidats", "seed"}
    assert b.get("/v1/jobs?limit=1000")["data"] == before
    checked = b.post("/v1/jobs/check", {"pipeline": pipeline})
    assert (checked["valid"], checked["errors"]) == (False, answer["errors"])
    assert b.post("/v1/jobs/check", {"pipeline": additions(b.seeds(5))})["seeds"] == 5


def test_a_broken_upload_is_told_by_line_and_not_by_where_it_lies(b: Caller, server: Server) -> None:
    file_id = b.upload("x.jsonl", b'{"id": 1, "question": "a", "answer": 1}\n{"id": \n').json["id"]
    answer = b.ask("POST", "/v1/jobs", {"pipeline": additions(file_id)})
    assert code(answer) == (400, "invalid_pipeline")
    assert f"{file_id}.jsonl:2" in answer.json["error"]["message"]
    assert "/files/" not in answer.raw.decode()


def test_where_an_endpoint_is_stays_the_operators(b: Caller, of_a: tuple[str, str], a: Caller) -> None:
    job = b.post("/v1/jobs", {"pipeline": additions(b.seeds(1), "dead")}, 201)["id"]
    error = b.job(job, "failed")["error"]
    assert error["code"] == "input"
    assert "dead" in error["message"]
    assert "127.0.0.1" not in error["message"]
    for name in ("report.html", "report.json", "manifest.json"):
        text = a.ask("GET", f"/v1/jobs/{of_a[1]}/files/{name}").raw.decode()
        assert "127.0.0.1" not in text
        assert "behind-the-curtain" not in text
    for name in (
        "pipeline.resolved.yaml",
        "ledger.sqlite",
        "../" + of_a[1] + "/ledger.sqlite",
        "exports/../ledger.lock",
    ):
        assert a.ask("GET", f"/v1/jobs/{of_a[1]}/files/{name.replace('/', '%2f')}").status == 404


def test_quotas_bound_jobs_seeds_tokens_and_disk(small: Caller) -> None:
    big, little = small.seeds(600), small.seeds(150)
    over = small.ask("POST", "/v1/jobs", {"pipeline": additions(big)})
    assert code(over) == (429, "queued_seeds")
    assert over.json["error"]["type"] == "rate_limit_error"
    jobs = [small.post("/v1/jobs", {"pipeline": additions(little, "slow")}, 201)["id"] for _ in range(2)]
    assert code(small.ask("POST", "/v1/jobs", {"pipeline": additions(little), "limit": 1})) == (429, "jobs")
    assert code(small.ask("DELETE", f"/v1/files/{little}")) == (409, "in_use")
    paused = small.job(jobs[0], "paused")  # by itself, when the tokens of the day are used up
    assert paused["error"]["code"] == "quota"
    for job in jobs:
        small.post(f"/v1/jobs/{job}/cancel")
        small.job(job, "cancelled")
    spent = small.ask("POST", "/v1/jobs", {"pipeline": additions(little), "limit": 1})
    assert code(spent) == (429, "tokens_per_day")
    assert 0 < int(spent.headers["Retry-After"]) <= 24 * 3600 + 1
    assert code(small.upload("x.jsonl", b"x" * 10**6)) == (413, "too_large")


def test_a_job_and_a_batch_that_fill_the_disk_stop_and_keep_what_they_have(server: Server) -> None:
    caller = server.caller(TOKENS["cramped"])
    job_id = caller.post("/v1/jobs", {"pipeline": additions(caller.seeds(2000), "slow")}, 201)["id"]
    with client_of(server, TOKENS["cramped"]) as client:
        batch = client.ended(client.send([chat(n, "slow") for n in range(2000)]).id)
        assert batch.status == "failed"
        (error,) = (batch.errors and batch.errors.data) or ()
        assert (error.code, error.message) == ("quota", "your quota of disk is full")
        assert 0 < len(client.lines(batch.output_file_id)) < 2000
    job = caller.job(job_id, "paused")
    assert job["error"]["code"] == "quota"
    assert "your quota of disk is full" in job["error"]["message"]
    assert 0 < job["counts"]["candidates"]["generated"] < 4000
    caller.post(f"/v1/jobs/{job_id}/cancel")


def test_figures_are_at_the_operators_port_and_name_no_tenant(server: Server, a: Caller, of_a: tuple[str, str]) -> None:
    figures = Caller(server.urls[1]).ask("GET", "/metrics").raw.decode()
    assert 'tamis_jobs{state="complete"}' in figures
    assert 'stage="generate"' in figures
    assert "additions" not in figures
    assert Caller(server.urls[1]).ask("GET", "/v1/jobs").status == 404
    assert Caller(server.urls[1]).ask("GET", "/healthz").json == {"status": "ok"}


@pytest.fixture
def of_one_job(tmp_path: Path) -> Iterator[tuple[Caller, str]]:
    """A tenant who may have one job and one megabyte, and the address where the model's server is to be."""
    token = {"token_sha256": hashlib.sha256(b"token-of-one").hexdigest()}
    tenant = {"name": "one", **token, "quotas": {"jobs": 1, "disk_mb": 1}}
    main = {"base_url": closed_port(), "model": "simulated"}
    with serving(tmp_path, {"listen": "127.0.0.1:0", "endpoints": {"main": main}, "tenants": [tenant]}) as server:
        yield server.caller("token-of-one"), main["base_url"]


def at_once(*asked: Callable[[], Answer]) -> list[int]:
    with ThreadPoolExecutor(len(asked)) as threads:
        return sorted(answer.status for answer in threads.map(lambda one: one(), asked))


def test_who_asks_for_several_things_at_once_gets_no_more_than_the_quotas(of_one_job: tuple[Caller, str]) -> None:
    one, absent = of_one_job
    pipeline = additions(one.seeds(1))
    failed = []
    for _ in range(3):
        failed.append(one.post("/v1/jobs", {"pipeline": pipeline}, 201)["id"])
        one.job(failed[-1], "failed")
    with simulating("--port", str(urlsplit(absent).port), "--latency", "60"):
        resumes = [partial(one.ask, "POST", f"/v1/jobs/{job}/resume", {}) for job in failed]
        assert at_once(*resumes) == [200, 429, 429]
        uploads = at_once(*[partial(one.upload, "x.txt", b"x" * 600_000)] * 4)
        assert uploads == [200, 413, 413, 413]


def test_a_job_that_is_resumed_and_deleted_at_once_is_one_of_both(operator: Caller) -> None:
    for _ in range(5):
        job = operator.post("/v1/jobs", {"pipeline": additions(operator.seeds(1), "dead")}, 201)["id"]
        operator.job(job, "failed")
        resume, delete = (
            partial(operator.ask, "POST", f"/v1/jobs/{job}/resume", {}),
            partial(operator.ask, "DELETE", f"/v1/jobs/{job}"),
        )
        assert at_once(resume, delete) in ([200, 404], [200, 409])
