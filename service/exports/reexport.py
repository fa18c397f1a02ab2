"""Writing a run's samples again in another format, from its ledger, without a call."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from pydantic import ValidationError

from config.schema import Output, Pipeline
from service.exports.alike import NearRows
from service.exports.card import NAME, write_cards
from service.exports.push import push, require_hub
from service.runs import rundir
from stages.core.errors import InputError
from stages.io.exports import FORMATS
from stages.io.outputs import export, export_name
from stages.io.threshold import Threshold
from stages.prompts.template import Expression, Template, TemplateError


class Exported(NamedTuple):
    """The files that were written with their rows, and what must be known of what they lack."""

    files: dict[Path, int]
    notes: list[str]


def export_run(
    run_dir: Path,
    output_format: str,
    out: Path | None = None,
    file: str | None = None,
    where: str | None = None,
    ground_truth: str | None = None,
    thresholds: Sequence[str] = (),
    push_to: str | None = None,
) -> Exported:
    """Write one export, and put it on the run's card; push both where that is asked for. Raises InputError.

    What is None is as the pipeline's own output of that format says. `thresholds` are of the form STAGE.FIELD=X, and
    hold in the order of the stages.
    """
    if push_to is not None:
        require_hub()
    pipeline = rundir.pipeline_of(run_dir)
    asked = {"format": output_format, "file": file, "where": where, "ground_truth": ground_truth}
    output = _output(pipeline, {key: value for key, value in asked.items() if value is not None})
    stages = [stage.name for stage in pipeline.stages]
    moved = sorted((Threshold.parse(text, stages) for text in thresholds), key=lambda m: stages.index(m.stage))
    path = out or run_dir / export_name(output)
    with rundir.open_reader(run_dir) as reader:
        written = export(reader, output, path, NearRows, moved)
    if out is None and (run_dir / NAME).exists():
        write_cards(run_dir, written)
    undecided = max(held.undecided for held in written.values())
    notes = [f"{undecided:,} samples lack what --where asks for"] if undecided else []
    notes += [f"pushed to {push(push_to, run_dir, written)}"] if push_to is not None else []
    notes += [note for one in moved for note in _notes(one, stages)]
    return Exported({path: held.rows for path, held in written.items()}, notes)


def _output(pipeline: Pipeline, asked: dict[str, str]) -> Output:
    """Return the pipeline's own output of a format, with the keys that were asked for; else one with its prompt."""
    name = asked["format"]
    if name not in FORMATS:
        raise InputError(f"--format {name}: not available; write one of: {', '.join(sorted(FORMATS))}")
    own = next((output for output in pipeline.outputs if output.format == name), None)
    for key, kind in (("where", Expression), ("ground_truth", Template)):
        try:
            if key in asked:
                kind(asked[key])
        except TemplateError as error:
            raise InputError(f"--{key.replace('_', '-')} {asked[key]}: {error}") from None
    plain = {"prompt": next((output.prompt for output in pipeline.outputs if output.prompt is not None), None)}
    keys = (plain if own is None else own.model_dump(by_alias=True)) | asked
    if name == "verl" and keys.get("ground_truth") is None:
        raise InputError("--format verl: it needs what is right for a seed: --ground-truth '{{ answer }}'")
    try:
        return Output.model_validate(keys)
    except ValidationError as error:
        raise InputError([f"--format {name}: {one['msg']}" for one in error.errors()]) from None


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
