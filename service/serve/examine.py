"""What is found out about a job before it may wait in line, in a process of its own: mistakes, seeds, fingerprint.

Rules, templates and a source of a million rows take their time; here they hold up no other job.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from config.base import Uploads
from config.load import Given
from config.problems import ConfigError
from config.schema import Endpoint
from service.runs.fingerprint import fingerprint
from service.runs.plan import checked, scanned
from service.serve.errors import mistakes
from stages.core.errors import InputError


def make(variables: list[str]) -> Callable[[dict[str, Any]], dict[str, Any]]:
    """Return what answers the jobs of a worker process. `variables` hold the keys of endpoints."""
    os.environ.update(dict.fromkeys(variables, "read when the service began"))
    return examine


def examine(asked: Mapping[str, Any]) -> dict[str, Any]:
    """Return `errors` as answers list them, or else the scan of the source, the fingerprint and warnings.

    `asked` has the `pipeline`, the `endpoints` by alias, `uploads` by name, and whether it may read them `alone`.
    """
    warned: list[str] = []
    try:
        config = checked(asked["pipeline"], (), warned.append, given_of(asked))
        _, scan = scanned(config)
    except (ConfigError, InputError) as error:
        told = mistakes(error.problems)
        return {"errors": [{**one, "message": _named(one["message"], asked["uploads"])} for one in told]}
    found = {"name": config.name, "scan": asdict(scan), "fingerprint": fingerprint(config, scan.content_hash)}
    return {**found, "errors": [], "warnings": warned}


def _named(message: str, uploads: Mapping[str, str]) -> str:
    """Return a message with uploads called by their names, and not by where they lie."""
    for path in uploads.values():
        for told in (path, path.removeprefix(f"{Path.cwd()}/").removeprefix("/")):
            message = message.replace(told, Path(path).name)
    return message


def given_of(asked: Mapping[str, Any]) -> Given:
    """Return what a job's pipeline is given, from plain data."""
    endpoints = {alias: Endpoint.model_validate(one) for alias, one in asked["endpoints"].items()}
    return Given(endpoints, Uploads(asked["uploads"], asked["alone"]))
