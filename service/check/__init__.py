"""The rules that no single value can break: between stages, columns, templates, files and keys. Nothing is called."""

from __future__ import annotations

import os
from collections.abc import Mapping

from config.load import Loaded
from config.problems import Problem
from service.check import keys, outputs, resources, rules, texts


def check(loaded: Loaded, env: Mapping[str, str] = os.environ) -> list[Problem]:
    """Return what is wrong besides `loaded.problems`, all of it at once."""
    pipeline = loaded.pipeline
    if pipeline is None:
        return []
    columns, found = resources.source(pipeline)
    found += resources.constitutions(pipeline)
    found += resources.endpoints(pipeline, env)
    found += keys.problems(pipeline)
    found += outputs.problems(pipeline)
    found += texts.problems(pipeline, columns)
    found += rules.problems(pipeline, columns, rules.KEYS)
    # Where a stage's very type is a guess, what stands before what is not known.
    if not any(len(loc) == 2 and loc[0] == "stages" for loc in loaded.broken):
        found += [*rules.whole(pipeline), *rules.problems(pipeline, columns, rules.ORDER)]
    return loaded.fresh(found)


def warnings(loaded: Loaded) -> list[Problem]:
    """Return what can work in a good pipeline and is hardly meant."""
    pipeline = loaded.pipeline
    return [] if pipeline is None else loaded.fresh(rules.problems(pipeline, None, rules.HARDLY_MEANT))
