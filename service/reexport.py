"""Writing a run's samples again in another format, from its ledger, without a call."""

from __future__ import annotations

from pathlib import Path

from pydantic import ValidationError

from config import yamlfile
from config.schema import Output
from service import rundir
from stages.core.errors import InputError
from stages.io.exports import FORMATS
from stages.io.outputs import Written, export, export_name
from stages.prompts.template import TemplateError


def export_run(run_dir: Path, output_format: str, out: Path | None, where: str | None) -> tuple[Path, Written]:
    """Write one export and return where it is and what it holds. Raises InputError.

    What the pipeline's own output of that format says (the prompt, pairs, columns) holds here too.
    """
    if output_format not in FORMATS:
        raise InputError(f"--format {output_format}: not available; write one of: {', '.join(sorted(FORMATS))}")
    run = rundir.existing(run_dir)
    own = _own_output(run_dir, output_format)
    try:
        output = Output.model_validate(own | {"format": output_format} | ({} if where is None else {"where": where}))
    except ValidationError as error:
        raise InputError([f"--format {output_format}: {one['msg']}" for one in error.errors()]) from None
    path = out or run_dir / export_name(output)
    with rundir.open_reader(run) as reader:
        try:
            return path, export(reader, output, path)
        except TemplateError as error:
            raise InputError(f"--where {where}: {error}") from None


def _own_output(run_dir: Path, output_format: str) -> dict[str, object]:
    resolved = run_dir / "pipeline.resolved.yaml"
    if not resolved.exists():
        return {}
    data, _, _ = yamlfile.read(resolved.read_text(encoding="utf-8"), str(resolved))
    outputs = data.get("outputs") or []
    return next((output for output in outputs if output["format"] == output_format), {})
