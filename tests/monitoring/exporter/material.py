"""Samples of a registry or of a page of metrics, by name and labels."""

from collections.abc import Iterable, Mapping
from typing import Any

from prometheus_client import CollectorRegistry
from prometheus_client.core import Metric
from prometheus_client.parser import text_string_to_metric_families

from rakuten.monitoring.exporter.collector import make_exporter_registry
from rakuten.monitoring.exporter.source import StoreSource

MODEL = "rakuten-classifier"


class Samples(dict[tuple[str, tuple[tuple[str, str], ...]], float]):
    """Name and labels → value."""

    def of(self, name: str, **labels: str) -> float | None:
        """One sample; None where there is none."""
        return self.get((name, tuple(sorted(labels.items()))))

    def by(self, name: str, label: str) -> dict[str, float]:
        """Samples of a family with one label, by its value."""
        return {dict(key)[label]: value for (found, key), value in self.items() if found == name}

    @property
    def names(self) -> set[str]:
        """Names of all samples of this project."""
        return {name for name, _ in self if name.startswith("rakuten_")}


def samples_of(families: Iterable[Metric]) -> Samples:
    """All samples of families."""
    found = Samples()
    for family in families:
        for sample in family.samples:
            labels: Mapping[str, Any] = sample.labels
            found[sample.name, tuple(sorted(labels.items()))] = sample.value
    return found


def parse(page: str) -> Samples:
    """All samples of a page in Prometheus' text format."""
    return samples_of(text_string_to_metric_families(page))


def scrape(url: str, *, model: str = MODEL) -> Samples:
    """What a new exporter shows of a store."""
    source = StoreSource(url, model, every=0)
    try:
        registry: CollectorRegistry = make_exporter_registry(source)
        return samples_of(registry.collect())
    finally:
        source.close()
