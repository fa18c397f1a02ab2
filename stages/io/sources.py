"""The source of a run: a file of rows, read as a stream of groups.

It is read twice, in bounded memory. `scan` goes through it before the run and finds all that is wrong with it, so that
nothing is paid for a run that its own input would end; `groups` streams it while the run goes on. Both decide by the
same code which rows are good, and a seed's number is its place among the good ones.
"""

from __future__ import annotations

import difflib
from array import array
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import islice
from pathlib import Path

import xxhash

from config.sources import CsvSource, JsonlSource
from config.sources import Source as SourceConfig
from stages.core.errors import CandidateError, InputError
from stages.core.record import Group
from stages.io import csv, jsonl
from stages.io.lines import BadRow, Feed, Read, Row, capped, opened
from stages.io.seeds import Seeds
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


def open_source(config: SourceConfig) -> Source:
    """Return the source that a config asks for; nothing is read yet. Raises InputError for a type there is none of."""
    if isinstance(config, JsonlSource):
        return Source(config, jsonl.read)
    if isinstance(config, CsvSource):
        return Source(config, partial(csv.read, delimiter=config.delimiter))
    raise InputError(f"source.type: {config.type} is not available yet")


class Source:
    """A file of rows, `.gz` too. `read` makes rows of its lines."""

    def __init__(self, config: JsonlSource | CsvSource, read: Read) -> None:
        self.path = _shown(Path(config.path))
        self._skip, self._ids_are_hashes = config.on_error == "skip", config.id is None
        self._seeds, self._read = Seeds(config), read

    def columns(self) -> tuple[str, ...]:
        """Return the columns of the first rows, in their order. Raises InputError where a named column is not there."""
        with opened(self.path) as file:
            good = (row for _, row in self._read(capped(file)) if not isinstance(row, BadRow))
            columns = tuple(dict.fromkeys(name for row in islice(good, HEAD) for name in row))
        missing = [(key, name) for key, name in self._seeds.columns.items() if name not in columns]
        if missing and columns:
            raise InputError([self._no_column(key, name, columns) for key, name in missing])
        return columns

    def scan(self, prompts: Iterable[str] = ()) -> Scan:
        """Read the whole source once. Raises InputError with everything that is wrong with it.

        `prompts` are templates that every seed must fill: the outputs', which nobody renders before all is paid.
        """
        self.columns()
        templates = [Template(prompt) for prompt in prompts]
        content, ids, rows = xxhash.xxh3_128(), _Ids(), 0
        broken, unfilled = _Found(self.path), _Found(self.path)
        for line, group in self._all(content.update):
            if isinstance(group, BadRow):
                broken.add(line, str(group), "mend it, or leave such rows out with `on_error: skip` in the source")
            else:
                ids.add(group.seed.id)
                rows += 1
                if lacking := _unfilled(templates, group):
                    unfilled.add(line, lacking, "give it a default in the template: {{ hint | default('') }}")
        problems = [] if self._skip and rows else broken.problems()
        problems += self._repeats(ids.repeated()) + unfilled.problems()
        if not rows and not problems:
            problems = [f"{self.path}: the source has no rows"]
        if problems:
            raise InputError(problems)
        return Scan(rows, broken.count, content.hexdigest())

    def groups(self, start: int = 0, limit: int | None = None) -> Iterator[Group]:
        """Yield the seeds from number `start` on, `limit` at most, each with the candidates that its row brings along.

        Raises InputError at a broken row that is not to be skipped: the file has changed since the scan.
        """
        yield from islice(self._good(), start, None if limit is None else start + limit)

    def _good(self) -> Iterator[Group]:
        for line, group in self._all():
            if not isinstance(group, BadRow):
                yield group
            elif not self._skip:
                raise InputError(f"{self.path}:{line}: {group}")

    def _all(self, feed: Feed | None = None) -> Iterator[tuple[int, Group | BadRow]]:
        no = 0
        with opened(self.path) as file:
            for line, row in self._read(capped(file, feed)):
                group = self._group(no, row)
                yield line, group
                no += not isinstance(group, BadRow)

    def _group(self, no: int, row: Row | BadRow) -> Group | BadRow:
        if isinstance(row, BadRow):
            return row
        try:
            seed = self._seeds.seed(no, row)
            return Group(seed, self._seeds.given(seed))
        except BadRow as bad:
            return bad

    def _repeats(self, repeated: set[int]) -> list[str]:
        """Read the source again to tell the lines of the ids whose hashes came twice. There are none, normally."""
        if not repeated:
            return []
        first: dict[str, int] = {}
        found = _Found(self.path)
        for line, group in self._all():
            if not isinstance(group, BadRow) and _id_hash(group.seed.id) in repeated:
                before = first.setdefault(group.seed.id, line)
                if before != line and self._ids_are_hashes:
                    found.add(line, f"the same row as on line {before}", "remove it, or name a column with `id:`")
                elif before != line:
                    found.add(line, f'the id "{group.seed.id}" is that of line {before} too', "ids must be unique")
        return found.problems()

    def _no_column(self, key: str, name: str, columns: tuple[str, ...]) -> str:
        near = difflib.get_close_matches(name, columns, 1)
        meant = f' Did you mean "{near[0]}"?' if near else ""
        return f'{self.path}: source.{key}: there is no column "{name}"; the source has: {", ".join(columns)}.{meant}'


def _unfilled(templates: Sequence[Template], group: Group) -> str:
    """Return why one of the outputs' prompts cannot be made for a seed; empty where all can."""
    try:
        for template in templates:
            template.render(group.scope())
    except CandidateError as error:
        return f"the `prompt` of the outputs cannot be made for this row: {error.detail}"
    return ""


class _Ids:
    """Finds repeated ids in 8 bytes each: 64-bit hashes, in buckets that are looked through one at a time."""

    def __init__(self) -> None:
        self._buckets = [array("Q") for _ in range(256)]

    def add(self, seed_id: str) -> None:
        value = _id_hash(seed_id)
        self._buckets[value & 255].append(value)

    def repeated(self) -> set[int]:
        """Return the hashes that came more than once."""
        return {
            value
            for bucket in self._buckets
            if len(set(bucket)) < len(bucket)
            for value, times in Counter(bucket).items()
            if times > 1
        }


def _id_hash(seed_id: str) -> int:
    return xxhash.xxh3_64_intdigest(seed_id.encode())


class _Found:
    """Problems of one kind: the first ones in words, the first of all with its remedy, the rest counted."""

    def __init__(self, path: Path) -> None:
        self._path, self._told, self.count = path, list[str](), 0

    def add(self, line: int, problem: str, remedy: str) -> None:
        self.count += 1
        if self.count <= SHOWN:
            self._told.append(f"{self._path}:{line}: {problem}{'' if self._told else '; ' + remedy}")

    def problems(self) -> list[str]:
        more = self.count - len(self._told)
        return [*self._told, f"{self._path}: … and {more:,} more such lines"] if more else list(self._told)


def _shown(path: Path) -> Path:
    """Return the path as the person knows it: from where they stand, if it is below."""
    return path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path
