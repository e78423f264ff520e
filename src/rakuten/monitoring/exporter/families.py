"""Families of metrics: gauges and counters with the values of one reading."""

from collections.abc import Mapping
from datetime import datetime
from typing import TypeVar

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric

Labels = TypeVar("Labels", bound=tuple[str, ...])


def gauge(name: str, help_text: str, value: float | None) -> Metric:
    """A gauge without labels; None has no sample."""
    family = GaugeMetricFamily(name, help_text)
    if value is not None:
        family.add_metric((), value)
    return family


def gauges(
    name: str,
    help_text: str,
    labels: tuple[str, ...],
    values: Mapping[Labels, float],
) -> Metric:
    """A gauge with labels: label values → value."""
    family = GaugeMetricFamily(name, help_text, labels=labels)
    for key, value in values.items():
        family.add_metric(key, value)
    return family


def counter(name: str, help_text: str, label: str, values: Mapping[str, int]) -> Metric:
    """A counter with one label: label value → count."""
    family = CounterMetricFamily(name, help_text, labels=[label])
    for key, value in values.items():
        family.add_metric((key,), value)
    return family


def moment(name: str, help_text: str, at: datetime | None) -> Metric:
    """A gauge of a moment, in seconds since 1970; None has no sample."""
    return gauge(name, help_text, at.timestamp() if at else None)


def age(since: datetime | None, now: float) -> float:
    """Seconds since a moment of another machine's clock, never negative."""
    return max(now - since.timestamp(), 0.0) if since else 0.0


def keyed(values: Mapping[str, float] | None) -> dict[tuple[str], float]:
    """Values by the only label of their gauge; None has none."""
    return {(key,): value for key, value in (values or {}).items()}
