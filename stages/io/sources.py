"""The source of a run: rows of any kind of source, read as a stream of groups.

It is read twice, in bounded memory. `scan` goes through it before the run and finds all that is wrong with it, so that
nothing is paid for a run that its own input would end; `groups` streams it while the run goes on. Both decide by the
same code which rows are good, and a seed's number is its place among the good ones.
"""

from __future__ import annotations

from array import array
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import partial
from itertools import islice
from typing import Any

import numpy as np
import xxhash

from config.sources import Source as SourceConfig
from config.words import among
from stages.core.errors import CandidateError, InputError
from stages.core.record import Group
from stages.io.columnar import Dataset, ParquetFiles
from stages.io.lines import Lines, read_csv, read_jsonl
from stages.io.reader import At, BadRow, Reader
from stages.io.seeds import Seeds
from stages.io.text import Documents
from stages.prompts.template import Template

HEAD = 100
"""The rows whose columns are taken for the columns of the source."""
SHOWN = 20
"""The problems of one kind that are told one by one; of the others, how many there are."""


@dataclass(frozen=True, slots=True)
class Scan:
    """What one reading of the source found: good rows, broken ones left out, the content's hash."""

    rows: int
    skipped: int
    content_hash: str


READERS: dict[str, Callable[[Any], Reader]] = {
    "jsonl": lambda config: Lines(config.path, read_jsonl),
    "csv": lambda config: Lines(config.path, partial(read_csv, delimiter=config.delimiter)),
    "parquet": ParquetFiles,
    "huggingface": Dataset,
    "text": Documents,
}
"""A source's type -> what reads its rows."""


def open_source(config: SourceConfig) -> Source:
    """Return the source that a config asks for; nothing is read yet. Raises InputError where its extra is missing."""
    return Source(READERS[config.type](config), Seeds(config), skip=config.on_error == "skip")


class Source:
    """Rows as seeds. `skip`: broken rows are left out."""

    def __init__(self, reader: Reader, seeds: Seeds, skip: bool) -> None:
        self._reader, self._seeds, self._skip = reader, seeds, skip
        self.near = reader.near

    def columns(self) -> tuple[str, ...]:
        """Return the columns of the first rows, in their order. Raises InputError where a named column is not there."""
        good = (row for _, row in self._reader.rows() if not isinstance(row, BadRow))
        columns = tuple(dict.fromkeys(name for row in islice(good, HEAD) for name in row))
        missing = [(key, name) for key, name in self._seeds.columns.items() if name not in columns]
        if missing and columns:
            unknown = ((key, f'no column "{name}"; {among(name, columns, "the source has")}') for key, name in missing)
            raise InputError([f"{self._reader.name}: source.{key}: there is {problem}" for key, problem in unknown])
        return columns

    def scan(self, prompts: Iterable[str] = ()) -> Scan:
        """Read the whole source once. Raises InputError with everything that is wrong with it.

        `prompts` are templates that every seed must fill: the outputs', which nobody renders before all is paid.
        """
        self.columns()
        seeds, templates = self._seeds, [Template(prompt) for prompt in prompts]
        content, ids, rows = xxhash.xxh3_128(), array("Q"), 0
        broken = _Found(self._reader, "mend it, or leave such rows out with `on_error: skip` in the source")
        unfilled = _Found(self._reader, "give it a default in the template: {{ hint | default('') }}")
        for at, row in self._reader.rows(content.update):
            try:  # a million rows: what only the run needs is not made of them
                seed_id = seeds.id(row)
                if not seeds.bare:
                    seeds.group(rows, row)
            except BadRow as bad:
                broken.add(at, str(bad))
                continue
            ids.append(_id_hash(seed_id))
            for template in templates:
                if isinstance(row, BadRow) or not template.surely_fits(row):
                    self._try(template, seeds.group(rows, row), at, unfilled)
            rows += 1
        problems = [] if self._skip and rows else broken.problems()
        problems += self._repeats(_repeated(ids)) + unfilled.problems()
        if not rows and not problems:
            problems = [f"{self._reader.name}: the source has no rows"]
        if problems:
            raise InputError(problems)
        return Scan(rows, broken.count, content.hexdigest())

    def _try(self, template: Template, group: Group, at: At, unfilled: _Found) -> None:
        try:
            template.render(group.scope())
        except CandidateError as error:
            unfilled.add(at, f"a template of the outputs cannot be made for this row: {error.detail}")

    def groups(self, start: int = 0, limit: int | None = None) -> Iterator[Group]:
        """Yield the seeds from number `start` on, `limit` at most, each with the candidates that its row brings along.

        Raises InputError at a broken row that is not to be skipped: the source has changed since the scan.
        """
        yield from islice(self._good(), start, None if limit is None else start + limit)

    def _good(self) -> Iterator[Group]:
        for at, group in self._all():
            if not isinstance(group, BadRow):
                yield group
            elif not self._skip:
                raise InputError(f"{self._reader.told(at)}: {group}")

    def _all(self) -> Iterator[tuple[At, Group | BadRow]]:
        no = 0
        for at, row in self._reader.rows():
            try:
                group = self._seeds.group(no, row)
            except BadRow as bad:
                yield at, bad
            else:
                yield at, group
                no += 1

    def _repeats(self, repeated: set[int]) -> list[str]:
        """Read the source again to tell the places of the ids whose hashes came twice. There are none, normally."""
        if not repeated:
            return []
        first: dict[str, At] = {}
        hashed = "id" not in self._seeds.columns
        found = _Found(self._reader, "remove it, or name a column with `id:`" if hashed else "ids must be unique")
        for at, group in self._all():
            if isinstance(group, BadRow) or _id_hash(group.seed.id) not in repeated:
                continue
            before = first.setdefault(group.seed.id, at)
            if before != at:
                where = self._reader.near_to(before, at)
                found.add(at, f"the same as {where}" if hashed else f'the id "{group.seed.id}" is that of {where} too')
        return found.problems()


def _id_hash(seed_id: str) -> int:
    return xxhash.xxh3_64_intdigest(seed_id.encode())


def _repeated(hashes: array[int]) -> set[int]:
    """Return those of 64-bit hashes that came more than once; sorts them in place, so each takes 8 bytes."""
    ordered = np.frombuffer(hashes, np.uint64)
    ordered.sort()
    return set(ordered[1:][ordered[1:] == ordered[:-1]].tolist())


class _Found:
    """Problems of one kind: the first ones in words, the first of all with its remedy, the rest counted."""

    def __init__(self, reader: Reader, remedy: str) -> None:
        self._reader, self._remedy, self._told, self.count = reader, remedy, list[str](), 0

    def add(self, at: At, problem: str) -> None:
        self.count += 1
        if self.count <= SHOWN:
            self._told.append(f"{self._reader.told(at)}: {problem}{'' if self._told else '; ' + self._remedy}")

    def problems(self) -> list[str]:
        more = self.count - len(self._told)
        rest = f"{self._reader.name}: … and {more:,} more such {self._reader.unit}s"
        return [*self._told, rest] if more else list(self._told)
