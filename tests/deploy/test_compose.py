"""deploy/compose.yaml: by the specification's own rules, by ours, and the service's settings in a real service."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path
from typing import Any

import compose_spec
import pytest
import yaml
from needs import ROOT, need_program
from served import TOKENS, Caller, listening

from config.load import read_service
from config.service import Service, is_loopback, split_address

DEPLOY = ROOT / "deploy"
COMPOSE: dict[str, Any] = yaml.safe_load((DEPLOY / "compose.yaml").read_text())
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]
TAMIS = SERVICES["tamis"]


def settings() -> Service:
    return read_service(DEPLOY / "service.yaml", env={})


def test_it_is_what_the_compose_specification_allows() -> None:
    """The validator wants merges made, and knows addresses only, not the name that Docker has for its host."""
    assert compose_spec.PyCompose.from_yaml(yaml.safe_dump(COMPOSE).replace(":host-gateway", ":127.0.0.1"))
    with pytest.raises(ValueError, match="read_onyl"):
        compose_spec.PyCompose.from_yaml("services: {x: {image: x, read_onyl: true}}")


@pytest.mark.parametrize("name", list(SERVICES))
def test_every_container_is_confined_and_looked_after(name: str) -> None:
    service = SERVICES[name]
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert service["healthcheck"]["test"][0] == "CMD"
    assert not {"privileged", "cap_add", "network_mode", "pid", "devices"} & service.keys()
    assert ":" in service["image"] or "build" in service, "an image of others has a version"


def test_ports_are_published_on_loopback_alone_and_the_service_asks_for_tokens() -> None:
    published = [port for service in SERVICES.values() for port in service.get("ports", ())]
    assert published
    assert all(is_loopback(port.rsplit(":", 2)[0]) for port in published)
    assert settings().tenants
    assert not COMPOSE["networks"]["watch"].get("driver")
    assert COMPOSE["networks"]["watch"]["internal"]
    assert SERVICES["prometheus"]["networks"] == ["watch"]


def test_secrets_come_as_files_that_version_control_never_sees() -> None:
    used = {secret for service in SERVICES.values() for secret in service.get("secrets", ())}
    assert used == COMPOSE["secrets"].keys()
    ignored = (ROOT / ".gitignore").read_text().splitlines()
    assert "/deploy/secrets/" in ignored
    assert all(secret["file"].startswith("./secrets/") for secret in COMPOSE["secrets"].values())
    values = [value for service in SERVICES.values() for value in service.get("environment", {}).values()]
    named = {Path(value).name for value in values if value.startswith("/run/secrets/")}
    named |= {Path(tenant.token_file or "").name for tenant in settings().tenants}
    assert named == used
    (variable,) = settings().endpoints["main"].api_key_env
    assert f"{variable}_FILE" in TAMIS["environment"]


def test_what_is_mounted_is_there_and_only_data_can_be_written() -> None:
    for service in SERVICES.values():
        for source, target, *options in (volume.split(":") for volume in service["volumes"]):
            assert source in COMPOSE["volumes"] or ((DEPLOY / source).exists() and options == ["ro"]), target
    assert f"data:{settings().data_dir}" in TAMIS["volumes"]


def test_compose_waits_longer_than_the_service_drains() -> None:
    assert int(TAMIS["stop_grace_period"].removesuffix("s")) > settings().drain_s


def test_prometheus_asks_where_the_metrics_are_and_takes_its_files_as_they_are_mounted(tmp_path: Path) -> None:
    (scrape,) = yaml.safe_load((DEPLOY / "prometheus.yaml").read_text())["scrape_configs"]
    host, port = split_address(scrape["static_configs"][0]["targets"][0])
    assert SERVICES[host] is TAMIS
    assert port == split_address(settings().admin_listen or "")[1]
    for source, target, *_ in (volume.split(":") for volume in SERVICES["prometheus"]["volumes"]):
        if target.startswith("/etc/prometheus/"):
            shutil.copy(DEPLOY / source, tmp_path / Path(target).name)
    check = [need_program("promtool"), "check", "config", str(tmp_path / "prometheus.yml")]
    said = subprocess.run(check, check=False, capture_output=True, text=True)
    assert "rules found" in said.stdout, said.stdout + said.stderr
    assert said.returncode == 0


def test_the_settings_make_a_service_that_wants_the_token_and_shows_its_metrics(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "token").write_text(TOKENS["a"])
    (tmp_path / "key").write_text("sk-any")
    monkeypatch.setenv("PROVIDER_KEY_FILE", f"{tmp_path}/key")
    changes = {
        "listen": "127.0.0.1:0",
        "admin_listen": "127.0.0.1:0",
        "data_dir": f"{tmp_path}/data",
        "tenants.0.token_file": f"{tmp_path}/token",
    }
    sets = [word for key, value in changes.items() for word in ("--set", f"{key}='{value}'")]
    with listening(tmp_path, DEPLOY / "service.yaml", *sets, ports=2) as server:
        assert server.caller().ask("GET", "/v1/jobs").status == 401
        assert server.caller(TOKENS["a"]).get("/v1/jobs")["data"] == []
        assert b"tamis_jobs" in Caller(server.urls[1]).ask("GET", "/metrics").raw
        assert server.stop() == 75
