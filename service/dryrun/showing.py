"""A seed with its candidates, as a person reads it: prompts, texts, every verdict, and why each candidate fell.

Renderables for rich; without colours they are plain indented text. What a model wrote is only ever text in them.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import orjson
from rich.console import RenderableType
from rich.padding import Padding
from rich.rule import Rule
from rich.table import Table
from rich.text import Text

from service.human import visible
from stages.core.record import Candidate, Group, Message, Verdict
from stages.io.store import Stored

LINES, CHARS, WORDS = 12, 800, 200
"""What is shown of a text, in lines and characters, and of what stands on one line."""
COLOURS = {"accepted": "green", "rejected": "red", "failed": "magenta", "live": "yellow"}


@dataclass(frozen=True, slots=True)
class Showing:
    """How much is shown: all of it, or what fits on a screen."""

    full: bool = False

    def seed(self, stored: Stored) -> Iterator[RenderableType]:
        """Yield a seed: its row, the prompts that were sent, and candidate by candidate what became of them."""
        group, seed = stored.group, stored.group.seed
        state = "pending" if stored.state == "parked" else stored.state
        parent = f"from {seed.parent_id}" if seed.parent_id else ""
        yield Rule(_text(_line("seed " + seed.id, seed.topic, parent, state), "bold"), align="left", characters="─")
        yield self._table(seed.row.items())
        if group.failure:
            yield _text(f"  {group.failure}", "magenta")
        prompts: list[list[Message]] = []
        for candidate in group.candidates:
            if candidate.prompt and candidate.prompt not in prompts:
                prompts.append(candidate.prompt)
                yield Text(f"\nprompt {len(prompts)}, as sent", "bold")
                yield self.messages(candidate.prompt)
        for candidate in group.candidates:
            yield from self._candidate(group, candidate, prompts)

    def messages(self, messages: Sequence[Message]) -> RenderableType:
        """Return a conversation, turn by turn."""
        return self._table((str(turn.get("role", "")), turn.get("content")) for turn in messages)

    def _candidate(
        self, group: Group, candidate: Candidate, prompts: Sequence[Sequence[Message]]
    ) -> Iterator[RenderableType]:
        prompt = f"prompt {prompts.index(candidate.prompt) + 1}" if candidate.prompt else ""
        came = [str(candidate.lineage[key]) for key in ("endpoint", "model") if key in candidate.lineage]
        if "temperature" in candidate.lineage:
            came.append(f"temperature {candidate.lineage['temperature']:g}")
        head = _text(f"\n{group.candidate_id(candidate)}  ", "bold")
        head.append_text(_text(_fate(candidate), COLOURS[candidate.state]))
        head.append_text(_text(f"  ({_line(candidate.origin, *came, prompt)})", "dim"))
        yield head
        if candidate.reasoning:
            yield self._table([("reasoning", candidate.reasoning)])
        yield Padding(_text(self._cut(candidate.text or "(no text)")), (0, 0, 0, 2), expand=False)
        if candidate.fields:
            yield self._table([("fields", candidate.fields)])
        if candidate.verdicts:
            yield self._verdicts(candidate)

    def _verdicts(self, candidate: Candidate) -> RenderableType:
        table = _grid(4)
        for name, verdict in candidate.verdicts.items():
            score = candidate.scores.get(name, verdict.score)
            table.add_row(
                _text(f"  {name}", "bold"),
                _text(_outcome(candidate, name, verdict)),
                _text("" if score is None else f"{score:.3g}"),
                _text(self._line(_line(verdict.reason.replace("_", " "), verdict.detail, _plain(verdict.data)))),
            )
        return table

    def _table(self, rows: Iterable[tuple[str, Any]]) -> RenderableType:
        table = _grid(2)
        for name, value in rows:
            text = value if isinstance(value, str) else _plain(value)
            table.add_row(_text(f"  {name}", "dim"), _text(self._cut(text)))
        return table

    def _cut(self, text: str) -> str:
        if self.full:
            return text
        lines = text.splitlines() or [""]
        shown = "\n".join(lines[:LINES])[:CHARS]
        left = len(text) - len(shown)
        return f"{shown} … {left:,} characters more (--full)" if left > 1 else shown

    def _line(self, text: str) -> str:
        return text if self.full or len(text) <= WORDS else f"{text[:WORDS]} …"


def _grid(columns: int) -> Table:
    """Return a table whose last column holds what is long."""
    table = Table.grid(padding=(0, 2))
    for _ in range(columns - 1):
        table.add_column(no_wrap=True)
    table.add_column(overflow="fold")
    return table


def _fate(candidate: Candidate) -> str:
    if candidate.state == "accepted":
        return "accepted"
    if candidate.state == "live":
        return "not decided"
    why = _line(candidate.reason.replace("_", " "), candidate.detail)
    return f"{candidate.state} by {candidate.stage}: {why:.{WORDS}}"


def _outcome(candidate: Candidate, name: str, verdict: Verdict) -> str:
    if verdict.passed is None:
        return "could not judge"
    if verdict.passed:
        return "passed"
    return "rejected" if candidate.stage == name else "marked"


def _plain(value: Any) -> str:
    return "" if value in (None, {}, "") else orjson.dumps(value, option=orjson.OPT_NON_STR_KEYS).decode()


def _line(*parts: str) -> str:
    return " · ".join(part for part in parts if part)


def _text(text: str, style: str = "") -> Text:
    return Text(visible(text), style)
