from __future__ import annotations

import json
import socket
from typing import Any

import jsonschema
import pytest
from served import Answer, Caller, Server, additions


def said(answer: Answer) -> tuple[int, str, str | None]:
    error = answer.json["error"]
    assert set(error) == {"message", "type", "param", "code"}
    assert error["message"]
    return answer.status, error["type"], error["code"]


@pytest.mark.parametrize(
    ("method", "path", "body", "headers", "expected"),
    [
        ("GET", "/nowhere", None, {}, (404, "invalid_request_error", None)),
        ("PUT", "/v1/jobs", b"", {}, (405, "invalid_request_error", None)),
        ("GET", "/v1/jobs/check", None, {}, (405, "invalid_request_error", None)),
        ("POST", "/v1/jobs", b"{}", {"Content_Type": "text/plain"}, (415, "invalid_request_error", None)),
        ("POST", "/v1/files", b"{}", {}, (415, "invalid_request_error", None)),
        ("POST", "/v1/jobs", b"{", {}, (400, "invalid_request_error", "invalid_json")),
        ("POST", "/v1/jobs", b"[1]", {}, (400, "invalid_request_error", "invalid_json")),
        ("POST", "/v1/jobs", b"\xff\xfe", {}, (400, "invalid_request_error", "invalid_json")),
        ("POST", "/v1/jobs", b"{}", {}, (400, "invalid_request_error", "invalid_value")),
        ("POST", "/v1/jobs", b"{}", {"Content_Encoding": "gzip"}, (400, "invalid_request_error", "invalid_body")),
        ("POST", "/v1/jobs", b'{"pipeline": {}}', {"Idempotency_Key": "\xff"}, (400, "invalid_request_error", None)),
        ("POST", "/v1/jobs", b'{"pipeline": {}, "prio": 1}', {}, (400, "invalid_request_error", "invalid_value")),
        ("POST", "/v1/jobs", b'{"pipeline": {}, "limit": 0}', {}, (400, "invalid_request_error", "invalid_value")),
        ("POST", "/v1/jobs", b'{"pipeline": {}}', {}, (400, "invalid_request_error", "invalid_pipeline")),
        (
            "POST",
            "/v1/jobs",
            b'{"pipeline": ' + b'{"a":' * 100 + b"1" + b"}" * 101,
            {},
            (400, "invalid_request_error", "too_complex"),
        ),
        (
            "POST",
            "/v1/jobs",
            b'{"pipeline": {"a": [' + b"0," * 200_000 + b"0]}}",
            {},
            (400, "invalid_request_error", "too_complex"),
        ),
        ("POST", "/v1/jobs", b'{"pipeline": "' + b"x" * 5_000_000 + b'"}', {}, (413, "invalid_request_error", None)),
        ("GET", "/v1/jobs?limit=0", None, {}, (400, "invalid_request_error", "invalid_value")),
        ("GET", "/v1/jobs?page=2", None, {}, (400, "invalid_request_error", "invalid_value")),
        ("GET", "/v1/jobs?state=odd", None, {}, (400, "invalid_request_error", "invalid_value")),
        ("GET", "/v1/jobs", None, {"Host": "rebound.example"}, (403, "permission_error", "host")),
        ("GET", "/v1/jobs", None, {"Origin": "https://page.example"}, (403, "permission_error", "origin")),
        ("POST", "/v1/jobs", b"{}", {"Origin": "null"}, (403, "permission_error", "origin")),
    ],
)
def test_what_cannot_be_is_said_in_one_shape(
    operator: Caller, method: str, path: str, body: Any, headers: dict[str, str], expected: tuple[int, str, str | None]
) -> None:
    assert said(operator.ask(method, path, body, **headers)) == expected


@pytest.mark.parametrize(
    ("path", "body", "param"),
    [
        ("/v1/jobs", {}, "pipeline"),
        ("/v1/batches", {"input_file_id": "x", "completion_window": "24h"}, "endpoint"),
        ("/v1/jobs", {"pipeline": {}, "limit": "x"}, "limit"),
    ],
)
def test_what_is_missing_or_wrong_in_a_body_is_named(operator: Caller, path: str, body: Any, param: str) -> None:
    error = operator.ask("POST", path, body).json["error"]
    assert error["param"] == param
    assert error["message"].startswith(f"{param}: ")


@pytest.mark.parametrize("asked", ["bytes=9-", "bytes=a-b", "bytes=0-1,4-5", "lines=1-2"])
def test_a_part_that_a_file_does_not_have_is_refused_in_words(operator: Caller, asked: str) -> None:
    content = f"/v1/files/{operator.upload('x', b'123456789', 'batch').json['id']}/content"
    answer = operator.ask("GET", content, Range=asked)
    assert said(answer) == (416, "invalid_request_error", None)
    assert answer.headers["Content-Range"] == "bytes */9"
    assert operator.ask("GET", content, Range="bytes=-2").raw == b"89"


def test_a_page_of_the_service_itself_may_ask(operator: Caller) -> None:
    assert operator.ask("GET", "/v1/jobs", Origin=operator.base_url).status == 200
    port = operator.base_url.rpartition(":")[2]
    assert operator.ask("GET", "/v1/jobs", Host=f"localhost:{port}").status == 200


@pytest.mark.parametrize(
    "sent",
    [
        b"\x16\x03\x01 not http at all\r\n\r\n",
        b"GET /\xff HTTP/1.1\r\nHost: localhost\r\nX: " + b"x" * 100_000 + b"\r\n\r\n",
        b"POST /v1/jobs HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\nno size\r\n",
    ],
    ids=["no HTTP", "a long header", "no size of a chunk"],
)
def test_what_is_no_http_is_no_matter_and_fills_no_log(open_server: Server, operator: Caller, sent: bytes) -> None:
    with socket.create_connection(("127.0.0.1", int(operator.base_url.rpartition(":")[2])), timeout=10) as raw:
        raw.sendall(sent)
        assert b" 400 " in raw.recv(1000)
    assert operator.get("/healthz") == {"status": "ok"}
    assert "Error handling request" not in open_server.log.read_text()


def test_whether_it_is_up_can_be_asked_without_a_body(operator: Caller) -> None:
    answer = operator.ask("HEAD", "/healthz")
    assert (answer.status, answer.raw) == (200, b"")


@pytest.mark.parametrize(
    ("name", "content", "purpose", "status"),
    [
        ("seeds.jsonl", b"x", "fine-tune", 400),
        ("seeds.exe", b"x", "seeds", 400),
        ("seeds.jsonl.gz", b"x", "seeds", 400),
        ("seeds.jsonl", b"x" * 1_100_000, "seeds", 413),
        ("requests", b"{}", "batch", 200),
        ("../../etc/cron.d/seeds.csv", b"a,b\n", "seeds", 200),
    ],
)
def test_uploads_are_of_a_kind_and_a_size(
    operator: Caller, name: str, content: bytes, purpose: str, status: int
) -> None:
    answer = operator.upload(name, content, purpose)
    assert answer.status == status, answer.raw
    if status == 200:
        file = answer.json
        assert (file["filename"], file["bytes"]) == (name.rpartition("/")[2], len(content))
        got = operator.ask("GET", f"/v1/files/{file['id']}/content")
        assert (got.raw, got.headers["X-Content-Type-Options"]) == (content, "nosniff")
        assert operator.get(f"/v1/files/{file['id']}") == file
        assert operator.ask("DELETE", f"/v1/files/{file['id']}").json["deleted"] is True
        assert operator.ask("GET", f"/v1/files/{file['id']}").status == 404


@pytest.mark.parametrize(
    "form",
    [
        b"",
        b"--m--\r\n",
        b'--m\r\nContent-Disposition: form-data; name="file"\r\n\r\nx\r\n--m--\r\n',
        b'--m\r\nContent-Disposition: form-data; name="other"; filename="x.jsonl"\r\n\r\nx\r\n--m--\r\n',
        b'--m\r\nContent-Disposition: form-data; name="file"; filename="x.jsonl"\r\n\r\nx',
        b'--m\r\nContent-Disposition: form-data; name="\x10"\r\n\r\nx\r\n--m--\r\n',
        b'--m\r\nContent-Disposition: form-data; name="\xff"\r\n\r\nx\r\n--m--\r\n',
        b"--m\r\nContent-Type: multipart/mixed; boundary=n\r\n\r\n--n\r\n\r\nx\r\n--n--\r\n--m--\r\n",
    ],
)
def test_a_broken_form_is_refused_and_leaves_nothing(operator: Caller, form: bytes) -> None:
    before = operator.get("/v1/files?limit=1000")["data"]
    answer = operator.ask("POST", "/v1/files", form, Content_Type="multipart/form-data; boundary=m")
    assert answer.status == 400
    said(answer)
    assert operator.get("/v1/files?limit=1000")["data"] == before


def test_files_are_listed_by_purpose_in_pages(operator: Caller) -> None:
    made = [operator.upload(f"{n}.jsonl", b"{}", "batch").json["id"] for n in range(3)]
    first = operator.get("/v1/files?purpose=batch&limit=2")
    assert [file["id"] for file in first["data"]] == made[:0:-1]
    assert (first["has_more"], first["first_id"], first["last_id"]) == (True, made[2], made[1])
    oldest = operator.get("/v1/files?purpose=batch&order=asc&limit=1000")
    assert [file["id"] for file in oldest["data"]][-3:] == made


def test_a_list_goes_on_behind_what_was_deleted_meanwhile(operator: Caller) -> None:
    made = {operator.upload("x", b"{}", "batch").json["id"] for _ in range(5)}
    seen, after = set[str](), ""
    while (page := operator.get(f"/v1/files?limit=2{after}"))["data"]:
        for file in page["data"]:
            if file["id"] in made:
                operator.ask("DELETE", f"/v1/files/{file['id']}")
        seen |= {file["id"] for file in page["data"]}
        after = f"&after={page['last_id']}"
    assert made <= seen
    assert not made & {file["id"] for file in operator.get("/v1/files?limit=1000")["data"]}


def resolved(schema: Any, document: dict[str, Any]) -> Any:
    return {**schema, "components": document["components"]}


def test_the_document_says_what_is_answered(operator: Caller) -> None:
    document = operator.get("/openapi.json")
    jsonschema.Draft202012Validator.check_schema({"$defs": document["components"]["schemas"]})
    job_id = operator.post("/v1/jobs", {"pipeline": additions(operator.seeds(2))}, 201)["id"]
    operator.job(job_id, "complete")
    batch = {"input_file_id": operator.upload("x", b"{}", "batch").json["id"], "completion_window": "24h"}
    batch_id = operator.post("/v1/batches", {**batch, "endpoint": "/v1/embeddings"})["id"]
    parts = {"job_id": job_id, "number": "0", "file_id": operator.seeds(1), "batch_id": batch_id}
    for path, operations in document["paths"].items():
        (status, reply), *_ = operations.get("get", {"responses": {}})["responses"].items() or [("", {})]
        schema = reply.get("content", {}).get("application/json", {}).get("schema")
        if schema is not None:
            answer = operator.ask("GET", path.format(**parts))
            assert str(answer.status) == status, path
            jsonschema.validate(answer.json, resolved(schema, document))
    submit = document["paths"]["/v1/jobs"]["post"]
    assert (list(submit["responses"]), submit["parameters"][0]["name"]) == (
        ["201", "200", "default"],
        "Idempotency-Key",
    )
    content = document["paths"]["/v1/files/{file_id}/content"]["get"]
    assert (list(content["responses"]), content["parameters"][1]["name"]) == (["200", "206", "default"], "Range")
    default = submit["responses"]["default"]["content"]["application/json"]["schema"]
    refused = operator.ask("POST", "/v1/jobs", {"pipeline": {}})
    jsonschema.validate(refused.json, resolved(default, document))


def test_it_is_ready_and_shows_figures_of_all_jobs(operator: Caller) -> None:
    assert operator.get("/readyz") == {"status": "ready"}
    figures = operator.ask("GET", "/metrics").raw.decode()
    assert 'tamis_jobs{state="queued"}' in figures
    assert "endpoints" not in json.dumps(operator.get("/v1/schema")["properties"])
