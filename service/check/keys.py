"""Keys that only some kinds of a stage read or cannot do without, and values that must be tried to be believed."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

from config.problems import Finding, Loc
from config.schema import Pipeline, Stage
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


GOLD = ("numeric", "exact", "math")
_BY_MODEL = ("eliminate", "rubric", "checklist")
KEYS: dict[tuple[str, str], tuple[Key, ...]] = {
    ("verify", "check"): (
        Key("against", GOLD, ("plugin",), 'against: "{{ answer }}"'),
        Key("fallback", (), (*GOLD, "plugin")),
        Key("pattern", ("regex",), (), "pattern: '^[0-9]+$'"),
        Key("schema", ("json_schema",), (), "schema: {file: schema.json}"),
        Key("tests", ("python",), (), 'tests: "{{ test }}"'),
        Key("entry_point", (), ("python",)),
        Key("function", ("plugin",), (), "function: ./checks.py:is_right"),
        Key("min_score", (), ("plugin",)),
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
    ("vote", "extract"): (Key("endpoint", ("model",), (), "endpoint: main, the model that compares two responses"),),
}
"""(a stage's type, the key that says of which kind it is) -> the keys that not all of the kinds read."""


class Trial(NamedTuple):
    """What is done with a stage's key to see whether it can work; it raises InputError where it cannot."""

    kind: str
    key: str
    when: Callable[[Any], bool]
    do: Callable[[Any], object]


TRIALS = (
    Trial("verify", "pattern", lambda stage: stage.pattern is not None, lambda stage: Pattern(stage.pattern)),
    Trial("verify", "schema", lambda stage: stage.schema_ is not None, lambda stage: JsonSchema(stage.schema_)),
    Trial("verify", "check", lambda stage: stage.check == "math", lambda _: require_package()),
    Trial("verify", "check", lambda stage: stage.check == "python", lambda _: PythonTests()),
    Trial("verify", "function", lambda stage: stage.function is not None, lambda stage: find_function(stage.function)),
    Trial("cross_check", "function", lambda stage: stage.function is not None, lambda one: find_function(one.function)),
    Trial(
        "cross_check",
        "extract",
        lambda one: (one.sees, one.extract) == ("question", "math"),
        lambda _: require_package(),
    ),
    Trial("vote", "extract", lambda stage: stage.extract == "math", lambda _: require_package()),
    Trial(
        "dedupe",
        "semantic",
        lambda one: one.semantic,
        lambda one: require_semantic(local=one.semantic.endpoint is None),
    ),
    Trial("dedupe", "existing", lambda one: one.existing, lambda one: [None for _ in existing_documents(one)]),
    Trial("decontaminate", "against", lambda _: True, lambda stage: read_rows(stage.against, stage.field)),
)


def problems(pipeline: Pipeline) -> Iterator[Finding]:
    """Yield what is missing, read by nobody, or does not work, in each stage by itself."""
    for number, stage in enumerate(pipeline.stages):
        for (kind, by), keys in KEYS.items():
            if stage.type == kind:
                yield from _of_kind(("stages", number), stage, by, keys)
        for trial in TRIALS:
            try:
                if stage.type == trial.kind and trial.when(stage):
                    trial.do(stage)
            except InputError as error:
                yield from (Finding(("stages", number, trial.key), problem) for problem in error.problems)


def _of_kind(loc: Loc, stage: Stage, by: str, keys: tuple[Key, ...]) -> Iterator[Finding]:
    kind = getattr(stage, by)
    for key in keys:
        field = next(field for field in (key.name, f"{key.name}_") if field in type(stage).model_fields)
        given = getattr(stage, field) != type(stage).model_fields[field].default
        if kind in key.needed_by and not given:
            yield Finding((*loc, key.name), f"missing; `{by}: {kind}` needs it: {key.example}")
        elif given and kind not in key.needed_by + key.read_by:
            yield Finding((*loc, key.name), f"`{by}: {kind}` does not read it; remove it")
