"""Keys that only some kinds of a stage read or cannot do without, and values that must be tried to be believed."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any, NamedTuple

from config.base import Config
from config.problems import Finding, Loc
from config.schema import Pipeline
from config.sieving import GOLD
from config.transforming import REWRITES
from stages.core.errors import InputError
from stages.dedupe.decontaminate import read_rows
from stages.dedupe.existing import existing_documents
from stages.dedupe.minilm import require_semantic
from stages.verify.json_schema import JsonSchema
from stages.verify.maths import require_package
from stages.verify.pattern import Pattern
from stages.verify.plugin import find_function
from stages.verify.python import PythonTests


class Key(NamedTuple):
    """A key, the kinds of its stage that need it, those that read it besides, and an example of it."""

    name: str
    needed_by: tuple[str, ...] = ()
    read_by: tuple[str, ...] = ()
    example: str = ""


_OF_ROWS = ("augment", "convert", "backtranslate")
_BY_MODEL = ("eliminate", "rubric", "checklist")
KEYS: dict[tuple[str, str], tuple[Key, ...]] = {
    ("verify", "check"): (
        Key("against", (*GOLD, "grounded"), ("plugin",), 'against: "{{ answer }}"'),
        Key("fallback", (), (*GOLD, "plugin")),
        Key("pattern", ("regex",), (), "pattern: '^[0-9]+$'"),
        Key("schema", ("json_schema",), (), "schema: {file: schema.json}"),
        Key("tests", ("python",), (), 'tests: "{{ test }}"'),
        Key("entry_point", (), ("python",)),
        Key("function", ("plugin",), (), "function: ./checks.py:is_right"),
        Key("min_score", (), ("plugin", "grounded")),
        Key("timeout_s", (), ("plugin",)),
    ),
    ("judge", "mode"): (
        Key("axes", (), ("rubric",)),
        Key("scale", (), ("rubric",)),
        Key("rubric", ("checklist",), (), "rubric: COLUMN, the one with each seed's criteria"),
        Key("reward", (), ("reward",)),
        Key("principles", (), ("eliminate", "rubric")),
        Key("per_call", (), _BY_MODEL),
        Key("samples", (), _BY_MODEL),
    ),
    ("transform", "kind"): (
        Key(
            "prompt",
            ("custom",),
            ("succinct", "restyle", "expand_steps", *_OF_ROWS),
            'prompt: "Be brief: {{ response }}"',
        ),
        Key("style", ("restyle",), (), "style: {file: style.md}"),
        *(Key(name, (), ("critique_revise",)) for name in ("constitution", "rounds", "principles")),
        Key("column", _OF_ROWS, (), "column: question"),
        Key("ways", ("augment",), (), "ways: [paraphrase, deepen]"),
        Key("per_input", (), _OF_ROWS),
        Key("to", ("convert",), (), "to: qa"),
        *(Key(name, (), ("convert",)) for name in ("evidence", "schema")),
        Key("emit", ("augment",), ("convert", "backtranslate"), "emit: seeds"),
        *(Key(name, (), (*REWRITES, "augment")) for name in ("keep", "on_failure")),
    ),
    ("transform", "to"): (
        Key("evidence", (), ("qa",)),
        Key("schema", ("schema",), (), "schema: {file: schema.json}"),
    ),
    ("difficulty", "by"): (
        *(Key(name, (), ("pass_rate", "both")) for name in ("of", "min_samples", "samples", "temperature")),
        *(Key(name, (), ("pass_rate", "both")) for name in ("max_tokens", "prompt")),
        *(Key(name, (), ("model", "both")) for name in ("rater", "rating")),
    ),
    ("vote", "extract"): (Key("endpoint", ("model",), (), "endpoint: main, the model that compares two responses"),),
}
"""(a stage's type, the key that says of which kind it is) -> the keys that not all of the kinds read."""


class Trial(NamedTuple):
    """What of a stage is tried, if it is there, and how: it raises InputError where the stage's `key` cannot work."""

    kind: str
    key: str
    what: Callable[[Any], object]
    how: Callable[[Any], object]


def _package(_: object) -> None:
    require_package()


TRIALS = (
    Trial("verify", "pattern", lambda stage: stage.pattern, Pattern),
    Trial("verify", "schema", lambda stage: stage.schema_, JsonSchema),
    Trial("verify", "check", lambda stage: stage.check == "math", _package),
    Trial("verify", "check", lambda stage: stage.check == "python", lambda _: PythonTests()),
    Trial("verify", "function", lambda stage: stage.function, find_function),
    Trial("cross_check", "function", lambda stage: stage.function, find_function),
    Trial("cross_check", "extract", lambda stage: (stage.sees, stage.extract) == ("question", "math"), _package),
    Trial("transform", "schema", lambda stage: stage.schema_, JsonSchema),
    Trial("transform", "gate", lambda stage: stage.gate.schema_, JsonSchema),
    Trial("transform", "gate", lambda stage: stage.gate.same_answer and stage.gate.extract == "math", _package),
    Trial("vote", "extract", lambda stage: stage.extract == "math", _package),
    Trial("dedupe", "semantic", lambda stage: stage.semantic, lambda one: require_semantic(one.endpoint is None)),
    Trial(
        "dedupe",
        "existing",
        lambda stage: stage.existing and stage,
        lambda one: [None for _ in existing_documents(one)],
    ),
    Trial("decontaminate", "against", lambda stage: stage, lambda one: read_rows(one.against, one.field)),
)


def problems(pipeline: Pipeline) -> Iterator[Finding]:
    """Yield what is missing, read by nobody, or does not work, in each stage by itself."""
    for number, stage in enumerate(pipeline.stages):
        for (kind, by), keys in KEYS.items():
            if stage.type == kind:
                yield from of_kind(("stages", number), stage, by, keys)
        for trial in TRIALS:
            if stage.type == trial.kind and (what := trial.what(stage)):
                yield from tried(("stages", number, trial.key), partial(trial.how, what))


def tried(loc: Loc, do: Callable[[], object]) -> Iterator[Finding]:
    """Yield what is wrong with a value that is tried."""
    try:
        do()
    except InputError as error:
        yield from (Finding(loc, problem) for problem in error.problems)


def of_kind(loc: Loc, part: Config, by: str, keys: tuple[Key, ...]) -> Iterator[Finding]:
    """Yield which keys of a part its kind, the value of `by`, cannot do without or does not read."""
    kind = getattr(part, by)
    for key in keys if kind is not None else ():
        field = next(field for field in (key.name, f"{key.name}_") if field in type(part).model_fields)
        given = getattr(part, field) != type(part).model_fields[field].default
        if kind in key.needed_by and not given:
            yield Finding((*loc, key.name), f"missing; `{by}: {kind}` needs it: {key.example}")
        elif given and kind not in key.needed_by + key.read_by:
            yield Finding((*loc, key.name), f"`{by}: {kind}` does not read it; remove it")
