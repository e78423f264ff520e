"""Counters and histograms that cost next to nothing to count in; one thread writes to each.

prometheus_client's own take a lock for every number and look for the bucket from below. These are
read by its registry, a little behind what is being written meanwhile; `make bench-metrics` prints
what they cost.
"""

import time
from bisect import bisect_left
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import accumulate
from typing import Any, Final

from prometheus_client.core import CounterMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.registry import Collector
from prometheus_client.samples import Exemplar
from prometheus_client.utils import floatToGoString

EXEMPLAR_SECONDS: Final = 1.0

Labels = tuple[Any, ...]
"""Values of the labels in their order; shown as text."""


class Counts(Collector):
    """A counter: values of its labels → how often.

    Args:
        name: ends in ``_total``.
        help_text: what is counted.
        names: of the labels.
        known: values that are there from the beginning, at 0.
    """

    def __init__(
        self, name: str, help_text: str, names: Sequence[str], known: Iterable[Labels] = ()
    ) -> None:
        self._name, self._help, self._names = name, help_text, names
        self._values: dict[Labels, int] = dict.fromkeys(known, 0)

    def add(self, *labels: Any) -> None:
        """Count one more."""
        self._values[labels] = self._values.get(labels, 0) + 1

    def expect(self, *labels: Any) -> None:
        """Show these values of the labels too."""
        self._values.setdefault(labels, 0)

    def collect(self) -> Iterator[Metric]:
        """The counter as it stands."""
        family = CounterMetricFamily(self._name, self._help, labels=self._names)
        for labels, value in list(self._values.items()):
            family.add_metric([*map(str, labels)], value)
        yield family


class Distribution:
    """One series of a histogram: observations by bucket, and their sum.

    One observation of each bucket a second may be shown by its ids, so that slow ones are
    among them however many quick ones there are.
    """

    __slots__ = ("_bounds", "_counts", "_exemplars", "_sum")

    def __init__(self, bounds: Sequence[float]) -> None:
        self._bounds = bounds
        self._counts = [0] * (len(bounds) + 1)
        self._exemplars: list[Exemplar | None] = [None] * len(self._counts)
        self._sum = 0.0

    def observe(self, value: float) -> None:
        """Count a value."""
        self._counts[bisect_left(self._bounds, value)] += 1
        self._sum += value

    def observe_shown(self, value: float, ids: Mapping[str, str]) -> None:
        """Count a value; its bucket's exemplar is this one, where the last is a second old."""
        bucket = bisect_left(self._bounds, value)
        self._counts[bucket] += 1
        self._sum += value
        last, now = self._exemplars[bucket], time.time()
        if last is None or abs(now - last[2]) >= EXEMPLAR_SECONDS:  # type: ignore[operator]
            self._exemplars[bucket] = Exemplar(dict(ids), value, now)

    def add_to(self, family: HistogramMetricFamily, labels: Sequence[str]) -> None:
        """Add the series to what is shown."""
        names = [*map(floatToGoString, self._bounds), "+Inf"]
        totals = accumulate(list(self._counts))
        buckets = list(zip(names, totals, self._exemplars, strict=True))
        family.add_metric(labels, buckets, self._sum)  # type: ignore[arg-type]


class Histogram(Collector):
    """A histogram: values of its labels → a series.

    Args:
        name: ends in the unit.
        help_text: what is observed.
        names: of the labels.
        bounds: upper bounds of the buckets, rising, without infinity.
        known: values of the labels that are there from the beginning.
    """

    def __init__(
        self,
        name: str,
        help_text: str,
        names: Sequence[str],
        bounds: Sequence[float],
        known: Iterable[Labels] = (),
    ) -> None:
        self._name, self._help, self._names, self._bounds = name, help_text, names, bounds
        self._series = {labels: Distribution(bounds) for labels in known}

    def series(self, *labels: Any) -> Distribution:
        """The series of some values of the labels."""
        found = self._series.get(labels)
        if found is None:
            found = self._series[labels] = Distribution(self._bounds)
        return found

    def collect(self) -> Iterator[Metric]:
        """The histogram as it stands."""
        family = HistogramMetricFamily(self._name, self._help, labels=self._names)
        for labels, distribution in list(self._series.items()):
            distribution.add_to(family, [*map(str, labels)])
        yield family
