"""pipeline.yaml and service.yaml read: the file, the environment and `--set` above it, to a frozen model.

Every mistake is found at once; those that need more than the file to be seen are for service/check. How to override a
value is told in overrides.py.
"""

from __future__ import annotations

import copy
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from config import overrides, secrets, yamlfile
from config.base import Uploads
from config.problems import ConfigError, Finding, Loc, Places, Problem, prefixes
from config.repair import Repair
from config.schema import Endpoint, Pipeline
from config.service import Service
from config.sources import UploadSource


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


@dataclass(frozen=True, slots=True)
class Given:
    """What the service gives to a job, whose pipeline has it from nowhere else: endpoints by alias, and uploads."""

    endpoints: Mapping[str, Endpoint]
    uploads: Uploads


def read_pipeline(
    source: Path | Mapping[str, Any],
    *,
    env: Mapping[str, str],
    sets: Sequence[str] = (),
    given: Given | None = None,
) -> Loaded:
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
    if given is not None:
        problems += _give(data, places, given)
    repair = _without_keys(data, places)
    uploads = None if given is None else given.uploads
    pipeline = repair.run(Pipeline, {"base_dir": base_dir.resolve(), "uploads": uploads})
    if pipeline is not None and isinstance(pipeline.source, UploadSource):
        pipeline = pipeline.model_copy(update={"source": pipeline.source.opened()})
    return Loaded(pipeline, places, (*problems, *repair.problems), frozenset(repair.broken))


def _give(data: dict[str, Any], places: Places, given: Given) -> list[Problem]:
    """Put the service's endpoints into a job's pipeline; return what is wrong with those that it has itself."""
    own = data.pop("endpoints", None)
    data["endpoints"] = dict(given.endpoints)
    if not own:
        return []
    names = ", ".join(given.endpoints) or "(none)"
    return [places.problem(("endpoints",), f"a job has the endpoints of the service: {names}; remove this key")]


def _without_keys(data: dict[str, Any], places: Places) -> Repair:
    repair = Repair(data, places)
    for found in secrets.find(data.get("endpoints")):
        repair.take_out(found.loc, found.message)
    return repair


def read_service(path: Path | None, *, env: Mapping[str, str], sets: Sequence[str] = ()) -> Service:
    """Read service.yaml, or without a file what is set above it. Raises ConfigError with every mistake there is."""
    return read_service_with_places(path, env=env, sets=sets)[0]


def read_service_with_places(
    path: Path | None, *, env: Mapping[str, str], sets: Sequence[str] = ()
) -> tuple[Service, Places]:
    """Read as `read_service` does; return also where each value came from."""
    data, places, problems = ({}, Places(), list[Problem]()) if path is None else yamlfile.read_file(path)
    if not isinstance(data, dict):
        raise ConfigError([places.problem((), "write keys with values, for example `listen: 127.0.0.1:8080`")])
    problems += overrides.apply(data, places, env, sets)
    repair = _without_keys(data, places)
    service = repair.run(Service, {"base_dir": (Path() if path is None else path.parent).resolve()})
    problems += repair.problems
    if problems or service is None:
        raise ConfigError(sorted(problems, key=lambda problem: problem.line))
    return service, places
