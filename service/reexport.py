"""Writing a run's samples again in another format, from its ledger, without a call."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from pydantic import ValidationError

from config.schema import Output
from service import rundir
from stages.core.errors import InputError
from stages.io.exports import FORMATS
from stages.io.outputs import export, export_name
from stages.io.threshold import Threshold
from stages.prompts.template import TemplateError


class Exported(NamedTuple):
    """The file that was written, its rows, and what must be known of what it lacks."""

    path: Path
    rows: int
    notes: list[str]


def export_run(
    run_dir: Path, output_format: str, out: Path | None, where: str | None, thresholds: Sequence[str] = ()
) -> Exported:
    """Write one export. Raises InputError.

    What the pipeline's own output of that format says (the prompt, pairs, columns) holds here too. `thresholds` are of
    the form STAGE.FIELD=X, and hold in the order of the stages.
    """
    if output_format not in FORMATS:
        raise InputError(f"--format {output_format}: not available; write one of: {', '.join(sorted(FORMATS))}")
    pipeline = rundir.pipeline_of(run_dir)
    own = next((output for output in pipeline.outputs if output.format == output_format), None)
    keys = {} if own is None else own.model_dump(by_alias=True)
    try:
        output = Output.model_validate(keys | {"format": output_format} | ({} if where is None else {"where": where}))
    except ValidationError as error:
        raise InputError([f"--format {output_format}: {one['msg']}" for one in error.errors()]) from None
    stages = [stage.name for stage in pipeline.stages]
    moved = sorted((Threshold.parse(text, stages) for text in thresholds), key=lambda one: stages.index(one.stage))
    path = out or run_dir / export_name(output)
    with rundir.open_reader(run_dir) as reader:
        try:
            rows, undecided = export(reader, output, path, moved)
        except TemplateError as error:
            raise InputError(f"--where {where}: {error}") from None
    notes = [f"{undecided:,} samples lack what --where asks for"] if undecided else []
    return Exported(path, rows, notes + [note for one in moved for note in _notes(one, stages)])


def _notes(moved: Threshold, stages: Sequence[str]) -> list[str]:
    """Say what a threshold did, and which verdicts are missing: nothing is asked again."""
    name, unseen = moved.stage, ", ".join(stages[stages.index(moved.stage) + 1 :])
    said = {
        "gone": f"accepted are below {moved.name} {moved.least:g} and went",
        "back": f"that {name} rejected came back" + (f"; they lack the verdicts of: {unseen}" if unseen else ""),
        "unjudged": f"accepted without a {moved.name} from {name} are left out",
        "fell_before": f"fell before {name} could judge and lack its verdict",
    }
    return [f"{moved.counts[kind]:,} {text}" for kind, text in said.items() if moved.counts[kind]]
