"""How far a judge can be trusted, from labels: agreement beyond chance, errors against gold, and a yield put right.

Every figure comes with a 95 % interval; whatever rests on chance here is seeded and repeats.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable, Iterable, Sequence
from dataclasses import dataclass
from math import sqrt
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from stages.core.estimates import Estimate, Z, wilson

RESAMPLES = 4_000


@dataclass(frozen=True, slots=True)
class Errors:
    """A judge's verdicts on items of known truth: `passed` of the `good` ones and `failed` of the `bad` ones."""

    passed: int
    good: int
    failed: int
    bad: int

    @classmethod
    def count(cls, verdicts: Iterable[tuple[bool, bool]]) -> Errors:
        """Count pairs of (the judge's verdict, the truth)."""
        counts = Counter(verdicts)
        passed, failed = counts[True, True], counts[False, False]
        return cls(passed, passed + counts[False, True], failed, failed + counts[True, False])

    @property
    def sensitivity(self) -> Estimate | None:
        """The share of good ones that pass."""
        return wilson(self.passed, self.good)

    @property
    def specificity(self) -> Estimate | None:
        """The share of bad ones that fail."""
        return wilson(self.failed, self.bad)


def corrected_yield(passed: int, judged: int, errors: Errors) -> Estimate | None:
    """Return the share of good ones among `judged`, of which the judge passed `passed`, corrected for its errors.

    Rogan and Gladen (1978), (p + q0 - 1) / (q0 + q1 - 1), with the interval of Lang and Reiczigel (2014), which carries
    the uncertainty of both error rates (as arXiv 2511.21140 recommends for judges). None where the judge is no better
    than chance, or nothing is known of it: then nothing can be corrected.
    """
    if not (judged and errors.good and errors.bad):
        return None
    true_good, true_bad = errors.passed / errors.good, errors.failed / errors.bad
    if true_good + true_bad <= 1:
        return None
    value = (passed / judged + true_bad - 1) / (true_good + true_bad - 1)
    q1, q0 = (errors.passed + 1) / (errors.good + 2), (errors.failed + 1) / (errors.bad + 2)
    share = (passed + Z**2 / 2) / (judged + Z**2)
    skill = q0 + q1 - 1
    if skill <= 0:
        return None
    middle = (share + q0 - 1) / skill
    of_good = q1 * (1 - q1) / (errors.good + 2)
    of_bad = q0 * (1 - q0) / (errors.bad + 2)
    variance = share * (1 - share) / (judged + Z**2) + middle**2 * of_good + (1 - middle) ** 2 * of_bad
    half = Z * sqrt(variance) / skill
    middle += 2 * Z**2 * (middle * of_good - (1 - middle) * of_bad)
    return Estimate(*(min(1.0, max(0.0, share)) for share in (value, middle - half, middle + half)))


def cohen_kappa(pairs: Sequence[tuple[Hashable, Hashable]]) -> Estimate | None:
    """Return the agreement of two judges beyond chance (Cohen 1960), with a bootstrap interval over the items.

    1 is perfect, 0 is what chance gives (also where nobody ever disagrees on a label that is the only one).
    """
    if not pairs:
        return None
    labels = {label: code for code, label in enumerate(dict.fromkeys(label for pair in pairs for label in pair))}
    counts = np.zeros((len(labels), len(labels)))
    for one, other in pairs:
        counts[labels[one], labels[other]] += 1
    drawn = np.random.default_rng(0).multinomial(len(pairs), counts.ravel() / len(pairs), RESAMPLES)
    resampled = _kappa(drawn.reshape(RESAMPLES, *counts.shape))
    low, high = np.quantile(resampled, [0.025, 0.975])
    return Estimate(float(_kappa(counts[None])[0]), float(low), float(high))


def _kappa(counts: NDArray[np.number]) -> NDArray[np.float64]:
    """Return the kappa of each confusion matrix of a stack."""
    shares = counts / counts.sum(axis=(1, 2), keepdims=True)
    seen = np.trace(shares, axis1=1, axis2=2)
    chance = (shares.sum(axis=1) * shares.sum(axis=2)).sum(axis=1)
    room = 1 - chance
    kappa: NDArray[np.float64] = np.divide(seen - chance, room, out=np.zeros_like(room), where=room > 1e-12)
    return kappa


def krippendorff_alpha(
    ratings: Sequence[Sequence[float | None]], distance: Literal["nominal", "interval"]
) -> Estimate | None:
    """Return the agreement of a panel beyond chance (Krippendorff 2018), with its bootstrap interval.

    `ratings` has a row per judge and a column per item; None is a rating that is missing. None without two ratings of
    one item.
    """
    if not any(sum(rating is not None for rating in item) > 1 for item in zip(*ratings, strict=True)):
        return None
    import pandas as pd
    from evalica import alpha_bootstrap

    table = pd.DataFrame([list(row) for row in ratings], dtype=float)
    found = alpha_bootstrap(table, distance, n_resamples=RESAMPLES, random_state=0)
    return Estimate(found.alpha, found.low, found.high)
