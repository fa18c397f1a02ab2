from __future__ import annotations

import pytest

from service.human import brief, dollars, duration, percent, rate


@pytest.mark.parametrize(
    ("count", "shown"),
    [(0, "0"), (950, "950"), (1_000, "1k"), (18_240, "18.2k"), (240_400, "240k"), (1_300_000, "1.3M"), (5e9, "5G")],
)
def test_large_counts_are_brief(count: float, shown: str) -> None:
    assert brief(count) == shown


@pytest.mark.parametrize(
    ("seconds", "shown"),
    [
        (0, "0m 00s"),
        (48.9, "0m 48s"),
        (62, "1m 02s"),
        (111, "1m 51s"),
        (3599, "59m 59s"),
        (7500, "2h 05m"),
        (273_600, "3d 04h"),
    ],
)
def test_times_have_two_units(seconds: float, shown: str) -> None:
    assert duration(seconds) == shown


@pytest.mark.parametrize(
    ("usd", "shown"),
    [(0, "$0.00"), (0.0042, "$0.0042"), (0.00012, "$0.00012"), (0.5, "$0.50"), (0.01, "$0.01"), (1234.5, "$1,234.50")],
)
def test_small_amounts_keep_their_digits(usd: float, shown: str) -> None:
    assert dollars(usd) == shown


def test_rates_show_what_means_something() -> None:
    assert [rate(value) for value in (0.0, 0.44, 4.08, 1204.4)] == ["0.0/s", "0.4/s", "4.1/s", "1,204/s"]


@pytest.mark.parametrize(
    ("part", "whole", "shown"),
    [(23, 100, "23 %"), (0, 7, "0 %"), (7, 7, "100 %"), (1, 1000, "1 %"), (999, 1000, "99 %"), (0, 0, "none")],
)
def test_a_share_is_never_nothing_or_everything_unless_it_is(part: int, whole: int, shown: str) -> None:
    assert percent(part, whole) == shown
