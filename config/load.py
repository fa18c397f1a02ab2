"""pipeline.yaml read: the file, the environment and `--set` above it, to a frozen Pipeline.

Every mistake is found at once; those that need more than the file to be seen are for service/check. How to override a
value is told in overrides.py.
"""

from __future__ import annotations

import copy
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from config import availability, overrides, secrets, yamlfile
from config.problems import Finding, Loc, Places, Problem, prefixes
from config.repair import Repair
from config.schema import Pipeline


@dataclass(frozen=True)
class Loaded:
    """What could be read. With `problems`, the pipeline is mended so that it can be checked, and must never run."""

    pipeline: Pipeline | None
    places: Places
    problems: tuple[Problem, ...]
    broken: frozenset[Loc]

    def fresh(self, found: Iterable[Finding]) -> list[Problem]:
        """Return the findings as problems, without those about what is known to be wrong already."""
        known = self.broken.union(problem.loc for problem in self.problems if problem.loc)
        return [
            self.places.problem(loc, message, inside)
            for loc, message, inside in found
            if not known.intersection(prefixes(loc))
        ]


def read_pipeline(source: Path | Mapping[str, Any], *, env: Mapping[str, str], sets: Sequence[str] = ()) -> Loaded:
    """Read as much as can be read. Relative paths are relative to the file's folder, or else the working directory.

    Raises ConfigError where there is no file, or it is no YAML.
    """
    if isinstance(source, Path):
        data, places, problems = yamlfile.read_file(source)
        base_dir, name = source.parent, re.sub(r"[^A-Za-z0-9_.-]", "-", source.stem).lstrip("-.")
    else:
        data, places, problems = copy.deepcopy(dict(source)), Places(), list[Problem]()
        base_dir, name = Path(), ""
    if not isinstance(data, dict):
        problems.append(places.problem((), "this is not a pipeline; `tamis init arithmetic` writes one to start from"))
        return Loaded(None, places, tuple(problems), frozenset())
    data.setdefault("name", name or "pipeline")
    problems += overrides.apply(data, places, env, sets)
    repair = Repair(data, places)
    for found in secrets.find(data.get("endpoints")):
        repair.take_out(found.loc, found.message)
    pipeline = repair.run(base_dir.resolve())
    loaded = Loaded(pipeline, places, (*problems, *repair.problems), frozenset(repair.broken))
    later = loaded.fresh(availability.missing(pipeline)) if pipeline else []
    return replace(loaded, problems=(*loaded.problems, *later))
