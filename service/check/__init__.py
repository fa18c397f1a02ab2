"""The rules that no single value can break: between stages, columns, templates, files and keys. Nothing is called."""

from __future__ import annotations

import os
from collections.abc import Mapping

from config.load import Loaded
from config.problems import Problem
from config.schema import Generate
from service.check import judging, keys, order, resources, settings, texts, waves


def check(loaded: Loaded, env: Mapping[str, str] = os.environ) -> list[Problem]:
    """Return what is wrong besides `loaded.problems`, all of it at once."""
    pipeline = loaded.pipeline
    if pipeline is None:
        return []
    columns, found = resources.source(pipeline)
    if columns is not None:
        emitted = (stage.as_ for stage in pipeline.stages if isinstance(stage, Generate) and stage.emit == "seeds")
        columns = (*columns, *emitted)
    found += resources.constitutions(pipeline)
    found += resources.endpoints(pipeline, env)
    found += keys.problems(pipeline)
    found += settings.problems(pipeline)
    found += texts.problems(pipeline, columns)
    found += judging.problems(pipeline, columns)
    # Where a stage's very type is a guess, what stands before what is not known.
    if not any(len(loc) == 2 and loc[0] == "stages" for loc in loaded.broken):
        found += [*order.problems(pipeline), *waves.problems(pipeline)]
    return loaded.fresh(found)


def warnings(loaded: Loaded) -> list[Problem]:
    """Return what can work in a good pipeline and is hardly meant."""
    return [] if loaded.pipeline is None else loaded.fresh(judging.warnings(loaded.pipeline))
