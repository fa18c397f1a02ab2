"""The routes of batches: create, list, look, cancel. Their files are those of `/v1/files`."""

from __future__ import annotations

from queues.registry import Record
from service.serve.batches import state
from service.serve.batches.front import Batches
from service.serve.batches.shapes import Batch, BatchSubmission
from service.serve.errors import KEY, ApiError
from service.serve.line import Surroundings
from service.serve.paging import PageQuery, page_of
from service.serve.routes import Asked, Route
from service.serve.shapes import Listed
from service.serve.submit import KEYED, Desk, digest_of


class BatchApi:
    """Takes batches within quotas, and shows them."""

    def __init__(self, around: Surroundings, batches: Batches, desk: Desk) -> None:
        self._around, self._batches, self._desk = around, batches, desk

    def routes(self) -> list[Route]:
        one = "/v1/batches/{batch_id}"
        return [
            Route(
                "POST",
                "/v1/batches",
                self._create,
                "Have a file of requests answered.",
                Batch,
                body=BatchSubmission,
                headers=KEYED,
            ),
            Route("GET", "/v1/batches", self._list, "Your batches.", Listed[Batch], query=PageQuery),
            Route("GET", one, self._one, "A batch, and how far it is.", Batch),
            Route("POST", f"{one}/cancel", self._cancel, "Ask nothing more; what there is stays.", Batch),
        ]

    async def _create(self, asked: Asked) -> Batch:
        caller, body, key = asked.caller, asked.body, asked.request.headers.get(KEY)
        digest = digest_of(body)
        if (before := await self._desk.before(caller, key, digest)) is not None:
            return self._batches.show(before)
        file = await self._around.files.get(caller.tenant, body.input_file_id)
        if file.body["purpose"] != "batch":
            message = f"{file.id} was uploaded with the purpose {file.body['purpose']}; a batch's requests need `batch`"
            raise ApiError(400, message, param="input_file_id", code="invalid_value")
        record = state.created(caller.tenant, body)
        return self._batches.show(await self._desk.register(self._batches, caller, record, key, digest))

    async def _list(self, asked: Asked) -> Listed[Batch]:
        return await page_of(self._around.registry, state.KIND, asked, self._batches.show)

    async def _one(self, asked: Asked) -> Batch:
        return self._batches.show(await self._record(asked))

    async def _cancel(self, asked: Asked) -> Batch:
        return self._batches.show(await self._batches.change(asked.caller, asked.part("batch_id"), state.cancelled))

    async def _record(self, asked: Asked) -> Record:
        return await self._batches.get(asked.caller, asked.part("batch_id"))
