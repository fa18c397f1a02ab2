"""One output on its way from groups to its files: what is taken, into which sizes and parts."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

from config.schema import Output
from stages.core.errors import InputError
from stages.io.exports import FORMATS
from stages.io.exports.choice import OUT, Alike, Choice
from stages.io.exports.files import JsonLines, Parquet, Row, Sink, named
from stages.io.exports.format import Made
from stages.io.exports.shape import Shape
from stages.io.exports.split import TRAIN, VALIDATION, Split
from stages.io.store import Stored

MakeAlike = Callable[[Output], Alike]


@dataclass(frozen=True, slots=True)
class Written:
    """The rows of a file, and how many samples it lacks because `where` could not be told for them.

    For a dataset card: the `name` of the data set that it is a `part` of, and the shape of all rows of that.
    """

    rows: int
    undecided: int = 0
    name: str = field(default="", compare=False)
    part: str = field(default=TRAIN, compare=False)
    shape: Shape = field(default_factory=Shape, compare=False, repr=False)


class Export:
    """An output and where it is to be written.

    Where rows are chosen or split, all groups are shown to `look` before any of them is given to `take`.
    """

    def __init__(self, output: Output, path: Path, make_alike: MakeAlike) -> None:
        self._output, self._path, self._format = output, path, FORMATS[output.format](output)
        self._split = None if output.split is None else Split(output.split)
        self._choice = None
        if output.max_samples or output.diverse is not None:
            self._choice = Choice(output, None if output.diverse is None else make_alike(output))
        self._sinks: dict[tuple[int, str], Sink] = {}

    @property
    def looks(self) -> bool:
        return self._split is not None or self._choice is not None

    def look(self, stored: Stored) -> None:
        group = stored.group
        if self._split is not None:
            self._split.see(group)
        if self._choice is not None:
            for _, sample in self._rows(stored):
                texts = self._format.texts(group, sample) if self._output.diverse is not None else ()
                self._choice.add(group.seed.no, None if sample is None else sample.score, texts)

    def open(self, stack: ExitStack) -> None:
        """Decide what was looked at, and open the files."""
        if self._choice is not None:
            self._choice.decide()
            self._format.undecided = 0  # it is counted as rows are taken
        output, shape = self._output, Shape()
        kind = Parquet if output.file == "parquet" else JsonLines
        for size in output.max_samples or (0,):
            for part in (TRAIN, VALIDATION) if output.split else ("",):
                path = named(self._path, self._sized(size), part)
                self._sinks[size, part] = kind(path, shape, stack, output.shard_rows)

    def _sized(self, size: int) -> str:
        """Return what names of files say of a size: nothing where it is the only one."""
        return str(size) if len(self._output.max_samples) > 1 else ""

    def take(self, stored: Stored) -> None:
        """Write the rows of a group."""
        group = stored.group
        part = "" if self._split is None else self._split.part(group)
        if part is None:
            return
        for place, (row, _) in enumerate(self._rows(stored)):
            rank = 0 if self._choice is None else self._choice.rank(group.seed.no, place)
            if rank != OUT:
                self._write(row, rank, part)

    def _rows(self, stored: Stored) -> Iterable[Made]:
        """Return the rows of a group; of a seed that was not answered, but gave others, there are none."""
        return () if stored.state == "expanded" else self._format.rows(stored.group)

    def _write(self, row: Row, rank: int, part: str) -> None:
        for (size, where), sink in self._sinks.items():
            if where == part and (rank < size or not size):
                sink.write(row)

    def require_told(self) -> None:
        """Raise InputError where `where` could be told for nobody, as when a name in it is misspelt."""
        if self._format.undecided and not self._format.decided:
            raise InputError(f"--where: it can be told for none of the samples: {self._format.why}")

    def finish(self) -> None:
        for sink in self._sinks.values():
            sink.finish()

    def written(self) -> dict[Path, Written]:
        """Return what stands in each file, by its path or by the pattern of its shards; the files are in place."""
        for sink in self._sinks.values():
            sink.clear()
        return {
            sink.pattern: Written(
                sink.rows,
                self._format.undecided,
                ".".join(filter(None, [self._output.format, self._sized(size)])),
                part or TRAIN,
                sink.shape,
            )
            for (size, part), sink in self._sinks.items()
        }
