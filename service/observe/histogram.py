"""Times sorted into buckets, for Prometheus: a list index and two additions each, where the library's own takes a lock.

For one thread, the event loop's, where both the observing and the scraping happen.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import defaultdict
from collections.abc import Sequence
from functools import partial
from itertools import accumulate

from prometheus_client.core import HistogramMetricFamily


class Histogram:
    """Counts of observed seconds, by the bounds that they do not exceed."""

    __slots__ = ("_bounds", "_counts", "sum")

    def __init__(self, bounds: Sequence[float]) -> None:
        """`bounds` ascend; above the last one is one bucket more."""
        self._bounds = bounds
        self._counts = [0] * (len(bounds) + 1)
        self.sum = 0.0

    def observe(self, seconds: float) -> None:
        self._counts[bisect_left(self._bounds, seconds)] += 1
        self.sum += seconds

    def buckets(self) -> list[tuple[str, float]]:
        """Return each bound as Prometheus writes it, with how many observations do not exceed it."""
        bounds = [*(str(float(bound)) for bound in self._bounds), "+Inf"]
        return list(zip(bounds, accumulate(self._counts), strict=True))


class Histograms(defaultdict[tuple[str, ...], Histogram]):
    """All histograms of one name, by the values of their labels; one that is asked for is there from then on."""

    def __init__(self, name: str, text: str, bounds: Sequence[float], labels: Sequence[str] = ()) -> None:
        super().__init__(partial(Histogram, bounds))
        self._name, self._text, self._labels = name, text, labels

    def family(self) -> HistogramMetricFamily:
        """Return them as a scrape sees them."""
        found = HistogramMetricFamily(self._name, self._text, labels=self._labels)
        for values, histogram in self.items():
            found.add_metric(values, histogram.buckets(), histogram.sum)
        return found
