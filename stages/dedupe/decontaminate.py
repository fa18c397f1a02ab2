"""The decontaminate stage: takes out what would teach the model the benchmarks that it is to be measured by."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from config.schema import Decontaminate
from stages.core.base import Place, Stage
from stages.core.errors import InputError
from stages.core.record import Candidate, Group, Verdict
from stages.core.task import task_text
from stages.dedupe.contamination import Benchmark, Overlap, Row
from stages.dedupe.jsonl import rows_of

_TEXTS: dict[str, Callable[[Group, Candidate], Sequence[str]]] = {
    "prompt": lambda group, candidate: (task_text(group, candidate),),
    "response": lambda group, candidate: (candidate.text,),
    "pair": lambda group, candidate: (task_text(group, candidate), candidate.text),
}


class DecontaminateStage(Stage):
    """Rejects candidates whose prompt or response overlaps with a benchmark; the detail says with what."""

    def __init__(self, place: Place, config: Decontaminate) -> None:
        super().__init__(place)
        self._config, self._texts = config, _TEXTS[config.on]
        self._benchmark = Benchmark((), config)

    async def start(self) -> None:
        config = self._config
        self._benchmark = await asyncio.to_thread(lambda: Benchmark(read_rows(config.against, config.field), config))

    async def process(self, group: Group) -> None:
        found: dict[str, Overlap | None] = {}
        for candidate in self.chosen(group):
            texts = self._texts(group, candidate)
            for text in texts:
                if text not in found:
                    found[text] = self._benchmark.overlap(text)
            self.judge(group, candidate, _verdict(next(filter(None, map(found.get, texts)), None)))


def _verdict(overlap: Overlap | None) -> Verdict:
    if overlap is None:
        return Verdict(True)
    return Verdict(False, reason="contaminated", detail=str(overlap), data={"benchmark": overlap.place})


def read_rows(paths: Sequence[str], field: str) -> list[Row]:
    """Read one field of every row of JSONL files. Raises InputError with the first line of each that cannot be read."""
    rows, problems = list[Row](), list[str]()
    for path in map(Path, paths):
        try:
            rows.extend(_rows(path, field))
        except InputError as error:
            problems.extend(error.problems)
    if problems:
        raise InputError(problems)
    return rows


def _rows(path: Path, field: str) -> Iterator[Row]:
    for number, row in rows_of(path):
        text = row.get(field) if isinstance(row, dict) else None
        if not isinstance(text, str):
            has = f"; the row has: {', '.join(row)}" if isinstance(row, dict) else ""
            raise InputError(f'{path}:{number}: there is no text in "{field}"{has}')
        yield Row(f"{path.name}:{number}", text)
