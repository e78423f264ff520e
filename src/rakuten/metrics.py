"""Prometheus metrics of the service: base units, bounded labels."""

from dataclasses import dataclass
from typing import Any

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

_SECONDS = (0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10)
_CONFIDENCE = (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 0.99, 1)


class Labelled(dict[tuple[str, ...], Any]):
    """Labels → child of a metric; to look one up in the metric itself costs more than to count."""

    def __init__(self, metric: Counter | Histogram) -> None:
        super().__init__()
        self._metric = metric

    def __missing__(self, labels: tuple[str, ...]) -> Any:
        child = self[labels] = self._metric.labels(*labels)
        return child


@dataclass(frozen=True)
class ServiceMetrics:
    """All metrics of one service, in a registry of their own."""

    registry: CollectorRegistry
    requests: Counter
    request_seconds: Histogram
    inference_seconds: Histogram
    store_seconds: Histogram
    predictions: Counter
    confidence: Histogram
    waiting: Gauge
    spooled: Gauge
    database_up: Gauge
    model: Gauge
    swaps: Gauge
    refusals: Gauge


def make_metrics() -> ServiceMetrics:
    """Create every metric."""
    registry = CollectorRegistry()
    return ServiceMetrics(
        registry=registry,
        requests=Counter(
            "rakuten_requests",
            "Requests answered, by route and status.",
            ["route", "status"],
            registry=registry,
        ),
        request_seconds=Histogram(
            "rakuten_request_seconds",
            "Time to the answer, by route.",
            ["route"],
            buckets=_SECONDS,
            registry=registry,
        ),
        inference_seconds=Histogram(
            "rakuten_inference_seconds",
            "Time of the batch that a prediction was part of.",
            buckets=_SECONDS,
            registry=registry,
        ),
        store_seconds=Histogram(
            "rakuten_store_seconds",
            "Time until a prediction was durable.",
            buckets=_SECONDS,
            registry=registry,
        ),
        predictions=Counter(
            "rakuten_predictions",
            "Predictions, by type, decision and state of the photo.",
            ["prdtypecode", "decision", "image_status"],
            registry=registry,
        ),
        confidence=Histogram(
            "rakuten_confidence",
            "Confidence of predictions.",
            buckets=_CONFIDENCE,
            registry=registry,
        ),
        waiting=Gauge(
            "rakuten_waiting_products",
            "Products that wait for inference or are under way.",
            ["lane"],
            registry=registry,
        ),
        spooled=Gauge(
            "rakuten_spooled_records", "Records that wait for the database.", registry=registry
        ),
        database_up=Gauge(
            "rakuten_database_up", "1 while the database takes records.", registry=registry
        ),
        model=Gauge(
            "rakuten_model_info",
            "1 for the live model.",
            ["name", "version", "sha256"],
            registry=registry,
        ),
        swaps=Gauge("rakuten_model_swaps", "Models that went live since start.", registry=registry),
        refusals=Gauge(
            "rakuten_model_refusals", "Models that were refused since start.", registry=registry
        ),
    )
