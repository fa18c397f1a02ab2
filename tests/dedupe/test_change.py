from __future__ import annotations

import random
from collections.abc import Callable, Iterator

import pytest

from stages.dedupe.change import Alarm, Cusum, RepeatAlarm

SEEDS = range(20)


def alarms(shares: Iterator[float], seed: int) -> list[Alarm]:
    """Return the alarms over outputs that are repeats with these probabilities."""
    chance, detector = random.Random(seed), RepeatAlarm()
    return [alarm for share in shares if (alarm := detector.add(chance.random() < share))]


def sliding(before: int, slide: int = 500, after: int = 300, low: float = 0.02, high: float = 0.4) -> Iterator[float]:
    yield from (low for _ in range(before))
    yield from (low + (high - low) * n / slide for n in range(slide))
    yield from (high for _ in range(after))


@pytest.mark.parametrize("before", [0, 100, 1_000, 10_000])
def test_a_slide_into_repetition_is_told_within_three_hundred_outputs_of_its_end(before: int) -> None:
    first = [next(iter(alarms(sliding(before), seed)), None) for seed in SEEDS]
    in_time = [alarm for alarm in first if alarm and before < alarm.at <= before + 800]
    assert len(in_time) >= 19


@pytest.mark.parametrize("share", [0.0, 0.005, 0.02, 0.1])
def test_healthy_runs_give_no_false_alarm(share: float) -> None:
    """Twenty runs of 5,000 outputs are 100,000: the stated run length allows one alarm."""
    found = [alarm for seed in SEEDS for alarm in alarms((share for _ in range(5_000)), seed)]
    assert len(found) <= 1


def test_outputs_to_a_false_alarm_are_as_many_as_stated() -> None:
    """The mean of 400 runs at the usual share itself. The bound is cautious: really they are ten times as many."""
    chance = random.Random(5)

    def outputs(cusum: Cusum) -> int:
        count = 1
        while not cusum.add(chance.random() < 0.05):
            count += 1
        return count

    mean = sum(outputs(Cusum(0.05, 0.2, run_length=100)) for _ in range(400)) / 400
    assert 100 <= mean <= 5_000


@pytest.mark.parametrize("seed", SEEDS)
def test_an_alarm_says_when_it_began_and_how_it_was_before(seed: int) -> None:
    alarm = next(iter(alarms(sliding(1_000, slide=1), seed)))
    assert alarm.usual == pytest.approx(0.05, abs=0.04)
    assert alarm.share == pytest.approx(0.4, abs=0.25)
    assert abs(alarm.began - 1_000) <= 60
    assert alarm.began <= alarm.at


@pytest.mark.parametrize("share", [0.4, 1.0])
def test_what_repeats_itself_from_the_start_is_told_after_the_warm_up(share: float) -> None:
    assert 200 < alarms((share for _ in range(400)), seed=1)[0].at <= 400


def test_it_alarms_again_while_nothing_changes_and_is_silent_once_it_is_well() -> None:
    again = alarms(sliding(1_000, after=2_000), seed=2)
    assert len(again) > 3

    def healed() -> Iterator[float]:
        yield from sliding(1_000)
        yield from (0.02 for _ in range(3_000))

    assert all(alarm.at <= 1_830 for alarm in alarms(healed(), seed=2))


def test_it_costs_next_to_nothing() -> None:
    """No more is kept for a million outputs than for two hundred."""
    detector = RepeatAlarm()
    size: Callable[[], int] = lambda: sum(len(repr(value)) for value in vars(detector).values())  # noqa: E731
    for _ in range(300):
        detector.add(False)
    before = size()
    for _ in range(20_000):
        detector.add(False)
    assert size() <= before + 10
