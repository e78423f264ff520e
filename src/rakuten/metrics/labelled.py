"""Series of a metric that are looked up once."""

from typing import Any

from prometheus_client import Counter, Histogram


class Labelled(dict[tuple[Any, ...], Any]):
    """Labels → child of a metric; to look one up in the metric itself costs more than to count."""

    def __init__(self, metric: Counter | Histogram) -> None:
        super().__init__()
        self._metric = metric

    def __missing__(self, labels: tuple[Any, ...]) -> Any:
        child = self[labels] = self._metric.labels(*labels)
        return child
