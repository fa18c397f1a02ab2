"""What a pipeline names and does not contain: the source and its columns, constitutions, endpoints, keys, files."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from functools import partial
from pathlib import Path

from config.problems import Finding, Loc
from config.schema import Annotate, Endpoint, Generate, Gguf, Opinion, Pipeline, Price, Stage, Transform
from config.words import among, suggestion
from service.check.keys import tried
from stages.core.errors import InputError
from stages.io.sources import open_source
from stages.judge.constitution import load_constitution
from stages.llm.keys import read_keys

COLUMN_KEYS = ("id", "topic", "messages", "tools", "candidates")
Columns = tuple[str, ...] | None
"""The source's columns; None where they cannot be known."""


def source(pipeline: Pipeline) -> tuple[Columns, list[Finding]]:
    """Return the source's columns, and what is wrong with what the pipeline says of it."""
    config = pipeline.source
    key = "type"
    try:
        source = open_source(config.model_copy(update=dict.fromkeys(COLUMN_KEYS)))
        key = "path"
        columns = source.columns() if source.near else ()
    except InputError as error:
        return None, [Finding(("source", key), str(error))]
    found: list[Finding] = []
    for key in COLUMN_KEYS:
        if isinstance(name := getattr(config, key), str):
            found += no_column(("source", key), name, columns or None)
    return columns or None, found


def columns_behind(columns: Columns, stages: Iterable[Stage]) -> Columns:
    """Return the columns that a row has which has come past these stages."""
    return None if columns is None else (*columns, *(name for stage in stages for name in _made(stage)))


def _made(stage: Stage) -> tuple[str, ...]:
    match stage:
        case Annotate() | Generate(emit="seeds"):
            return (stage.as_,)
        case Transform(emit="seeds"):
            return stage.new_columns
    return ()


def no_column(loc: Loc, name: str | None, columns: Columns) -> Iterator[Finding]:
    """Yield that there is no column of a name that was given, where the columns are known."""
    if name is not None and columns is not None and name not in columns:
        yield Finding(loc, unknown("column", name, columns))


def unknown(what: str, name: str, columns: tuple[str, ...], others: tuple[str, ...] = ()) -> str:
    """Return the message about a name that nothing stands behind; a column may have been meant, or one of `others`."""
    return f'unknown {what} "{name}"; {among(name, columns, "the source has", others)}'


def absent(loc: Loc, kind: str, name: str, known: Collection[str], plural: str = "") -> Iterator[Finding]:
    """Yield that there is nothing of a kind with this name, where there is not."""
    if name not in known:
        how = suggestion(name, known, f"the {plural or f'{kind}s'} are")
        yield Finding(loc, f'there is no {kind} "{name}"; {how}')


def constitutions(pipeline: Pipeline) -> Iterator[Finding]:
    """Yield what is wrong with each constitution that a stage uses, once."""
    used: dict[str, Loc] = {}
    for number, stage in enumerate(pipeline.stages):
        if isinstance(stage, Opinion) or (isinstance(stage, Transform) and stage.kind == "critique_revise"):
            if stage.constitution is not None:
                used.setdefault(stage.constitution, ("stages", number, "constitution"))
            elif pipeline.constitution is not None:
                used.setdefault(pipeline.constitution, ("constitution",))
    for path, loc in used.items():
        yield from tried(loc, partial(load_constitution, path))


def endpoints(pipeline: Pipeline, env: Mapping[str, str]) -> Iterator[Finding]:
    """Yield aliases that nothing stands behind, and what the endpoints in use lack."""
    used: set[str] = set()
    for number, stage in enumerate(pipeline.stages):
        for keys, alias in stage.aliases():
            used.add(alias)
            yield from absent(("stages", number, *keys), "endpoint", alias, pipeline.endpoints)
    for alias, endpoint in pipeline.endpoints.items():
        if alias in used:
            yield from _lacks(alias, endpoint, env)
            if pipeline.budget.usd is not None and endpoint.embedded is None and endpoint.price is None:
                example = ", ".join(f"{key}: 0.5" for key in Price.model_fields)
                message = f'the price of "{alias}" is unknown, so this cannot be held; write price: {{{example}}} there'
                yield Finding(("budget", "usd"), message)


def _lacks(alias: str, endpoint: Endpoint, env: Mapping[str, str]) -> Iterator[Finding]:
    loc: Loc = ("endpoints", alias)
    files: dict[Loc, str | None] = {("ca_file",): endpoint.ca_file}
    if isinstance(endpoint.embedded, Gguf):
        files["embedded", "gguf"] = endpoint.embedded.gguf
    for keys, path in files.items():
        if path is not None and not Path(path).is_file():
            yield Finding((*loc, *keys), f"there is no file {path}")
    try:
        read_keys(alias, endpoint, env)
    except InputError as error:
        for problem in error.problems:
            key, _, message = problem.removeprefix(f"endpoints.{alias}").removeprefix(".").partition(": ")
            yield Finding((*loc, key) if key else loc, message)
