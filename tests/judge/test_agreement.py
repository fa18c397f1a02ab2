from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from scipy.stats import binomtest

from stages.core.estimates import Estimate, wilson
from stages.judge.agreement import Errors, cohen_kappa, corrected_yield, krippendorff_alpha

RUNS = 100
SENSITIVITY, SPECIFICITY = 0.85, 0.70


def test_wilson_agrees_with_the_textbook():
    """Newcombe (1998), table I: 81 of 263 and 0 of 20."""
    share = wilson(81, 263)
    assert share is not None
    assert (share.low, share.high) == (pytest.approx(0.2553, abs=1e-4), pytest.approx(0.3662, abs=1e-4))
    none = wilson(0, 20)
    assert none is not None
    assert (none.value, none.low, none.high) == (0, 0, pytest.approx(0.1611, abs=1e-4))
    assert wilson(0, 0) is None


def test_wilson_agrees_with_scipy():
    for of in (1, 2, 7, 50, 3000):
        for hits in {0, 1, of // 3, of // 2, of - 1, of}:
            theirs = binomtest(hits, of).proportion_ci(method="wilson")
            assert wilson(hits, of) == Estimate(hits / of, pytest.approx(theirs.low), pytest.approx(theirs.high))


def test_errors_are_counted_by_truth():
    errors = Errors.count([(True, True), (False, True), (False, False), (True, False), (False, False)])
    assert errors == Errors(passed=1, good=2, failed=2, bad=3)
    assert Errors.count([(True, True)]).specificity is None


def test_a_perfect_judge_needs_no_correction():
    found = corrected_yield(30, 100, Errors(500, 500, 500, 500))
    assert found is not None
    assert found.value == pytest.approx(0.3)
    assert found.low < 0.3 < found.high


def test_a_judge_that_passes_too_much_is_corrected_down():
    found = corrected_yield(600, 1_000, Errors(passed=90, good=100, failed=60, bad=100))
    assert found is not None
    assert found.value == pytest.approx((0.6 + 0.6 - 1) / 0.5)


@pytest.mark.parametrize(
    "errors", [Errors(5, 10, 5, 10), Errors(2, 10, 3, 10), Errors(5, 10, 0, 0), Errors(0, 0, 5, 9)]
)
def test_a_judge_no_better_than_chance_or_unknown_corrects_nothing(errors: Errors):
    assert corrected_yield(50, 100, errors) is None


def test_kappa_agrees_with_the_textbook():
    """Cohen's own kind of table: 20 yes-yes, 5 yes-no, 10 no-yes, 15 no-no gives 0.4."""
    pairs = [("yes", "yes")] * 20 + [("yes", "no")] * 5 + [("no", "yes")] * 10 + [("no", "no")] * 15
    kappa = cohen_kappa(pairs)
    assert kappa is not None
    assert kappa.value == pytest.approx(0.4)
    assert 0.1 < kappa.low < 0.2 < 0.6 < kappa.high < 0.7
    assert cohen_kappa(pairs) == kappa, "it repeats"


def test_a_judge_that_says_yes_to_everything_agrees_by_chance_alone():
    kappa = cohen_kappa([(True, True)] * 30 + [(True, False)] * 10)
    assert kappa == Estimate(0, 0, 0)
    assert cohen_kappa([(True, True)] * 5) == Estimate(0, 0, 0)
    assert cohen_kappa([]) is None


def test_alpha_of_krippendorffs_own_example():
    """Krippendorff (2011), "Computing Krippendorff's Alpha-Reliability", example C: nominal 0.743, interval 0.849."""
    gap = None
    ratings = [
        [1, 2, 3, 3, 2, 1, 4, 1, 2, gap, gap, gap],
        [1, 2, 3, 3, 2, 2, 4, 1, 2, 5, gap, 3],
        [gap, 3, 3, 3, 2, 3, 4, 2, 2, 5, 1, gap],
        [1, 2, 3, 3, 2, 4, 4, 1, 2, 5, 1, gap],
    ]
    nominal, interval = krippendorff_alpha(ratings, "nominal"), krippendorff_alpha(ratings, "interval")
    assert nominal is not None
    assert interval is not None
    assert (nominal.value, interval.value) == (pytest.approx(0.743, abs=1e-3), pytest.approx(0.849, abs=1e-3))
    assert nominal.low <= 0.743 <= nominal.high
    assert krippendorff_alpha(ratings, "nominal") == nominal, "it repeats"
    assert krippendorff_alpha([[1, gap], [gap, 1]], "nominal") is None


def simulated(seed: int) -> tuple[list[tuple[bool, bool]], int, int]:
    """Gold labels of 200 items, 60 % good, with a judge's verdicts; and what it passed of 1,500 items, 40 % good."""
    draw = np.random.default_rng(seed)

    def verdicts(truth: np.ndarray) -> np.ndarray:
        return draw.random(truth.size) < np.where(truth, SENSITIVITY, 1 - SPECIFICITY)

    gold = draw.random(200) < 0.6
    judged = draw.random(1_500) < 0.4
    return list(zip(verdicts(gold).tolist(), gold.tolist(), strict=True)), int(verdicts(judged).sum()), judged.size


def figures(seed: int) -> dict[str, Estimate | None]:
    pairs, passed, judged = simulated(seed)
    errors = Errors.count(pairs)
    return {
        "sensitivity": errors.sensitivity,
        "specificity": errors.specificity,
        "yield": corrected_yield(passed, judged, errors),
        "kappa": cohen_kappa(pairs),
    }


def true_kappa(good: float = 0.6) -> float:
    passing = good * SENSITIVITY + (1 - good) * (1 - SPECIFICITY)
    seen = good * SENSITIVITY + (1 - good) * SPECIFICITY
    chance = good * passing + (1 - good) * (1 - passing)
    return (seen - chance) / (1 - chance)


TRUTH = {"sensitivity": SENSITIVITY, "specificity": SPECIFICITY, "yield": 0.4, "kappa": true_kappa()}


@pytest.fixture(scope="module")
def audited() -> list[dict[str, Estimate | None]]:
    return [figures(seed) for seed in range(RUNS)]


@pytest.mark.parametrize("figure", TRUTH)
def test_intervals_cover_the_truth_in_at_least_ninety_of_a_hundred_runs(
    audited: list[dict[str, Estimate | None]], figure: str
):
    covered = sum(found.low <= TRUTH[figure] <= found.high for run in audited if (found := run[figure]) is not None)
    assert covered >= 90
    widest = max(found.high - found.low for run in audited if (found := run[figure]) is not None)
    assert widest < 0.4, "an interval that covers everything says nothing"


def test_the_raw_yield_of_such_a_judge_is_off(audited: list[dict[str, Estimate | None]]):
    """What makes the correction worth its while: the judge passes 52 % where 40 % are good."""
    raw = [simulated(seed)[1] / 1_500 for seed in range(10)]
    assert min(raw) > 0.46
    values = [found.value for run in audited if (found := run["yield"]) is not None]
    assert np.mean(values) == pytest.approx(0.4, abs=0.02)


@pytest.mark.parametrize(
    ("judge", "expected"), [(lambda draw, _: draw.random() < 0.5, True), (lambda _, truth: truth, False)]
)
def test_a_coin_is_told_from_a_judge(judge: Callable[[np.random.Generator, bool], bool], expected: bool):
    draw = np.random.default_rng(1)
    truths = (draw.random(100) < 0.5).tolist()
    kappa = cohen_kappa([(bool(judge(draw, truth)), truth) for truth in truths])
    assert kappa is not None
    assert (kappa.low <= 0) is expected
