"""deploy/kubernetes: by Kubernetes' own schemas, and by what holds between the manifests and tamis."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest
import yaml
from needs import ROOT

from config.load import read_pipeline, read_service
from config.service import Service, split_address
from service.observe.catalogue import COUNTERS, GAUGES
from service.runs.lifecycle import EXIT_BUDGET, EXIT_DEFECT, EXIT_INPUT
from service.runs.plan import checked, scanned

FOLDER = ROOT / "deploy/kubernetes"
OTHERS = {"Kustomization", "ServiceMonitor"}
"""Kinds that are not Kubernetes' own, and of which it has no schema."""
MANIFESTS: list[dict[str, Any]] = [
    manifest for file in sorted(FOLDER.glob("*.yaml")) for manifest in yaml.safe_load_all(file.read_text())
]


def manifest(kind: str, name: str = "tamis") -> dict[str, Any]:
    (found,) = (one for one in MANIFESTS if (one["kind"], one.get("metadata", {}).get("name")) == (kind, name))
    return found


def pods() -> dict[str, dict[str, Any]]:
    workloads = {"service": manifest("Deployment"), "batch": manifest("Job", "tamis-batch")}
    return {name: workload["spec"]["template"] for name, workload in workloads.items()}


def mounted(pod: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """Return by path what the pod's only container has mounted."""
    volumes = {volume["name"]: volume for volume in pod["spec"]["volumes"]}
    return {mount["mountPath"]: volumes[mount["name"]] for mount in pod["spec"]["containers"][0]["volumeMounts"]}


def settings(tmp_path: Path) -> Service:
    (tmp_path / "service.yaml").write_text(manifest("ConfigMap")["data"]["service.yaml"])
    return read_service(tmp_path / "service.yaml", env={})


@pytest.mark.parametrize("version", ["1.31", "1.37"])
@pytest.mark.parametrize("one", [m for m in MANIFESTS if m["kind"] not in OTHERS], ids=lambda m: str(m["kind"]))
def test_it_is_what_kubernetes_takes(one: dict[str, Any], version: str) -> None:
    kubernetes_validate.validate(one, version, strict=True)


def test_every_file_but_the_secret_and_the_batch_run_is_applied_together() -> None:
    together = yaml.safe_load((FOLDER / "kustomization.yaml").read_text())["resources"]
    alone = {"kustomization.yaml", "secret.example.yaml", "job.yaml"}
    assert sorted(together) == sorted(file.name for file in FOLDER.glob("*.yaml") if file.name not in alone)


@pytest.mark.parametrize("name", ["service", "batch"])
def test_a_pod_is_nobody_and_writes_to_its_volume_and_memory_alone(name: str) -> None:
    pod = pods()[name]["spec"]
    (container,) = pod["containers"]
    user = next(line for line in (ROOT / "Dockerfile").read_text().splitlines() if line.startswith("USER "))
    confined = pod["securityContext"]
    assert f"USER {confined['runAsUser']}:{confined['runAsGroup']}" == user
    assert confined["runAsNonRoot"]
    assert confined["fsGroup"] == confined["runAsGroup"]
    assert confined["seccompProfile"] == {"type": "RuntimeDefault"}
    assert pod["automountServiceAccountToken"] is False
    assert container["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }
    writable = {m["mountPath"] for m in container["volumeMounts"] if not m.get("readOnly")}
    assert writable == {"/data", "/tmp"}
    assert {"memory"} <= container["resources"]["limits"].keys()


def test_the_service_is_one_process_that_gets_the_time_to_drain(tmp_path: Path) -> None:
    deployment, config = manifest("Deployment")["spec"], settings(tmp_path)
    assert (deployment["replicas"], deployment["strategy"]["type"]) == (1, "Recreate")
    assert deployment["template"]["spec"]["terminationGracePeriodSeconds"] > config.drain_s
    assert config.data_dir in mounted(pods()["service"])


def test_ports_probes_and_selectors_mean_the_same(tmp_path: Path) -> None:
    config, pod = settings(tmp_path), pods()["service"]
    (container,) = pod["spec"]["containers"]
    ports = {port["name"]: port["containerPort"] for port in container["ports"]}
    assert config.admin_listen is not None
    assert ports == {"api": split_address(config.listen)[1], "metrics": split_address(config.admin_listen)[1]}
    asked = {kind: container[f"{kind}Probe"]["httpGet"] for kind in ("startup", "liveness", "readiness")}
    assert {kind: probe["path"] for kind, probe in asked.items()} == {
        "startup": "/healthz",
        "liveness": "/healthz",
        "readiness": "/readyz",
    }
    assert {probe["port"] for probe in asked.values()} == {"metrics"}
    service, labels = manifest("Service"), pod["metadata"]["labels"]
    assert service["spec"]["selector"].items() <= labels.items()
    assert manifest("Deployment")["spec"]["selector"]["matchLabels"].items() <= labels.items()
    named = {port["name"]: port for port in service["spec"]["ports"]}
    assert {name: port["port"] for name, port in named.items()} == ports
    assert all(port["targetPort"] == name for name, port in named.items())
    monitor = manifest("ServiceMonitor")["spec"]
    assert monitor["selector"]["matchLabels"].items() <= service["metadata"]["labels"].items()
    assert [(e["port"], e["path"]) for e in monitor["endpoints"]] == [("metrics", "/metrics")]
    policy = manifest("NetworkPolicy")["spec"]
    for template in pods().values():
        assert policy["podSelector"]["matchLabels"].items() <= template["metadata"]["labels"].items()
    assert sorted(port["port"] for rule in policy["ingress"] for port in rule["ports"]) == sorted(ports.values())
    assert all(rule["from"] for rule in policy["ingress"])


def test_our_labels_are_not_renamed_by_those_that_the_operator_gives() -> None:
    """It puts these on whatever it scrapes; a label of ours would become `exported_endpoint`, and no panel find it."""
    given = {"namespace", "pod", "service", "container", "endpoint", "job", "instance"}
    labels = {label for _, *of in (*COUNTERS.values(), *GAUGES.values()) for label in of}
    assert labels & given == {"endpoint"}
    assert all(one["honorLabels"] is True for one in manifest("ServiceMonitor")["spec"]["endpoints"])


def test_tokens_and_keys_come_from_the_secret(tmp_path: Path) -> None:
    config, secret = settings(tmp_path), manifest("Secret")
    files = [*(tenant.token_file for tenant in config.tenants), *config.endpoints["main"].api_key_file]
    assert {Path(file or "").name for file in files} == secret["stringData"].keys()
    assert not any(secret["stringData"].values())
    for pod in pods().values():
        assert mounted(pod)["/run/secrets/tamis"]["secret"]["secretName"] == secret["metadata"]["name"]
    assert {str(Path(file or "").parent) for file in files} == {"/run/secrets/tamis"}


def test_the_batch_run_is_a_pipeline_without_mistakes_that_goes_on_where_a_pod_was_stopped(tmp_path: Path) -> None:
    job, pod = manifest("Job", "tamis-batch")["spec"], pods()["batch"]
    for name, text in manifest("ConfigMap", "tamis-batch")["data"].items():
        (tmp_path / name).write_text(text)
    (key,) = read_pipeline(tmp_path / "pipeline.yaml", env={}).pipeline.endpoints["main"].api_key_file  # type: ignore[union-attr]  # it is good
    assert str(Path(key).parent) in mounted(pod)
    (tmp_path / "key").write_text("sk-any")
    pipeline = checked(tmp_path / "pipeline.yaml", [f"endpoints.main.api_key_file={tmp_path}/key"], print)
    assert scanned(pipeline)[1].rows == 2
    command = pod["spec"]["containers"][0]["args"]
    assert "--resume" in command
    assert command[command.index("--out") + 1].startswith("/data/")
    assert pod["spec"]["terminationGracePeriodSeconds"] > pipeline.endpoints["main"].timeout_s
    ignored, failed = job["podFailurePolicy"]["rules"]
    assert (ignored["action"], ignored["onPodConditions"][0]["type"]) == ("Ignore", "DisruptionTarget")
    assert (failed["action"], failed["onExitCodes"]["values"]) == ("FailJob", [EXIT_DEFECT, EXIT_INPUT, EXIT_BUDGET])
    assert pod["spec"]["restartPolicy"] == "Never"
