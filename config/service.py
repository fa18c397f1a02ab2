"""The whole of service.yaml as one frozen model: where `tamis serve` listens, for whom, and how much each may take."""

from __future__ import annotations

import re
from ipaddress import ip_address
from typing import Annotated, Any

from pydantic import AfterValidator, Field, ValidationInfo, field_validator, model_validator

from config.base import Config, Count, FilePath, Name, NonNegative, wrong
from config.endpoints import Endpoint


def _formed(pattern: str, message: str) -> AfterValidator:
    def check(value: str) -> str:
        if not re.fullmatch(pattern, value):
            raise wrong(message)
        return value

    return AfterValidator(check)


Address = Annotated[
    str, _formed(r"(\[[0-9a-fA-F:.]+\]|[A-Za-z0-9.-]+):[0-9]{1,5}", "write HOST:PORT, such as 127.0.0.1:8080")
]
"""HOST:PORT; an IPv6 host stands in brackets, and port 0 is any free one."""
Sha256 = Annotated[str, _formed("[0-9a-f]{64}", "write the 64 digits that `printf %s TOKEN | sha256sum` prints")]


def split_address(address: str) -> tuple[str, int]:
    """Return host and port of an Address."""
    host, _, port = address.rpartition(":")
    return host.strip("[]"), int(port)


def is_loopback(host: str) -> bool:
    """Tell whether only this machine reaches a host of this name."""
    if host.lower() == "localhost":
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False


class Quotas(Config):
    """How much a tenant may have or take; what is left out has no bound but the machine's."""

    jobs: Count | None = None
    """Jobs that have not ended."""
    queued_seeds: Count | None = None
    """Seeds of all jobs that have not ended."""
    tokens_per_day: Count | None = None
    """Prompt and completion, from midnight to midnight UTC."""
    disk_mb: Count | None = None
    """Uploads and run directories."""


class Tenant(Config):
    """Who may use the service, by a bearer token of which only the hash stands here."""

    name: Name = Field(examples=["team-a"])
    token_sha256: Sha256 | None = None
    """`printf %s TOKEN | sha256sum`"""
    token_file: FilePath | None = None
    """In place of it: a file with the token itself, such as a container's secret."""
    endpoints: tuple[str, ...] | None = None
    """The aliases that it may ask; left out: all."""
    quotas: Quotas = Quotas()

    @model_validator(mode="after")
    def _one_token(self) -> Tenant:
        if (self.token_sha256 is None) == (self.token_file is None):
            raise wrong("write either `token_sha256:` (printf %s TOKEN | sha256sum) or `token_file:`")
        return self


class Jobs(Config):
    """How jobs share the machine."""

    concurrent: Count = 4
    """Jobs that run at once; the others wait."""


class Service(Config):
    """The service as its operator asked for it."""

    listen: Address = "127.0.0.1:8080"
    admin_listen: Address | None = None
    """Where `/metrics` is answered (with `/healthz` and `/readyz`); left out: where all else is, unless there are
    tenants, who are not to read of each other."""
    data_dir: FilePath = Field(default="data", validate_default=True)
    """Uploads, run directories and the registry of jobs."""
    endpoints: dict[str, Endpoint] = Field(default={})
    """As in pipeline.yaml; jobs name them by alias."""
    tenants: tuple[Tenant, ...] = Field(default=(), validate_default=True)
    """Left out: whoever is on this machine, without a token."""
    jobs: Jobs = Jobs()
    max_upload_mb: Count = 512
    drain_s: NonNegative = 120
    """How long calls in flight may take to come home when the service is told to stop."""

    @field_validator("tenants")
    @classmethod
    def _guarded(cls, tenants: tuple[Tenant, ...], info: ValidationInfo) -> tuple[Tenant, ...]:
        listen = info.data.get("listen", "127.0.0.1:0")
        if not tenants and not is_loopback(split_address(listen)[0]):
            raise wrong(
                f"`listen: {listen}` can be reached from elsewhere, and without tenants everybody there could spend "
                "your tokens; write for example `tenants: [{name: team-a, token_file: token}]`, or listen on 127.0.0.1"
            )
        names = [tenant.name for tenant in tenants]
        for tenant in tenants:
            if names.count(tenant.name) > 1:
                raise wrong(f'two tenants are called "{tenant.name}"')
            if unknown := set(tenant.endpoints or ()).difference(info.data.get("endpoints", ())):
                raise wrong(f'tenant "{tenant.name}" may ask "{min(unknown)}", and there is no such endpoint')
        return tenants


def shown(service: Service) -> dict[str, Any]:
    """Return the settings as plain data, defaults filled in; the hashes of tokens are nobody's to read."""
    data = service.model_dump(mode="json", by_alias=True)
    for tenant in data["tenants"]:
        if tenant["token_sha256"] is not None:
            tenant["token_sha256"] = "(set)"  # noqa: S105  what is shown in its place
    return data
