"""The job API: submit, list, watch, pause, resume, cancel, leaf through, download."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

from aiohttp import web

from config.schema import json_schema
from queues.registry import Record
from service.serve import samples, state
from service.serve.errors import KEY, as_json, not_found
from service.serve.files import BYTES, IN_PART, PART_SENT, sent
from service.serve.funnel import funnel
from service.serve.jobs import Jobs
from service.serve.line import Surroundings
from service.serve.paging import PageQuery, page_of
from service.serve.routes import Asked, Route
from service.serve.samples import SampleQuery, SeedQuery
from service.serve.shapes import (
    AnyObject,
    Check,
    Deleted,
    EndpointShown,
    Funnel,
    Job,
    JobState,
    Listed,
    RunFile,
    Sample,
    Seed,
    listed,
)
from service.serve.submit import KEYED, Checked, Desk, Submission

NAMES = re.compile(
    r"(accepted|rejected|failed|unsolved)\.jsonl|(manifest|audit|report)\.json|report\.html|README\.md"
    r"|exports/[A-Za-z0-9][A-Za-z0-9._-]*"
)
"""The files of a run directory that its tenant may have: not the ledger, nor what the operator's endpoints are."""


class JobQuery(PageQuery):
    """Which jobs."""

    state: JobState | None = None


class JobApi:
    """The routes of jobs."""

    def __init__(self, around: Surroundings, jobs: Jobs, desk: Desk) -> None:
        self._around, self._jobs, self._desk = around, jobs, desk

    def routes(self) -> list[Route]:
        one = "/v1/jobs/{job_id:(?!check$)[^/]+}"  # where pipelines are looked over there is no job
        return [
            Route(
                "POST",
                "/v1/jobs",
                self._submit,
                "Submit a job.",
                Job,
                body=Submission,
                headers=KEYED,
                status=201,
                also={200: "it came before, with this key"},
            ),
            Route("POST", "/v1/jobs/check", self._check, "Look a pipeline over.", Check, body=Checked),
            Route("GET", "/v1/jobs", self._list, "Your jobs.", Listed[Job], query=JobQuery),
            Route("GET", one, self._one, "A job, and how far it is.", Job),
            Route("DELETE", one, self._delete, "Delete an ended job and its files.", Deleted),
            Route("POST", f"{one}/cancel", self._cancel, "Cancel a job.", Job),
            Route("POST", f"{one}/pause", self._pause, "Pause a job.", Job),
            Route("POST", f"{one}/resume", self._resume, "Resume a job.", Job),
            Route("GET", f"{one}/pipeline", self._pipeline, "The pipeline as it was submitted.", AnyObject),
            Route("GET", f"{one}/events", self._events, "A job as it goes on.", "text/event-stream"),
            Route("GET", f"{one}/funnel", self._funnel, "Where candidates fell, and why.", Funnel),
            Route("GET", f"{one}/samples", self._samples, "Candidates.", Listed[Sample], query=SampleQuery),
            Route("GET", f"{one}/seeds", self._seeds, "Seeds.", Listed[Seed], query=SeedQuery),
            Route("GET", f"{one}/seeds/{{number}}", self._seed, "A seed with all its candidates, uncut.", Seed),
            Route("GET", f"{one}/files", self._files, "The files that there are.", Listed[RunFile]),
            Route("GET", f"{one}/files/{{name:.+}}", self._file, "One file.", BYTES, headers=IN_PART, also=PART_SENT),
            Route("GET", "/v1/endpoints", self._endpoints, "Whom your stages may name.", Listed[EndpointShown]),
            Route("GET", "/v1/schema", self._schema, "The JSON Schema of a pipeline.", AnyObject, open=True),
        ]

    async def _submit(self, asked: Asked) -> web.StreamResponse:
        key = asked.request.headers.get(KEY)
        record, new = await self._desk.submit(asked.caller, asked.body, key)
        return as_json(self._jobs.show(record).model_dump(mode="json"), 201 if new else 200)

    async def _check(self, asked: Asked) -> Check:
        return await self._desk.check(asked.caller, asked.body.pipeline)

    async def _list(self, asked: Asked) -> Listed[Job]:
        return await page_of(self._around.registry, state.KIND, asked, self._jobs.show)

    async def _record(self, asked: Asked) -> Record:
        return await self._jobs.get(asked.caller, asked.part("job_id"))

    async def _one(self, asked: Asked) -> Job:
        return self._jobs.show(await self._record(asked))

    async def _delete(self, asked: Asked) -> Deleted:
        await self._jobs.delete(asked.caller, asked.part("job_id"))
        return Deleted(id=asked.part("job_id"), object=state.KIND)

    async def _cancel(self, asked: Asked) -> Job:
        return await self._changed(asked, state.cancelled)

    async def _pause(self, asked: Asked) -> Job:
        return await self._changed(asked, state.paused)

    async def _resume(self, asked: Asked) -> Job:
        def resumed(record: Record) -> Record:
            ended = record.state not in state.UNFINISHED  # what is paused counts already
            self._desk.within_quotas(asked.caller, record.body["seeds"], one_more=ended)
            return state.resumed(record)

        return await self._changed(asked, resumed)

    async def _changed(self, asked: Asked, change: Callable[[Record], Record]) -> Job:
        return self._jobs.show(await self._jobs.change(asked.caller, asked.part("job_id"), change))

    async def _pipeline(self, asked: Asked) -> web.StreamResponse:
        return as_json((await self._record(asked)).body["pipeline"])

    async def _events(self, asked: Asked) -> web.StreamResponse:
        events = self._jobs.events(await self._record(asked))
        first = await anext(events)
        headers = {"Content-Type": "text/event-stream", "Cache-Control": "no-store", "X-Accel-Buffering": "no"}
        response = web.StreamResponse(headers=headers)
        try:
            await response.prepare(asked.request)
            await response.write(first)
            async for frames in events:
                await response.write(frames)
        except ConnectionError:  # whoever listened has gone
            pass
        finally:
            await events.aclose()
        return response

    async def _funnel(self, asked: Asked) -> Funnel:
        return await funnel(await self._run_dir(asked))

    async def _samples(self, asked: Asked) -> Listed[Sample]:
        return await samples.samples(await self._run_dir(asked), asked.query)

    async def _seeds(self, asked: Asked) -> Listed[Seed]:
        return await samples.seeds(await self._run_dir(asked), asked.query)

    async def _seed(self, asked: Asked) -> Seed:
        return await samples.seed(await self._run_dir(asked), asked.part("number"))

    async def _files(self, asked: Asked) -> Listed[RunFile]:
        folder = await self._run_dir(asked)
        try:
            paths = {path.relative_to(folder).as_posix(): path for path in sorted(folder.rglob("*")) if path.is_file()}
            theirs = [name for name in paths if NAMES.fullmatch(name)]
            return listed([RunFile(id=name, bytes=paths[name].stat().st_size) for name in theirs])
        except FileNotFoundError:  # it is being deleted
            raise not_found(state.KIND, asked.part("job_id")) from None

    async def _file(self, asked: Asked) -> web.StreamResponse:
        folder, name = await self._run_dir(asked), asked.part("name")
        path = folder / name
        if not NAMES.fullmatch(name) or not path.is_file() or not path.resolve().is_relative_to(folder.resolve()):
            raise not_found("file", name)
        return sent(asked.request, path, path.name)

    async def _run_dir(self, asked: Asked) -> Path:
        return self._around.folder(await self._record(asked))

    async def _endpoints(self, asked: Asked) -> Listed[EndpointShown]:
        return listed([EndpointShown(id=alias, model=one.model) for alias, one in asked.caller.endpoints.items()])

    async def _schema(self, asked: Asked) -> web.StreamResponse:
        schema = json_schema()
        schema["properties"].pop("endpoints")  # a job has those of the service
        return as_json(schema)
