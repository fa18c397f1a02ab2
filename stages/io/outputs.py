"""The files of a run that are derived from its ledger: what was accepted, what was not and why, and the exports.

They hold no times and stand in canonical order (seed number, then candidate number), so equal runs give equal bytes.
All of them are written in one pass over the ledger, in bounded memory, from a running, interrupted or finished run.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any, NamedTuple, Protocol

import orjson

from config.schema import Output
from queues.ledger.reader import Reader
from stages.core.record import Candidate, Group
from stages.io.atomic import replacing
from stages.io.exports import format_of
from stages.io.exports.turns import Turns
from stages.io.store import Stored, unpack

Row = dict[str, Any]
Rows = Callable[[Stored], Iterator[Row]]


class Written(NamedTuple):
    """The rows of a file, and how many accepted samples it lacks because `where` could not be told for them."""

    rows: int
    undecided: int = 0


class Visitor(Protocol):
    """Sees every group, and how it ended, before rows are made of it, and may move its candidates."""

    def see(self, stored: Stored) -> None: ...

    def end(self) -> None:
        """Be told that all were seen; raising here leaves every file as it was."""
        ...


def derive(
    reader: Reader, folder: Path, outputs: Sequence[Output], visitors: Sequence[Visitor] = ()
) -> dict[str, Written]:
    """Write all derived files of a run into its folder; return what each holds, by its path in the folder."""
    prompt = next((output.prompt for output in outputs if output.prompt is not None), None)
    turns = Turns(prompt)
    exports = {export_name(output): format_of(output) for output in outputs}
    files: dict[str, Rows] = {
        "accepted.jsonl": lambda stored: _accepted_rows(stored.group, turns),
        "rejected.jsonl": lambda stored: _fallen_rows(stored.group, "rejected"),
        "failed.jsonl": lambda stored: _fallen_rows(stored.group, "failed"),
        "unsolved.jsonl": _unsolved_rows,
        **{name: _of_group(made.rows) for name, made in exports.items()},
    }
    lines = _write(reader, {folder / name: rows for name, rows in files.items()}, visitors)
    return {name: Written(lines[folder / name], exports[name].undecided if name in exports else 0) for name in files}


def export(reader: Reader, output: Output, path: Path, visitors: Sequence[Visitor] = ()) -> Written:
    """Write one export to `path`, anew or over an old one."""
    made = format_of(output)
    return Written(_write(reader, {path: _of_group(made.rows)}, visitors)[path], made.undecided)


def export_name(output: Output) -> str:
    """Return where an output stands in the run's folder."""
    return f"exports/{output.format}.{output.file}"


def _of_group(rows: Callable[[Group], Iterator[Row]]) -> Rows:
    return lambda stored: rows(stored.group)


def _write(reader: Reader, files: Mapping[Path, Rows], visitors: Sequence[Visitor]) -> dict[Path, int]:
    lines = dict.fromkeys(files, 0)
    with ExitStack() as stack:
        sinks = [(path, stack.enter_context(replacing(path)), rows) for path, rows in files.items()]
        for seed_row, candidate_rows in reader.groups():
            stored = unpack(seed_row, candidate_rows)
            for visitor in visitors:
                visitor.see(stored)
            for path, file, rows in sinks:
                for row in rows(stored):
                    file.write(orjson.dumps(row, option=orjson.OPT_APPEND_NEWLINE))
                    lines[path] += 1
        for visitor in visitors:
            visitor.end()
    return lines


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
                "lineage": dict(sorted(candidate.lineage.items())),
            }


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
