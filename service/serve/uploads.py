"""What a job's pipeline may read: the uploads of its tenant that it names, and the constitutions that are built in."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from importlib.resources import files
from typing import Any

from service.serve.errors import ApiError
from service.serve.files import Files
from service.serve.who import Caller

FILE_ID = re.compile(r"file-[0-9a-f]{32}")
MOST = 100
"""Uploads that one pipeline may name."""


async def asked_of(uploads: Files, caller: Caller, pipeline: Mapping[str, Any]) -> dict[str, Any]:
    """Return what `examine` is asked about a caller's pipeline; what is another's is not among its `uploads`.

    Raises ApiError 400.
    """
    ids = list(dict.fromkeys(text for text in _texts(pipeline) if FILE_ID.fullmatch(text)))
    if len(ids) > MOST:
        raise ApiError(400, f"the pipeline names {len(ids):,} uploads, and may name {MOST}", code="too_complex")
    found = [await uploads.find(caller.tenant, file_id) for file_id in ids]
    paths = {record.id: str(uploads.path(record)) for record in found if record is not None}
    endpoints = {
        alias: endpoint.model_dump(mode="json", exclude_defaults=True) for alias, endpoint in caller.endpoints.items()
    }
    uploads_by_name = {**built_in_constitutions(), **paths}
    return {"pipeline": pipeline, "endpoints": endpoints, "uploads": uploads_by_name, "alone": not caller.is_operator}


def built_in_constitutions() -> dict[str, str]:
    """Return the constitutions that come with tamis: the name of each, and its path."""
    folder = files("stages.judge") / "constitutions"
    return {one.name.removesuffix(".yaml"): str(one) for one in folder.iterdir() if one.name.endswith(".yaml")}


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, (dict, list)):
        for inner in value.values() if isinstance(value, dict) else value:
            yield from _texts(inner)
