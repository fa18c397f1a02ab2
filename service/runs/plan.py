"""Everything that is decided before a run touches anything: the checked pipeline, its source, its keys, its meaning."""

from __future__ import annotations

import os
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from config.load import Given, read_pipeline
from config.problems import ConfigError
from config.schema import Pipeline
from service.check import check, warnings
from service.check.texts import OF_SEED
from service.runs.fingerprint import fingerprint
from stages.core.errors import InputError
from stages.core.record import Group
from stages.io.sources import Scan, Source, open_source
from stages.llm.keys import ApiKey, read_keys
from stages.llm.preflight import preflight
from stages.prompts.template import Template


@dataclass(frozen=True, slots=True)
class Plan:
    """What will run. `keys` has only the endpoints that a stage uses.

    `within` are the seeds within `--limit`, `read` those of them that run: all, or `probe` drawn evenly.
    """

    pipeline: Pipeline
    source: Source
    scan: Scan
    keys: dict[str, list[ApiKey]]
    fingerprint: dict[str, Any]
    limit: int | None
    probe: int | None = None
    warnings: tuple[str, ...] = ()

    @property
    def within(self) -> int:
        return self.scan.rows if self.limit is None else min(self.scan.rows, self.limit)

    @property
    def read(self) -> int:
        return self.within if self.probe is None else min(self.within, self.probe)

    def groups(self) -> Iterator[Group]:
        """Yield the seeds that run, in their order."""
        return drawn(self.source, self.within, self.read)

    async def preflight(self) -> None:
        """Ask every used endpoint whether it answers. Raises InputError with all that is wrong."""
        problems: list[str] = []
        for alias, keys in self.keys.items():
            try:
                await preflight(alias, self.pipeline.endpoints[alias], keys)
            except InputError as error:
                problems.extend(error.problems)
        if problems:
            raise InputError(problems)


def drawn(source: Source, within: int, count: int) -> Iterator[Group]:
    """Yield `count` of the first `within` seeds: the middle one of each of so many equal stretches."""
    groups = source.groups(limit=within)
    if count == within:
        return groups
    wanted = {(2 * number + 1) * within // (2 * count) for number in range(count)}
    return (group for group in groups if group.seed.no in wanted)


def checked(
    pipeline: Path | dict[str, Any],
    sets: Sequence[str] = (),
    warn: Callable[[str], None] = lambda text: None,
    given: Given | None = None,
) -> Pipeline:
    """Read and check a pipeline; `warn` is told what works but is hardly meant. `given`: it is a job of the service.

    Raises ConfigError with every problem there is.
    """
    overrides = os.environ if given is None else {}
    loaded = read_pipeline(pipeline, env=overrides, sets=sets, given=given)
    problems = [*loaded.problems, *check(loaded)]
    if problems or loaded.pipeline is None:
        raise ConfigError(sorted(problems, key=lambda problem: problem.line))
    for warning in warnings(loaded):
        warn(f"warning: {warning}")
    return loaded.pipeline


def scanned(config: Pipeline) -> tuple[Source, Scan]:
    """Read the source through once. Raises InputError with everything that is wrong with it."""
    source = open_source(config.source)
    return source, source.scan(_of_rows(config, source.columns()))


def _of_rows(config: Pipeline, columns: Collection[str]) -> list[str]:
    """Return the outputs' templates that the source's rows must fill; the others are for seeds that come of them."""
    texts = (text for output in config.outputs for text in (output.prompt, output.ground_truth) if text is not None)
    known = {*columns, *OF_SEED}
    return [text for text in dict.fromkeys(texts) if known.issuperset(Template(text).variables)]


def plan(
    pipeline: Path | dict[str, Any], sets: Sequence[str], limit: int | None = None, probe: int | None = None
) -> Plan:
    """Check a pipeline and read its source through once. Raises ConfigError or InputError."""
    warned: list[str] = []
    config = checked(pipeline, sets, warned.append)
    source, scan = scanned(config)
    keys = {alias: read_keys(alias, endpoint, os.environ) for alias, endpoint in sorted(config.used.items())}
    return Plan(config, source, scan, keys, fingerprint(config, scan.content_hash), limit, probe, tuple(warned))
