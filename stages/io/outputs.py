"""The files of a run that are derived from its ledger: what was accepted, what was not and why, and the exports.

They hold no times and stand in canonical order (seed number, then candidate number), so equal runs give equal bytes.
All of them are written in one pass over the ledger, in bounded memory, from a running, interrupted or finished run.
Where an export chooses or splits, a pass before it sees what there is.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Protocol

from config.schema import Output
from queues.ledger.reader import Reader
from stages.core.record import Candidate, Group
from stages.io.exports.export import Export, MakeAlike, Written
from stages.io.exports.files import JsonLines, Row
from stages.io.exports.format import Turns
from stages.io.exports.shape import Shape
from stages.io.store import Stored, unpack
from stages.io.threshold import Threshold

Rows = Callable[[Stored], Iterator[Row]]


class Visitor(Protocol):
    """Sees every group, and how it ended, before rows are made of it, and may move its candidates."""

    def see(self, stored: Stored) -> None: ...

    def end(self) -> None:
        """Be told that all were seen; raising here leaves every file as it was."""
        ...


def derive(
    reader: Reader, folder: Path, outputs: Sequence[Output], make_alike: MakeAlike, visitors: Sequence[Visitor] = ()
) -> dict[Path, Written]:
    """Write all derived files of a run into its folder; return what each holds, by its path or its shards' pattern."""
    files = {folder / f"{kind}.jsonl": rows for kind, rows in _kinds(outputs).items()}
    exports = [Export(output, folder / export_name(output), make_alike) for output in outputs]
    return _write(reader, files, exports, visitors)


def rows(reader: Reader, outputs: Sequence[Output], kind: str) -> Iterator[Row]:
    """Yield the rows of accepted, rejected, failed or unsolved, as their files have them; or all `candidates`."""
    rows_of = {**_kinds(outputs), "candidates": _candidate_rows}[kind]
    for stored in _groups(reader, ()):
        yield from rows_of(stored)


def _kinds(outputs: Sequence[Output]) -> dict[str, Rows]:
    """Return what the files have that every run has."""
    turns = Turns(next((output.prompt for output in outputs if output.prompt is not None), None))
    return {
        "accepted": lambda stored: _accepted_rows(stored.group, turns),
        "rejected": lambda stored: _fallen_rows(stored.group, "rejected"),
        "failed": lambda stored: _fallen_rows(stored.group, "failed"),
        "unsolved": _unsolved_rows,
    }


def export(
    reader: Reader, output: Output, path: Path, make_alike: MakeAlike, moved: Sequence[Threshold] = ()
) -> dict[Path, Written]:
    """Write one export to `path`, anew or over an old one, as if thresholds had been others; return as `derive`.

    Raises InputError, and leaves the old one, where `where` or a threshold can be told for nobody.
    """
    one = Export(output, path, make_alike)
    return _write(reader, {}, [one], [*moved, _Told(one)], [one.fresh() for one in moved])


class _Told:
    """Sees to it that an export that a person asks for is of somebody."""

    def __init__(self, export: Export) -> None:
        self._export = export

    def see(self, stored: Stored) -> None:
        pass

    def end(self) -> None:
        self._export.require_told()


def export_name(output: Output) -> str:
    """Return where an output stands in the run's folder, if it is one file."""
    return f"exports/{output.format}.{output.file}"


def _write(
    reader: Reader,
    files: Mapping[Path, Rows],
    exports: Sequence[Export],
    visitors: Sequence[Visitor],
    before: Sequence[Visitor] = (),
) -> dict[Path, Written]:
    """Write everything. `before` are the visitors of the pass before, if there is one."""
    _look(reader, [one for one in exports if one.looks], before)
    with ExitStack() as stack:
        sinks = [(JsonLines(path, Shape(), stack), rows) for path, rows in files.items()]
        for one in exports:
            one.open(stack)
        for stored in _groups(reader, visitors):
            for sink, rows in sinks:
                for row in rows(stored):
                    sink.write(row)
            for one in exports:
                one.take(stored)
        for sink, _ in sinks:
            sink.finish()
        for one in exports:
            one.finish()
        for visitor in visitors:
            visitor.end()
    written = {sink.path: Written(sink.rows, name=sink.path.stem, shape=sink.shape) for sink, _ in sinks}
    return written | {path: held for one in exports for path, held in one.written().items()}


def _look(reader: Reader, exports: Sequence[Export], visitors: Sequence[Visitor]) -> None:
    for stored in _groups(reader, visitors) if exports else ():
        for one in exports:
            one.look(stored)


def _groups(reader: Reader, visitors: Sequence[Visitor]) -> Iterator[Stored]:
    for seed_row, candidate_rows in reader.groups():
        stored = unpack(seed_row, candidate_rows)
        for visitor in visitors:
            visitor.see(stored)
        yield stored


def _accepted_rows(group: Group, turns: Turns) -> Iterator[Row]:
    """Yield a row per accepted sample."""
    for candidate in group.candidates:
        if candidate.state == "accepted":
            yield {
                "id": group.candidate_id(candidate),
                "seed_id": group.seed.id,
                "messages": [*turns.prompt(group, candidate), turns.answer(candidate)],
                "scores": dict(sorted(candidate.scores.items())),
                "difficulty": candidate.fields.get("difficulty"),
                "features": _features(candidate),
                "lineage": dict(sorted(candidate.lineage.items())),
            }


def _features(candidate: Candidate) -> Row:
    """Return the raw counts that score stages made of the text, by feature."""
    found: Row = {}
    for verdict in candidate.verdicts.values():
        found |= verdict.data.get("features", {})
    return found


def _fallen_rows(group: Group, state: str) -> Iterator[Row]:
    """Yield a row per candidate that was rejected, or that failed: could not be made or judged."""
    for candidate in group.candidates:
        if candidate.state == state:
            yield {
                "id": group.candidate_id(candidate),
                "seed_id": group.seed.id,
                "stage": candidate.stage,
                "reason": candidate.reason,
                "detail": candidate.detail,
                "text": candidate.text,
            }


def _candidate_rows(stored: Stored) -> Iterator[Row]:
    """Yield all that is known of each candidate, and of its seed."""
    group, seed = stored.group, stored.group.seed
    of_seed = {"seed_id": seed.id, "root_id": seed.root, "topic": seed.topic, "seed_state": stored.state}
    own = ("state", "stage", "reason", "detail", "origin", "text", "reasoning", "tool_calls", "finish_reason")
    for candidate in group.candidates:
        yield {
            "id": group.candidate_id(candidate),
            **of_seed,
            **{name: getattr(candidate, name) for name in own},
            "prompt": candidate.prompt,
            "fields": candidate.fields,
            "verdicts": {name: verdict.as_dict() for name, verdict in candidate.verdicts.items()},
            "scores": candidate.scores,
            "lineage": candidate.lineage,
            "row": seed.row,
        }


def _unsolved_rows(stored: Stored) -> Iterator[Row]:
    """Yield a row for a seed that is done and has nothing accepted, with what was tried and its own row."""
    group = stored.group
    if stored.state in ("unsolved", "failed"):
        yield {
            "id": group.seed.id,
            "topic": group.seed.topic,
            "state": stored.state,
            "candidates": len(group.candidates),
            "tried": _tried(group.candidates),
            "row": group.seed.row,
        }


def _tried(candidates: Sequence[Candidate]) -> list[Row]:
    """Count why candidates fell, most frequent first, with the words of the first of each kind."""
    counts = Counter((c.state, c.stage, c.reason) for c in candidates)
    words = {(c.state, c.stage, c.reason): c.detail for c in reversed(candidates)}
    return [
        {"state": kind[0], "stage": kind[1], "reason": kind[2], "count": count, "detail": words[kind]}
        for kind, count in counts.most_common()
    ]
