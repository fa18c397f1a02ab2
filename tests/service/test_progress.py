from __future__ import annotations

import asyncio
import io
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from rich.console import Console
from virtual_time import now, run
from watched_run import events, watched_pipeline

from queues.bounded import QueueStatistics
from service.observe.progress import Progress, Rate, StageNow
from service.observe.tally import Counts, Tally
from stages.core.events import GroupSettled, GroupStarted


def shown(tally: Tally, clock: Callable[[], float] = time.monotonic) -> Progress:
    return Progress(watched_pipeline(), Path("runs/x/ledger.sqlite"), tally, stages, lambda: 16, clock, phases=2)


def inbox(depth: int) -> QueueStatistics:
    return QueueStatistics(depth, 64, 0.0, 0, 0, False)


def stages() -> dict[str, StageNow]:
    """Of 4 seeds one waits for the generator, one is verified, one is judged; the fourth has left."""
    return {
        "generate": StageNow(inbox(1), 0, 0),
        "verify": StageNow(inbox(0), 1, 0),
        "judge": StageNow(inbox(0), 1, 0),
        "select": StageNow(inbox(0), 0, 0),
    }


class Seconds:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def drawn(progress: Progress, width: int = 160) -> list[str]:
    console = Console(file=io.StringIO(), width=width, color_system=None)
    console.print(progress.screen())
    return [line.rstrip() for line in console.file.getvalue().splitlines()]  # type: ignore[attr-defined]


@pytest.fixture
def tally() -> Tally:
    return Tally(Counts(), seeds=4)


@pytest.fixture
def later(tally: Tally) -> Progress:
    """The display ten seconds in."""
    clock = Seconds()
    progress = shown(tally, clock)
    for event in events():
        tally.counts(event)
        tally(event)
    clock.now = 10.0
    progress.look()
    return progress


def test_the_screen_says_what_each_stage_did(later: Progress) -> None:
    title, generate, verify, judge, select, dedupe, *_ = drawn(later)
    assert title == "arithmetic · 4 seeds · ledger runs/x/ledger.sqlite"
    assert generate.split("  ")[-2:] == ["0.8/s", "1 rejected"]
    assert "in 1/64" in generate and "8 candidates" in generate
    assert "7 checked" in verify and "3 right  4 wrong" in verify
    assert "3 judged" in judge and "1 eliminated  1 unreadable" in judge
    assert "0 seen" in select and "0 selected" in select
    assert "0 seen" in dedupe and "in " not in dedupe, "a stage between two phases has no inbox"


def test_the_screen_says_what_came_out_and_what_it_took(later: Progress) -> None:
    outcomes, calls = drawn(later)[-2:]
    assert outcomes == " accepted 1 (1 of 4 seeds solved)   rejected 6   failed 1   duplicates 0"
    assert calls == (
        " calls 0.8/s · in flight 1/16 · 429s 1 · tokens 800 · $0.0060 and 2 calls of unknown price · "
        "0m 10s, about 0m 10s left in this phase"
    )


def test_a_bar_shows_the_seeds_that_are_past_a_stage(tally: Tally) -> None:
    tally(GroupSettled("unsolved", 0, 1))
    rows = drawn(shown(tally))[1:5]
    assert [row.count("█") for row in rows] == [18 * 3 // 4, 18 * 2 // 4, 18 // 4, 18 // 4]
    assert all(row.count("█") + row.count("░") == 18 for row in rows)


def test_the_bars_of_a_phase_that_has_ended_are_full(tally: Tally) -> None:
    tally(GroupSettled("parked", 0, 1))
    tally(GroupStarted("a", phase=1))
    rows = drawn(shown(tally))[1:5]
    assert [row.count("█") for row in rows] == [18] * 4


def test_one_line_says_it_all(later: Progress) -> None:
    assert later.line() == (
        "8 candidates · accepted 1 (1 of 4 seeds solved) · rejected 6 · failed 1 · duplicates 0 · calls 0.8/s · "
        "in flight 1/16 · 429s 1 · tokens 800 · $0.0060 and 2 calls of unknown price · "
        "0m 10s, about 0m 10s left in this phase"
    )


def test_a_known_price_is_told_per_accepted_sample(tally: Tally) -> None:
    tally.counts |= {("cost_usd", "main", "generate"): 3.0, ("accepted",): 4}
    assert "$3.00 · $0.75 per accepted" in shown(tally).line()


def test_before_any_seed_has_left_nothing_is_said_of_what_is_left(tally: Tally) -> None:
    assert shown(tally, Seconds()).line().endswith("· 0m 00s")


def test_a_rate_forgets_what_was_before_its_window() -> None:
    rate = Rate(10)
    for second in range(31):
        rate.note(second, 100 if second > 10 else 0)
    assert rate.per_second == 0
    rate.note(40, 150)
    assert rate.per_second == pytest.approx(5)


def test_a_rate_needs_two_moments() -> None:
    rate = Rate(10)
    assert rate.per_second == 0
    rate.note(1, 5)
    rate.note(1, 9)
    assert rate.per_second == 0


def test_without_a_terminal_a_plain_line_comes_every_ten_seconds(tally: Tally) -> None:
    out = io.StringIO()

    async def main() -> None:
        progress = shown(tally, now)
        showing = asyncio.create_task(progress.run(Console(file=out, width=40)))
        await asyncio.sleep(35)
        showing.cancel()
        await asyncio.gather(showing, return_exceptions=True)

    run(main())
    lines = out.getvalue().splitlines()
    assert len(lines) == 3
    assert all(line.startswith("0 candidates · accepted 0 (0 of 4 seeds solved)") for line in lines)
    assert lines[2].endswith("0m 30s"), "a line is never broken, however narrow"
    assert "\x1b" not in out.getvalue()


def test_on_a_terminal_the_display_is_live_and_gone_in_the_end(tally: Tally) -> None:
    out = io.StringIO()

    async def main() -> None:
        progress = shown(tally, now)
        console = Console(file=out, force_terminal=True, width=120, _environ={"TERM": "xterm"})
        showing = asyncio.create_task(progress.run(console))
        await asyncio.sleep(1.1)
        showing.cancel()
        await asyncio.gather(showing, return_exceptions=True)

    run(main())
    assert out.getvalue().count("arithmetic · 4 seeds") == 4, "three looks, and rich draws once more when it stops"
    assert out.getvalue().rstrip("\n").endswith("\x1b[2K"), "its lines are erased"
