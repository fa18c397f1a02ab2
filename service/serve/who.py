"""Who asks: bearer tokens, of which only hashes are held, and what guards a service without them from web pages.

Invariant: a tenant learns nothing of what is another's; where a thing is not theirs, it is not there.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from hmac import compare_digest
from pathlib import Path

from aiohttp import web

from config.schema import Endpoint
from config.service import Quotas, Service, Tenant, is_loopback
from service.serve.errors import ApiError
from stages.core.errors import InputError

OPERATOR = ""
"""The tenant's name where there are none: whoever is on this machine."""


@dataclass(frozen=True, slots=True)
class Caller:
    """Somebody who may ask for these endpoints, within these quotas."""

    tenant: str
    endpoints: Mapping[str, Endpoint]
    quotas: Quotas

    @property
    def is_operator(self) -> bool:
        return self.tenant == OPERATOR


NOBODY = Caller(OPERATOR, {}, Quotas())
"""Who asks for what is open to all."""


class Doorkeeper:
    """Knows the callers. Raises InputError where a token's file cannot be read."""

    def __init__(self, config: Service) -> None:
        self._by_token = [(_hash_of(tenant), _caller(tenant, config)) for tenant in config.tenants]
        self.callers = {caller.tenant: caller for _, caller in self._by_token}
        if not self._by_token:
            self.callers[OPERATOR] = Caller(OPERATOR, config.endpoints, Quotas())

    def caller(self, request: web.Request) -> Caller:
        """Return who asks. Raises ApiError 401."""
        if not self._by_token:
            return self.callers[OPERATOR]
        scheme, _, token = request.headers.get("Authorization", "").partition(" ")
        if scheme.lower() != "bearer" or not token.strip():
            raise _unknown("send the header `Authorization: Bearer TOKEN` with the token you were given")
        given, found = hashlib.sha256(token.strip().encode(errors="surrogateescape")).hexdigest(), None
        for known, caller in self._by_token:  # all of them, so that time tells nothing
            if compare_digest(given, known):
                found = caller
        if found is None:
            raise _unknown("this token is not known here")
        return found

    def guard(self, request: web.Request) -> None:
        """Refuse what a web page in somebody's browser sends, where nobody needs a token. Raises ApiError 403.

        A page of another site comes with its own Origin, or, where it has bound its name to this address, its Host.
        """
        if self._by_token:
            return
        host = request.host.rpartition(":")[0] if request.host.rpartition("]")[2].count(":") else request.host
        if not is_loopback(host.strip("[]")):
            message = f"the Host {request.host!r:.100} is not this machine's loopback address; ask for 127.0.0.1"
            raise ApiError(403, message, code="host")
        origin = request.headers.get("Origin")
        if origin is not None and origin != f"{request.scheme}://{request.host}":
            raise ApiError(403, "pages of other sites may not ask here", code="origin")


def _hash_of(tenant: Tenant) -> str:
    if tenant.token_file is None:
        return str(tenant.token_sha256)
    try:
        token = Path(tenant.token_file).read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"tenants.{tenant.name}.token_file: cannot read {tenant.token_file}: {error}") from None
    if len(token) < 16:
        raise InputError(f"tenants.{tenant.name}.token_file: a token of {len(token)} characters can be guessed")
    return hashlib.sha256(token.encode()).hexdigest()


def _caller(tenant: Tenant, config: Service) -> Caller:
    allowed = config.endpoints if tenant.endpoints is None else tenant.endpoints
    return Caller(tenant.name, {alias: config.endpoints[alias] for alias in allowed}, tenant.quotas)


def _unknown(message: str) -> ApiError:
    return ApiError(401, message, code="invalid_api_key", headers={"WWW-Authenticate": "Bearer"})
