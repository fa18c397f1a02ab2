from __future__ import annotations

from pathlib import Path

import pytest

from config.base import Uploads
from config.load import Given, read_pipeline, read_service
from config.problems import ConfigError
from config.schema import Endpoint
from config.service import shown

MAIN = {"base_url": ("http://127.0.0.1:9/v1",), "model": "m"}
TENANT = f"tenants: [{{name: a, token_sha256: {'ab' * 32}}}]"


def problems(text: str, tmp_path: Path, **more: object) -> str:
    path = tmp_path / "service.yaml"
    path.write_text(text)
    with pytest.raises(ConfigError) as error:
        read_service(path, **{"env": {}, **more})  # type: ignore[arg-type]  # as a caller writes them
    return str(error.value).replace(f"{tmp_path}/", "")


def test_every_mistake_is_told_at_its_line(tmp_path: Path) -> None:
    text = "listen: 127.0.0.1\ntenants:\n  - {name: a, token_sha256: abc}\n  - {name: b}\njobs: {concurent: 3}\n"
    found = problems(text, tmp_path)
    assert [line.partition(": ")[0] for line in found.splitlines()] == [f"service.yaml:{n}" for n in (1, 3, 4, 5)]
    assert "HOST:PORT" in found
    assert "sha256sum" in found
    assert "token_file" in found
    assert 'did you mean "concurrent"?' in found


@pytest.mark.parametrize("listen", ["0.0.0.0:80", "[::]:80", "tamis.example:80", "192.168.1.7:8080"])
def test_who_can_be_reached_from_elsewhere_must_know_who_asks(listen: str, tmp_path: Path) -> None:
    text = f'listen: "{listen}"\n'
    assert "can be reached from elsewhere" in problems(text, tmp_path)
    (tmp_path / "service.yaml").write_text(f"{text}{TENANT}\n")
    assert read_service(tmp_path / "service.yaml", env={}).tenants


@pytest.mark.parametrize("listen", ["127.0.0.1:0", "localhost:80", "[::1]:80"])
def test_on_loopback_nobody_needs_a_token(listen: str) -> None:
    assert read_service(None, env={}, sets=[f"listen='{listen}'"]).listen == listen


@pytest.mark.parametrize(
    ("tenants", "message"),
    [
        (f"[{{name: a, token_sha256: {'ab' * 32}}}, {{name: a, token_file: x}}]", 'two tenants are called "a"'),
        ("[{name: a, token_file: x, endpoints: [main, big]}]", 'may ask "big", and there is no such endpoint'),
        (f"[{{name: a, token_file: x, token_sha256: {'ab' * 32}}}]", "write either"),
    ],
)
def test_tenants_that_cannot_be_told_apart_or_served_are_refused(tenants: str, message: str, tmp_path: Path) -> None:
    text = f"endpoints: {{main: {{base_url: 'http://127.0.0.1:9/v1', model: m}}}}\ntenants: {tenants}\n"
    assert message in problems(text, tmp_path)


def test_the_environment_and_set_stand_above_the_file(tmp_path: Path) -> None:
    (tmp_path / "service.yaml").write_text("drain_s: 5\ndata_dir: here\n")
    env = {"TAMIS__DRAIN_S": "7", "TAMIS__JOBS__CONCURRENT": "2"}
    service = read_service(tmp_path / "service.yaml", env=env, sets=["drain_s=9"])
    assert (service.drain_s, service.jobs.concurrent, service.data_dir) == (9, 2, str(tmp_path / "here"))


def test_keys_and_hashes_are_not_shown(tmp_path: Path) -> None:
    (tmp_path / "service.yaml").write_text(TENANT)
    assert "ab" * 32 not in str(shown(read_service(tmp_path / "service.yaml", env={})))
    text = "endpoints: {main: {base_url: 'http://x/v1', model: m, headers: {Authorization: Bearer abcdefghijkl}}}"
    assert "a key does not belong in a file" in problems(text, tmp_path)


@pytest.fixture
def given(tmp_path: Path) -> Given:
    (tmp_path / "file-2.yaml").write_text("Be brief.")
    paths = {"file-1": "/data/file-1.csv", "file-2": str(tmp_path / "file-2.yaml")}
    return Given({"main": Endpoint.model_validate(MAIN)}, Uploads(paths, alone=True))


def of_job(given: Given | None, **keys: object) -> list[str]:
    data = {"source": {"type": "upload", "file_id": "file-1", "id": "id"}, **keys}
    return [str(problem) for problem in read_pipeline(data, env={}, given=given).problems]


def test_an_upload_is_read_as_the_file_it_is(given: Given) -> None:
    loaded = read_pipeline({"source": {"type": "upload", "file_id": "file-1", "topic": "t"}}, env={}, given=given)
    assert loaded.problems == ()
    assert loaded.pipeline is not None
    source = loaded.pipeline.source
    assert (source.type, source.topic, getattr(source, "path", "")) == ("csv", "t", "/data/file-1.csv")
    assert set(loaded.pipeline.endpoints) == {"main"}


def test_on_the_command_line_there_are_no_uploads() -> None:
    assert of_job(None) == ["source.file_id: only the service has uploads; here write {type: jsonl, path: seeds.jsonl}"]


STAGE = {"type": "generate", "endpoint": "main"}


@pytest.mark.parametrize(
    "keys",
    [
        {"source": {"type": "jsonl", "path": "/etc/passwd"}},
        {"source": {"type": "csv", "path": "../../secret.csv"}},
        {"source": {"type": "parquet", "path": "~/x.parquet"}},
        {"source": {"type": "text", "path": "/etc"}},
        {"source": {"type": "huggingface", "path": "openai/gsm8k"}},
        {"source": {"type": "upload", "file_id": "file-2"}},
        {"source": {"type": "upload", "file_id": "../../etc/passwd"}},
        {"constitution": "/etc/hostname"},
        {"endpoints": {"mine": MAIN}},
        {"stages": [{**STAGE, "prompts": [{"file": "/etc/hostname"}]}]},
        {"stages": [{**STAGE, "system": {"file": "x.jinja"}}]},
        {"stages": [{"type": "judge", "endpoint": "main", "constitution": "../c.yaml"}]},
        {"stages": [{"type": "verify", "check": "plugin", "function": "./x.py:f"}]},
        {"stages": [{"type": "verify", "check": "plugin", "function": "installed"}]},
        {"stages": [{"type": "verify", "check": "json_schema", "schema": {"file": "/etc/hostname"}}]},
        {"stages": [{"type": "decontaminate", "against": ["/etc/hostname"], "field": "x"}]},
        {"stages": [{"type": "dedupe", "existing": {"path": "/etc/hostname"}}]},
        {"stages": [{"type": "transform", "kind": "restyle", "endpoint": "main", "style": {"file": "/etc/hostname"}}]},
    ],
)
def test_a_job_reads_nothing_but_uploads(keys: dict[str, object], given: Given) -> None:
    found = of_job(given, **keys)
    assert len(found) == 1
    assert any(words in found[0] for words in ("no file of yours", "no upload", "operator's alone", "of the service"))


def test_uploads_may_stand_wherever_a_file_may(given: Given) -> None:
    assert of_job(given, constitution="file-2", stages=[{**STAGE, "prompts": [{"file": "file-2"}]}]) == []
