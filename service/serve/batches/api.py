"""The routes of batches: create, list, look, cancel. Their files are those of `/v1/files`."""

from __future__ import annotations

import asyncio
import hashlib

import orjson

from queues.registry import KeyTaken, Registry
from service.serve.batches import state
from service.serve.batches.front import Batches
from service.serve.batches.shapes import Batch, BatchSubmission
from service.serve.errors import ApiError
from service.serve.files import Files
from service.serve.paging import PageQuery
from service.serve.routes import Asked, Route
from service.serve.shapes import Listed, listed
from service.serve.submit import Desk, key_taken


class BatchApi:
    """Takes batches within quotas, and shows them."""

    def __init__(self, registry: Registry, batches: Batches, files: Files, desk: Desk) -> None:
        self._registry, self._batches, self._files, self._desk = registry, batches, files, desk
        self._one_at_a_time = asyncio.Lock()

    def routes(self) -> list[Route]:
        one = "/v1/batches/{batch_id}"
        return [
            Route(
                "POST", "/v1/batches", self._create, "Have a file of requests answered.", Batch, body=BatchSubmission
            ),
            Route("GET", "/v1/batches", self._list, "Your batches.", Listed[Batch], query=PageQuery),
            Route("GET", one, self._one, "A batch, and how far it is.", Batch),
            Route("POST", f"{one}/cancel", self._cancel, "Ask nothing more; what there is stays.", Batch),
        ]

    async def _create(self, asked: Asked) -> Batch:
        caller, body, key = asked.caller, asked.body, asked.request.headers.get("Idempotency-Key")
        digest = hashlib.sha256(orjson.dumps(body.model_dump(), option=orjson.OPT_SORT_KEYS)).hexdigest()
        if (before := await self._desk.before(caller, key, digest)) is not None:
            return self._batches.show(before)
        file = await self._files.get(caller.tenant, body.input_file_id)
        if file.body["purpose"] != "batch":
            message = f"{file.id} was uploaded with the purpose {file.body['purpose']}; a batch's requests need `batch`"
            raise ApiError(400, message, param="input_file_id", code="invalid_value")
        async with self._one_at_a_time:  # what was within the quotas is registered before the next one is
            self._desk.within_quotas(caller, 0)
            try:
                return self._batches.show(await self._batches.add(state.created(caller.tenant, body), key, digest))
            except KeyTaken:
                raise key_taken() from None

    async def _list(self, asked: Asked) -> Listed[Batch]:
        records, more = await self._registry.page(state.KIND, asked.caller.tenant, asked.query.page(), {})
        return listed([self._batches.show(record) for record in records], more)

    async def _one(self, asked: Asked) -> Batch:
        return self._batches.show(await self._batches.get(asked.caller, asked.part("batch_id")))

    async def _cancel(self, asked: Asked) -> Batch:
        return self._batches.show(await self._batches.cancel(asked.caller, asked.part("batch_id")))
