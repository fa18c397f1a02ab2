"""The command line. Every error ends here as somebody's message with an exit code; a traceback goes to a file."""

from __future__ import annotations

import asyncio
import io
import os
import sys
import tempfile
import traceback
from collections.abc import Iterator
from contextlib import suppress
from importlib import metadata
from pathlib import Path
from typing import Annotated, Literal

import typer

from config.problems import ConfigError
from queues.ledger import LedgerError
from service.runs.lifecycle import EXIT_DEFECT, EXIT_INPUT, EXIT_STOPPED, collect_garbage_rarely
from stages.core.errors import InputError, TamisError
from stages.io.atomic import DISK_FAILS

app = typer.Typer(
    add_completion=False,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)

LogStyle = Literal["off", "console", "json"]
PipelineFile = Annotated[Path, typer.Argument(metavar="PIPELINE.yaml", show_default=False)]
RunDir = Annotated[Path, typer.Argument(metavar="RUN_DIR", show_default=False)]
Sets = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="KEY=VALUE", help="Change a key of the file: stages.0.candidates=8. Repeatable."),
]


def say(text: str) -> None:
    """Print to the person, beside whatever the command's output is."""
    typer.echo(text, err=True)


def _tell_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"tamis {metadata.version('tamis')}")
        raise typer.Exit


@app.callback()
def tamis(
    version: Annotated[
        bool, typer.Option("--version", callback=_tell_version, is_eager=True, help="Tell the version, and end.")
    ] = False,
) -> None:
    """Make synthetic post-training data, and keep what is worth training on."""


@app.command()
def check(pipeline: PipelineFile, sets: Sets = None) -> None:
    """Find every mistake of a pipeline at once; nothing is called."""
    from service.runs.plan import checked, scanned

    config = checked(pipeline, sets or (), say)
    _, scan = scanned(config)
    skipped = f" ({scan.skipped:,} broken rows left out)" if scan.skipped else ""
    seeds = f"{scan.rows:,} seeds{skipped}"
    typer.echo(f"{pipeline}: no problems in {len(config.stages)} stages and {seeds}; nothing was called")


@app.command()
def run(
    pipeline: PipelineFile,
    out: Annotated[Path | None, typer.Option(metavar="DIR", help="Default: runs/<name>-<time>.")] = None,
    resume: Annotated[bool, typer.Option("--resume", help="Go on with the run in --out.")] = False,
    reuse: Annotated[Path | None, typer.Option(metavar="RUN_DIR", help="Take replies from an older run.")] = None,
    limit: Annotated[int | None, typer.Option(min=1, help="Only the first N seeds.")] = None,
    sets: Sets = None,
    engine: Annotated[str, typer.Option(help="local, or ray.")] = "local",
    metrics_port: Annotated[int | None, typer.Option(min=0, max=65535, help="Prometheus metrics on loopback.")] = None,
    no_progress: Annotated[bool, typer.Option("--no-progress", help="No live display.")] = False,
    log: Annotated[LogStyle, typer.Option(help="Log lines on stderr.")] = "off",
) -> None:
    """Run a pipeline."""
    from service.runs.runner import RunOptions, run_pipeline

    if engine != "local":
        raise InputError(f"--engine {engine}: not available yet; leave it out to run on this machine")
    options = RunOptions(
        pipeline, out, resume, reuse, limit, tuple(sets or ()), metrics_port, progress=not no_progress, log=log
    )
    result = run_pipeline(options)
    typer.echo(result.told)
    raise typer.Exit(result.ending.code)


@app.command()
def preview(
    pipeline: PipelineFile,
    count: Annotated[int, typer.Option("-n", min=1, metavar="N", help="How many seeds.")] = 3,
    full: Annotated[bool, typer.Option("--full", help="Show texts whole.")] = False,
    keep: Annotated[Path | None, typer.Option(metavar="DIR", help="Keep the run there; else nothing stays.")] = None,
    sets: Sets = None,
) -> None:
    """Run the first seeds for real, and show every prompt, candidate and verdict."""
    from rich.console import Console

    from service.dryrun.preview import preview_run

    class Screen(Console):
        def on_broken_pipe(self) -> None:
            raise BrokenPipeError

    raise typer.Exit(preview_run(pipeline, count, sets or (), keep, full=full, console=Screen()))


@app.command()
def estimate(
    pipeline: PipelineFile,
    probe: Annotated[int, typer.Option(min=0, metavar="N", help="Seeds to run for real; 0: call nothing.")] = 8,
    limit: Annotated[int | None, typer.Option(min=1, help="As if only the first N seeds were run.")] = None,
    sets: Sets = None,
    as_json: Annotated[bool, typer.Option("--json", help="The figures as JSON.")] = False,
) -> None:
    """Tell calls, tokens, cost and time before spending, from a small probe or from prices alone."""
    import orjson

    from service.dryrun.estimate import estimate_run, told

    found = estimate_run(pipeline, sets or (), limit, probe)
    typer.echo(orjson.dumps(found, option=orjson.OPT_INDENT_2).decode() if as_json else told(found))


@app.command()
def export(
    run_dir: RunDir,
    output_format: Annotated[str, typer.Option("--format", help="sft dpo reward kto prm grpo verl sharegpt.")],
    file: Annotated[str | None, typer.Option(metavar="jsonl|parquet", help="Default: as the pipeline says.")] = None,
    out: Annotated[Path | None, typer.Option(metavar="FILE", help="Default: RUN_DIR/exports/<format>.<file>.")] = None,
    where: Annotated[str | None, typer.Option(metavar="EXPR", help="Only what this expression is true for.")] = None,
    threshold: Annotated[
        list[str] | None,
        typer.Option(metavar="STAGE.FIELD=X", help="As if the stage had asked for X and above. Repeatable."),
    ] = None,
    truth: Annotated[
        str | None, typer.Option("--ground-truth", metavar="TEMPLATE", help="grpo, verl: what is right for a seed.")
    ] = None,
    push: Annotated[str | None, typer.Option(metavar="USER/NAME", help="Upload it to the Hugging Face hub.")] = None,
) -> None:
    """Write a run's samples in another format, from the ledger, without a call."""
    from service.exports.reexport import export_run

    files, notes = export_run(run_dir, output_format, out, file, where, truth, threshold or (), push)
    typer.echo("\n".join([*(f"{path}: {rows:,} rows" for path, rows in files.items()), *(f"  {n}" for n in notes)]))


@app.command()
def label(
    run_dir: RunDir,
    count: Annotated[int, typer.Option("-n", min=1, metavar="N", help="How many candidates.")] = 50,
) -> None:
    """Label a blind, stratified sample of a run by hand: y, n, s skip, b back, q quit. Goes on where it was left."""
    from service.audit.label import label_run

    typer.echo(label_run(run_dir, count, _keys(), typer.echo))


def _keys() -> Iterator[str]:
    """Yield what is typed, key by key; from a pipe every character of it."""
    if not sys.stdin.isatty():
        yield from sys.stdin.read()
        return
    with suppress(KeyboardInterrupt, EOFError):
        while typed := typer.getchar():  # several, where they were typed faster than they are read
            yield from typed


@app.command()
def audit(
    run_dir: RunDir,
    gold: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Rows with id and label or answer. Default: RUN_DIR/gold.jsonl.")
    ] = None,
) -> None:
    """Say how far the judges of a run can be trusted, from its ledger and from gold; writes RUN_DIR/audit.json."""
    from service.audit.audit import audit_run

    typer.echo(audit_run(run_dir, gold))


@app.command()
def report(run_dir: RunDir) -> None:
    """Make a run's report again, from its ledger: RUN_DIR/report.html and report.json. Of a running one, too."""
    from service.report.report import report_run

    typer.echo(report_run(run_dir))


@app.command()
def schema() -> None:
    """Print the JSON Schema of pipeline.yaml, for editors."""
    import orjson

    from config.schema import json_schema

    typer.echo(orjson.dumps(json_schema(), option=orjson.OPT_INDENT_2).decode())


@app.command()
def init(
    template: Annotated[
        str, typer.Argument(help="arithmetic best_of_n constitution documents self_instruct transform.")
    ] = "arithmetic",
    out: Annotated[Path, typer.Option(metavar="DIR", help="The folder to write into.")] = Path(),
) -> None:
    """Write a commented pipeline to start from, with its seeds and constitution."""
    from service.authoring.templates import write_template

    for path in write_template(template, out):
        say(f"wrote {path}")
    say(f"next: tamis check {out / 'pipeline.yaml'}")


@app.command()
def serve(
    service: Annotated[Path | None, typer.Argument(metavar="SERVICE.yaml", show_default=False)] = None,
    sets: Sets = None,
    log: Annotated[Literal["console", "json"], typer.Option(help="Log lines on stderr.")] = "console",
) -> None:
    """Take jobs over HTTP, until SIGTERM: then what is on its way comes home, and the next start goes on."""
    import uvloop

    from config.load import read_service
    from service.observe.logs import configure
    from service.runs.lifecycle import allow_many_connections
    from service.serve.app import serve as serving

    config = read_service(service, env=os.environ, sets=sets or ())
    allow_many_connections()
    collect_garbage_rarely()
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        raise typer.Exit(runner.run(serving(config, configure(log), lambda url: typer.echo(f"listening on {url}"))))


def _mount() -> None:
    from service.authoring import authoring
    from service.simulator.command import simulate

    app.command()(simulate)
    app.add_typer(authoring.prompts, name="prompts")
    app.add_typer(authoring.constitution, name="constitution")
    app.add_typer(authoring.config, name="config")


def _steady_streams() -> None:
    """Let no file or socket take a closed standard stream's number, and print whatever characters there are."""
    while (number := os.open(os.devnull, os.O_RDWR)) <= 2:
        pass
    os.close(number)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):  # None where it is closed
            stream.reconfigure(errors="backslashreplace")


def main() -> None:
    """Run the command; print what went wrong as a message, never as a traceback."""
    collect_garbage_rarely()  # what is loaded now is no garbage, and need not be looked through
    _mount()
    _steady_streams()
    try:
        app()
    except (InputError, ConfigError) as error:
        for problem in error.problems:
            say(str(problem))
        if len(error.problems) > 1 or isinstance(error, ConfigError):
            count = len(error.problems)
            say(f"{count} problem{'s' if count > 1 else ''}; nothing was called")
        sys.exit(EXIT_INPUT)
    except (TamisError, LedgerError) as error:
        remedy = getattr(error, "remedy", "")
        say(f"stopped: {error}{f'. {remedy}' if remedy else ''}")
        sys.exit(EXIT_STOPPED)
    except BrokenPipeError:
        sys.exit(0)
    except Exception as error:  # a defect: the person gets words, and whoever mends it a file
        if isinstance(error, OSError) and error.errno in DISK_FAILS:
            say(f"stopped: {error.strerror}. Make room; what is in the ledger is safe")
            sys.exit(EXIT_STOPPED)
        with tempfile.NamedTemporaryFile("w", prefix="tamis-defect-", suffix=".txt", delete=False) as file:
            traceback.print_exc(file=file)
        say(f"tamis has a defect: {type(error).__name__}: {error}")
        say(f"What is in the ledger is safe. The traceback is in {file.name}; please send it with what you did.")
        sys.exit(EXIT_DEFECT)
