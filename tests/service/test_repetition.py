"""What the summary tells of repetition."""

from __future__ import annotations

from typing import Any

from service.observe.summary import repetition


def row(what: str, repeated: float | None, **more: Any) -> dict[str, Any]:
    return {"what": what, "at": 1_300, "began": 1_204, "usual": 0.031, "now": {"repeated": repeated}, **more}


def test_a_healthy_run_has_no_line() -> None:
    assert repetition([]) == ""


def test_an_alarm_is_told_with_where_it_began_and_how_much_is_repeated() -> None:
    assert repetition([("ask", row("alarm", 0.31))]) == (
        "ALARM: ask repeats itself from output 1,204 on, 31 % (usual: up to 3 %)"
    )


def test_what_was_done_is_told_and_how_it_was_at_last() -> None:
    rows = [
        ("ask", row("alarm", 0.31, step="temperature")),
        ("answer", row("alarm", 0.2)),
        ("ask", row("undone", 0.25, step="temperature")),
        ("ask", row("alarm", 0.3, step="prompt")),
        ("ask", row("effect", 0.04)),
    ]
    ask, answer = repetition(rows).split(" · ")
    assert ask.endswith("; answered: temperature, temperature (undone), prompt; at last 4 %")
    assert answer == "ALARM: answer repeats itself from output 1,204 on, 20 % (usual: up to 3 %)"
