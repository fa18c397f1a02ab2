"""Uploads: streamed to disk, capped, kept by id, seen by their tenant alone. In the shapes of OpenAI's files.

A file's bytes stand at `files/<id><ending>` in the data folder before it is registered; what an upload that broke off
left there is removed at the next start.
"""

from __future__ import annotations

import asyncio
import os
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, Literal

from aiohttp import web
from aiohttp.http_exceptions import HttpProcessingError
from pydantic import BaseModel, Field

from queues.registry import Record, Registry, new_record
from service.serve.deciding import Deciding
from service.serve.errors import ApiError, not_found
from service.serve.paging import PageQuery, page_of
from service.serve.routes import Asked, Route
from service.serve.shapes import Deleted, File, Listed
from service.serve.who import Caller

CHUNK = 256 * 1024
KIND, PART = "file", ".part"
ENDINGS = (".jsonl", ".csv", ".yaml", ".yml", ".json", ".jinja", ".txt", ".md")
"""What a seeds file may end in: seeds, constitutions, schemas, templates."""
PURPOSES = ("seeds", "batch")
BYTES = "application/octet-stream"
IN_PART = {"Range": {"type": "string", "description": "One part of the file, such as `bytes=0-99`."}}
PART_SENT = {206: "the part that was asked for"}
"""How a route that sends a file describes that."""


class FileQuery(PageQuery):
    """Which files are asked for."""

    purpose: str | None = None


class FileForm(BaseModel):
    """An upload."""

    purpose: Literal["seeds", "batch"]
    file: str = Field(json_schema_extra={"format": "binary"})


@dataclass(slots=True)
class NewFile:
    """A file that is being received: what is written of it, and how many bytes more it may have."""

    file: BinaryIO
    room: int
    filename: str = ""
    purpose: str = ""

    async def write(self, data: bytes) -> None:
        """Add bytes. Raises ApiError where there is no room for them."""
        self.room -= len(data)
        _has(self.room)
        await asyncio.to_thread(self.file.write, data)


class Files:
    """The files of all tenants. `unfinished(tenant)`: a tenant's jobs and batches that have not ended."""

    def __init__(
        self,
        registry: Registry,
        folder: Path,
        max_bytes: int,
        unfinished: Callable[[str], list[Record]],
        deciding: Deciding,
    ) -> None:
        self._registry, self._folder, self._max_bytes, self._unfinished = registry, folder, max_bytes, unfinished
        self._deciding = deciding
        folder.mkdir(parents=True, exist_ok=True)
        for left in folder.glob(f"*{PART}"):
            left.unlink()

    async def find(self, tenant: str, file_id: str) -> Record | None:
        """Return a tenant's file, None where they have none of this id."""
        return await self._registry.get(KIND, file_id, tenant)

    async def get(self, tenant: str, file_id: str) -> Record:
        """Return a tenant's file. Raises ApiError 404."""
        record = await self.find(tenant, file_id)
        if record is None:
            raise not_found("file", file_id)
        return record

    def path(self, record: Record) -> Path:
        return self._folder / f"{record.id}{_ending(record.body['filename'])}"

    async def take_in(self, record: Record, path: Path) -> None:
        """Make a finished file ours and register it, whatever room there is; one that was taken in before stays."""
        if await self.find(record.tenant, record.id) is None:
            await self._registry.add(record.now(bytes=_moved(path, self.path(record))))

    def routes(self) -> list[Route]:
        one = "/v1/files/{file_id}"
        return [
            Route("POST", "/v1/files", self._upload, "Upload seeds, or a batch's requests.", File, form=FileForm),
            Route("GET", "/v1/files", self._list, "Your files.", Listed[File], query=FileQuery),
            Route("GET", one, self._one, "What is known of a file.", File),
            Route("DELETE", one, self._delete, "Delete a file.", Deleted),
            Route("GET", f"{one}/content", self._content, "The file itself.", BYTES, headers=IN_PART, also=PART_SENT),
        ]

    async def _upload(self, asked: Asked) -> File:
        """Receive a file; it is there, and registered, when all of it was good."""
        if asked.request.content_type != "multipart/form-data":
            raise ApiError(415, "an upload is multipart/form-data, with `purpose` and `file`")
        record = new_record(KIND, asked.caller.tenant, "processed", {})
        part = self._folder / f"{record.id}{PART}"
        try:
            with part.open("wb") as file:
                new = NewFile(file, await self._room(asked.caller))
                await _receive(asked.request, new)
                await asyncio.to_thread(_sync, file)
                size = file.tell()
            record = record.now(filename=new.filename, purpose=new.purpose, bytes=size)
            return File.of(await self._deciding(self._registered(asked.caller, record, part)))
        finally:
            part.unlink(missing_ok=True)

    async def _registered(self, caller: Caller, record: Record, part: Path) -> Record:
        """Register a file that was received, if there is still room for it: others may have come meanwhile."""
        _has(await self._room(caller) - record.body["bytes"])
        _moved(part, self.path(record))
        return await self._registry.add(record)

    async def _room(self, caller: Caller) -> int:
        """Return how many bytes a caller's next file may have."""
        quota = caller.quotas.disk_mb
        if quota is None:
            return self._max_bytes
        return min(self._max_bytes, quota * 10**6 - await self._registry.total(caller.tenant, "bytes"))

    async def _list(self, asked: Asked) -> Listed[File]:
        return await page_of(self._registry, KIND, asked, File.of)

    async def _one(self, asked: Asked) -> File:
        return File.of(await self.get(asked.caller.tenant, asked.part("file_id")))

    async def _delete(self, asked: Asked) -> Deleted:
        return await self._deciding(self._deleted(asked.caller.tenant, asked.part("file_id")))

    async def _deleted(self, tenant: str, file_id: str) -> Deleted:
        record = await self.get(tenant, file_id)
        if any(record.id in read_by(one) for one in self._unfinished(record.tenant)):
            raise ApiError(409, "a job or batch that has not ended reads this file; cancel it, or wait", code="in_use")
        await self._registry.delete(record.id)
        self.path(record).unlink(missing_ok=True)
        return Deleted(id=record.id, object=KIND)

    async def _content(self, asked: Asked) -> web.StreamResponse:
        record = await self.get(asked.caller.tenant, asked.part("file_id"))
        return sent(asked.request, self.path(record), record.body["filename"])


def _has(room: int) -> None:
    """See that there is room left. Raises ApiError 413."""
    if room < 0:
        message = "the file is larger than what is taken here, or than what is left of your quota of disk"
        raise ApiError(413, message, param="file", code="too_large")


def read_by(record: Record) -> list[str]:
    """Return the ids of the files that a job or batch reads."""
    return [record.body["input_file_id"]] if record.kind == "batch" else record.body["files"]


async def _receive(request: web.Request, new: NewFile) -> None:
    """Read an upload's form. Raises ApiError."""
    try:
        reader = await request.multipart()
        while (part := await reader.next()) is not None:
            await _take(part, new)
    except (ValueError, HttpProcessingError) as error:
        words = error.message if isinstance(error, HttpProcessingError) else str(error)
        raise ApiError(400, f"the form cannot be read: {words}", code="invalid_form") from None
    _check(new)


async def _take(part: Any, new: NewFile) -> None:
    """Read one part of an upload's form."""
    name = getattr(part, "name", None)  # a form inside the form has none
    if name == "purpose" and not new.purpose:
        new.purpose = (await part.read_chunk(100)).decode(errors="replace")
    elif name == "file" and part.filename is not None and not new.filename:
        new.filename = _named(part.filename)
        while chunk := await part.read_chunk(CHUNK):
            await new.write(chunk)
    else:
        raise ApiError(400, f"a form has one `purpose` and one `file` with a name, and not {name!r:.80}", param="file")


def _check(new: NewFile) -> None:
    if not new.filename:
        raise ApiError(400, "the form has no part `file` with a file name", param="file")
    if new.purpose not in PURPOSES:
        raise ApiError(400, f"the purpose must be seeds or batch, not {new.purpose!r:.100}", param="purpose")
    if new.purpose == "seeds" and not new.filename.endswith(ENDINGS):
        message = f"the name of a seeds file must end in one of {', '.join(ENDINGS)}, not {new.filename!r:.100}"
        raise ApiError(400, message, param="file")


def sent(request: web.Request, path: Path, name: str) -> web.FileResponse:
    """Return a file as an answer, which browsers save and never show as a page of ours. Raises ApiError 416."""
    _check_range(request, path)
    plain = re.sub(r"[^A-Za-z0-9._-]", "_", name)
    headers = {
        "Content-Type": BYTES,
        "Content-Disposition": f'attachment; filename="{plain}"',
        "X-Content-Type-Options": "nosniff",
    }
    return web.FileResponse(path, headers=headers)


def _check_range(request: web.Request, path: Path) -> None:
    """See that the part that is asked for is there. Raises ApiError 416."""
    size = path.stat().st_size if path.exists() else 0
    try:
        start = request.http_range.start
    except ValueError:
        start = size
    if start is not None and start >= size:
        message = f"the file has {size:,} bytes; ask for one part of them, such as `Range: bytes=0-99`, or for all"
        raise ApiError(416, message, param="Range", headers={"Content-Range": f"bytes */{size}"})


def _named(filename: str) -> str:
    """Return the name that a file is shown by: no folders, nothing that does not print, at most 200 characters."""
    name = filename.replace("\\", "/").rpartition("/")[2]
    return "".join(letter for letter in name if letter.isprintable())[-200:] or "unnamed"


def _moved(path: Path, to: Path) -> int:
    """Put a file where it belongs, and return its size."""
    return path.replace(to).stat().st_size


def _ending(filename: str) -> str:
    return next((ending for ending in ENDINGS if filename.endswith(ending)), "")


def _sync(file: BinaryIO) -> None:
    file.flush()
    os.fsync(file.fileno())
