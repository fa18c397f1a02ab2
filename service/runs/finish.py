"""What a run leaves behind, derived from its ledger: files, audit, manifest, card, report. It may take long."""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple

from config.schema import Pipeline
from service.audit.audit import Audit
from service.exports.alike import NearRows
from service.exports.card import body, write_cards
from service.report.report import Report, Spared
from service.runs import rundir
from stages.io.manifest import Run, write_manifest
from stages.io.outputs import derive


class Finished(NamedTuple):
    """The manifest, the figures of the judges, and in words the defect that cost the report, if there was one."""

    manifest: dict[str, Any]
    audit: list[dict[str, Any]]
    defect: str = ""


def finish(run_dir: Path, pipeline: Pipeline, run: Run) -> Finished:
    """Derive every file of a run that has ended, or is over for now. Raises RunStopped where the disk is full."""
    with rundir.open_reader(run_dir) as reader:
        audit = Audit(pipeline, reader, run_dir)
        report = Spared(Report(pipeline, reader, run_dir))
        written = derive(reader, run_dir, pipeline.outputs, NearRows, [audit, report])
        manifest = write_manifest(reader, run, run_dir / rundir.MANIFEST)
        write_cards(run_dir, written, body(pipeline, manifest, audit.found))
        report.write(manifest, audit.found)
    return Finished(manifest, audit.found, report.defect)
