"""Makes a run's report: `report.json`, and `report.html`, one file that asks nobody for anything."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import orjson

from config.schema import Pipeline
from queues.ledger import LedgerError, Reader
from service.audit.audit import Audit
from service.report.document import Figures
from service.report.page import page
from service.runs import rundir
from stages.core.errors import InputError, TamisError
from stages.io.atomic import replacing
from stages.io.manifest import counts
from stages.io.store import Stored, unpack

JSON, HTML = "report.json", "report.html"


class Report:
    """A visitor of every group of a run, which can then write its report."""

    def __init__(self, pipeline: Pipeline, reader: Reader, folder: Path) -> None:
        self._folder, self._figures = folder, Figures(pipeline, reader, folder)

    def see(self, stored: Stored) -> None:
        self._figures.see(stored)

    def end(self) -> None:
        """Leave the writing for when the manifest is known."""

    def write(self, manifest: Mapping[str, Any], audit: Sequence[Mapping[str, Any]]) -> Path:
        """Write both files, and return where the page is. `audit`: the figures of the run's judges."""
        figures, samples = self._figures.document(manifest, audit), self._figures.samples
        resolved = (self._folder / rundir.RESOLVED).read_text(encoding="utf-8")
        html = page(figures, resolved, samples.accepted(), samples.seeds())
        with replacing(self._folder / JSON) as file:
            file.write(orjson.dumps(figures, option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE))
        with replacing(self._folder / HTML) as file:
            file.write(html.encode())
        return self._folder / HTML


class Spared:
    """A report at the end of a run, whose defects spoil nothing but itself. `defect`: the first one, in words."""

    def __init__(self, report: Report) -> None:
        self._report, self.defect = report, ""

    def see(self, stored: Stored) -> None:
        self._try(lambda: self._report.see(stored))

    def end(self) -> None:
        """Leave the writing for when the manifest is known."""

    def write(self, manifest: Mapping[str, Any], audit: Sequence[Mapping[str, Any]]) -> None:
        self._try(lambda: self._report.write(manifest, audit))

    def _try(self, work: Callable[[], object]) -> None:
        if self.defect:
            return
        try:
            work()
        except (TamisError, LedgerError):
            raise
        except Exception as error:  # a defect of tamis: the run's other files must not want for it, and it is told
            self.defect = f"{type(error).__name__}: {error}"


def report_run(run_dir: Path) -> Path:
    """Make the report of a run that has begun again, and return where the page is. Raises InputError.

    What the manifest tells of a run that goes on, or was killed, is of its beginning; its counts are taken anew.
    """
    pipeline = rundir.pipeline_of(run_dir)
    try:
        manifest = orjson.loads((run_dir / rundir.MANIFEST).read_bytes())
    except (OSError, ValueError) as error:
        raise InputError(f"{run_dir / rundir.MANIFEST}: {error}; `tamis run --resume` writes it again") from None
    with rundir.open_reader(run_dir) as reader:
        audit, report = Audit(pipeline, reader, run_dir), Report(pipeline, reader, run_dir)
        for rows in reader.groups():
            stored = unpack(*rows)
            audit.see(stored)
            report.see(stored)
        audit.end()
        manifest["counts"] = counts(reader, manifest["counts"]["seeds"]["read"])
        return report.write(manifest, audit.found)
