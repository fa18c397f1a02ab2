"""pipeline.yaml read: the file, the environment and `--set` above it, to a frozen Pipeline.

Every mistake is found at once. `read_pipeline` returns what could be read and all that is wrong; `load_pipeline` raises
where anything is. How to override a value is told in overrides.py.
"""

from __future__ import annotations

import copy
import os
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from config import availability, overrides, secrets, yamlfile
from config.problems import ConfigError, Finding, Loc, Places, Problem, prefixes
from config.repair import Repair
from config.schema import Pipeline


@dataclass(frozen=True)
class Loaded:
    """What could be read. With `problems`, the pipeline is mended so that it can be checked, and must never run."""

    pipeline: Pipeline | None
    places: Places
    base_dir: Path
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


def load_pipeline(
    source: str | Path | Mapping[str, Any],
    *,
    env: Mapping[str, str] | None = None,
    sets: Sequence[str] = (),
    base_dir: Path | None = None,
) -> Pipeline:
    """Return the pipeline of a file or of plain data. Raises ConfigError with every problem."""
    loaded = read_pipeline(source, env=env, sets=sets, base_dir=base_dir)
    if loaded.problems or loaded.pipeline is None:
        raise ConfigError(loaded.problems)
    return loaded.pipeline


def read_pipeline(
    source: str | Path | Mapping[str, Any],
    *,
    env: Mapping[str, str] | None = None,
    sets: Sequence[str] = (),
    base_dir: Path | None = None,
) -> Loaded:
    """Read as much as can be read.

    Relative paths in it are relative to `base_dir`: left out, the file's folder, for plain data the working directory.
    """
    data, places, problems = _data(source)
    if isinstance(source, (str, Path)):
        base_dir = base_dir or Path(source).parent
    base_dir = (base_dir or Path.cwd()).resolve()
    if not isinstance(data, dict):
        problems.append(places.problem((), "this is not a pipeline; `tamis init arithmetic` writes one to start from"))
        return Loaded(None, places, base_dir, tuple(problems), frozenset())
    problems += overrides.apply(data, places, os.environ if env is None else env, sets)
    places.files.update(_files(data))
    repair = Repair(data, places)
    for found in secrets.find(data.get("endpoints")):
        repair.take_out(found.loc, found.message)
    pipeline = repair.run(base_dir)
    loaded = Loaded(pipeline, places, base_dir, (*problems, *repair.problems), frozenset(repair.broken))
    later = loaded.fresh(availability.missing(pipeline)) if pipeline else []
    return replace(loaded, problems=(*loaded.problems, *later))


def _data(source: str | Path | Mapping[str, Any]) -> tuple[Any, Places, list[Problem]]:
    if isinstance(source, Mapping):
        return copy.deepcopy(dict(source)), Places(), []
    path, file = Path(source), str(source)
    try:
        data, places, problems = yamlfile.read(path.read_text(encoding="utf-8"), file)
    except FileNotFoundError:
        raise ConfigError([Problem(file, 0, (), "there is no such file")]) from None
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError([Problem(file, 0, (), f"cannot be read: {error}")]) from None
    if isinstance(data, dict):
        data.setdefault("name", re.sub(r"[^A-Za-z0-9_.-]", "-", path.stem).lstrip("-.") or "pipeline")
    return data, places, problems


def _files(data: Any, loc: Loc = ()) -> Iterator[tuple[Loc, str]]:
    """Yield the places whose text was written as `{file: x}`."""
    if isinstance(data, dict):
        if len(loc) > 2 and set(data) == {"file"} and isinstance(data["file"], str):
            yield loc, data["file"]
        for key, value in data.items():
            yield from _files(value, (*loc, key))
    elif isinstance(data, list):
        for index, value in enumerate(data):
            yield from _files(value, (*loc, index))
