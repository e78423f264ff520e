"""How the service stands, as metrics that are read off its parts when somebody asks."""

from collections.abc import Iterator, Mapping

from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    InfoMetricFamily,
    Metric,
)
from prometheus_client.registry import Collector

from rakuten.serving.live_model import FAILURES, REFUSALS, LiveModel
from rakuten.serving.service import Service


class ServiceState(Collector):
    """Shows the lanes, the live model and the store of a service; each part counts for itself."""

    def __init__(self, service: Service) -> None:
        self._service = service

    def collect(self) -> Iterator[Metric]:
        """Every metric; one without a value yet has no series."""
        yield from self._lanes()
        yield from _model(self._service.live)
        yield from _registry(self._service.live)
        yield from self._store()

    def _lanes(self) -> Iterator[Metric]:
        lanes = self._service.engine.lanes()
        waiting = GaugeMetricFamily(
            "rakuten_queue_products",
            "Products that wait for inference or are under way.",
            labels=["lane"],
        )
        limits = GaugeMetricFamily(
            "rakuten_queue_limit_products",
            "Products that may wait or be under way.",
            labels=["lane"],
        )
        busy = CounterMetricFamily(
            "rakuten_lane_busy_seconds_total",
            "Time that the thread of a lane has worked.",
            labels=["lane"],
        )
        for name, lane in lanes.items():
            waiting.add_metric([name], lane.waiting)
            limits.add_metric([name], lane.limit)
            busy.add_metric([name], lane.busy_seconds)
        yield from (waiting, limits, busy)

    def _store(self) -> Iterator[Metric]:
        service = self._service
        kept = service.settings.store == "on"
        spool = service.spool
        for name, help_text, value in (
            (
                "store_up",
                "1 while the database has its tables and takes records.",
                service.store_up,
            ),
            ("spool_records", "Records that wait on disk for the database.", spool.waiting),
            (
                "spool_bytes",
                "What records that wait take, those of other processes included.",
                spool.size,
            ),
            ("spool_limit_bytes", "What records that wait may take.", spool.max_bytes),
        ):
            yield GaugeMetricFamily(f"rakuten_{name}", help_text, value=value if kept else None)


def _model(live: LiveModel) -> Iterator[Metric]:
    current = live.current
    yield GaugeMetricFamily(
        "rakuten_model_ready", "1 once a model answers.", value=current is not None
    )
    info = InfoMetricFamily("rakuten_model", "The model that answers.")
    if current is not None:
        which = current.info
        labels = {"name": which.name, "version": str(which.version), "sha256": which.sha256}
        info.add_metric([], labels)
    yield info
    yield CounterMetricFamily(
        "rakuten_model_swaps_total",
        "Models that took the place of another one, the first included.",
        value=live.swaps,
    )
    yield _counted(
        "rakuten_model_refusals_total", "Models refused.", "reason", REFUSALS, live.refusals
    )
    failures = {**live.failures, "unexpected": live.errors}
    yield _counted(
        "rakuten_model_failures_total",
        "Times that looking for a model did not work.",
        "what",
        FAILURES,
        failures,
    )


def _registry(live: LiveModel) -> Iterator[Metric]:
    at = live.confirmed_at
    yield GaugeMetricFamily(
        "rakuten_model_confirmed_timestamp_seconds",
        "When the model registry last named the live model as champion.",
        value=at.timestamp() if at else None,
    )
    yield GaugeMetricFamily(
        "rakuten_registry_up", "1 while the model registry answers.", value=live.registry_up
    )


def _counted(
    name: str, help_text: str, label: str, known: tuple[str, ...], counts: Mapping[str, int]
) -> Metric:
    family = CounterMetricFamily(name, help_text, labels=[label])
    for value, count in {**dict.fromkeys(known, 0), **counts}.items():
        family.add_metric([value], count)
    return family
