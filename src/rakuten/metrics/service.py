"""What the prediction service counts while it answers."""

from collections import Counter as Tally
from collections.abc import Iterable, Mapping, Sequence
from typing import Final, Protocol

from prometheus_client import CollectorRegistry, Counter, Histogram

from rakuten.metrics.exemplars import ExemplarLimit
from rakuten.metrics.labelled import Labelled
from rakuten.metrics.registry import make_registry

PHASES: Final = ("queue", "decode", "encode", "vectorise", "predict", "store")
DECISIONS: Final = ("auto", "review")
IMAGE_STATUSES: Final = ("ok", "missing", "unreadable")
_REQUEST_SECONDS: Final = (0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)
_PHASE_SECONDS: Final = (0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, *_REQUEST_SECONDS[2:])
_CONFIDENCE: Final = (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 0.99, 1)
_PRODUCTS: Final = (1, 2, 4, 8, 16, 32, 64, 128, 256)


class Predicted(Protocol):
    """What is counted of a prediction."""

    @property
    def prdtypecode(self) -> int:
        """The product type."""

    @property
    def confidence(self) -> float:
        """The probability of that type."""

    @property
    def decision(self) -> str:
        """One of :data:`DECISIONS`."""

    @property
    def image_status(self) -> str:
        """One of :data:`IMAGE_STATUSES`."""


class Meter:
    """Takes note of nothing: what the service tells its metrics where they are switched off."""

    registry: CollectorRegistry | None = None
    """What is shown; None where nothing is."""

    def request(
        self,
        route: str,
        status: int,
        seconds: float,
        *,
        request_id: str,
        prediction_id: str | None = None,
    ) -> None:
        """A request has its answer."""

    def problem(self, reason: str) -> None:
        """A problem was answered, for a request or for an item of a batch."""

    def batch(self, lane: str, products: int, waits: Sequence[float]) -> None:
        """A batch begins; each of its jobs has waited so many seconds."""

    def phases(self, seconds: Mapping[str, float]) -> None:
        """Phases of a batch took so long; one that took no time did not happen."""

    def stored(self, seconds: float) -> None:
        """The predictions of a request are durable."""

    def predictions(self, found: Sequence[Predicted]) -> None:
        """Predictions were given to a client."""

    def expect_types(self, codes: Iterable[int]) -> None:
        """Show these product types, at 0 where none was predicted yet."""


class ServiceMetrics(Meter):
    """Counts in a registry of its own.

    Args:
        lanes: names of the engine's lanes.
        reasons: words that problems may give as their reason.
    """

    registry: CollectorRegistry

    def __init__(self, lanes: Iterable[str], reasons: Iterable[str]) -> None:
        self.registry = make_registry()
        self._make_requests(reasons)
        self._make_phases(lanes)
        self._make_predictions()

    def _make_requests(self, reasons: Iterable[str]) -> None:
        self._requests = self._counter(
            "rakuten_requests_total", "Requests answered.", "route", "status"
        )
        seconds = Histogram(
            "rakuten_request_duration_seconds",
            "Time from a request's head to the end of its answer.",
            ["route"],
            buckets=_REQUEST_SECONDS,
            registry=self.registry,
        )
        self._seconds = Labelled(seconds)
        self._exemplars = ExemplarLimit(_REQUEST_SECONDS)
        self._problems = self._counter(
            "rakuten_problems_total",
            "Problems answered, for requests and for items of batches.",
            "reason",
        )
        for reason in reasons:
            self._problems[reason,]

    def _make_phases(self, lanes: Iterable[str]) -> None:
        phases = Histogram(
            "rakuten_phase_duration_seconds",
            "Time that a phase takes: of a batch, but queue of a job and store of a request.",
            ["phase"],
            buckets=_PHASE_SECONDS,
            registry=self.registry,
        )
        self._phases = {phase: phases.labels(phase) for phase in PHASES}
        sizes = Histogram(
            "rakuten_batch_products",
            "Products that are answered together.",
            ["lane"],
            buckets=_PRODUCTS,
            registry=self.registry,
        )
        self._sizes = {lane: sizes.labels(lane) for lane in lanes}

    def _make_predictions(self) -> None:
        self._predictions = self._counter(
            "rakuten_predictions_total",
            "Predictions given to clients.",
            "decision",
            "image_status",
        )
        for decision in DECISIONS:
            for status in IMAGE_STATUSES:
                self._predictions[decision, status]
        self._types = self._counter(
            "rakuten_predictions_by_type_total",
            "Predictions given to clients, by product type.",
            "prdtypecode",
        )
        self._confidence = Histogram(
            "rakuten_prediction_confidence_ratio",
            "Probability of the type that was predicted.",
            buckets=_CONFIDENCE,
            registry=self.registry,
        )

    def _counter(self, name: str, help_text: str, *labels: str) -> Labelled:
        return Labelled(Counter(name, help_text, labels, registry=self.registry))

    def request(
        self,
        route: str,
        status: int,
        seconds: float,
        *,
        request_id: str,
        prediction_id: str | None = None,
    ) -> None:
        """Count a request; some of those with a prediction are shown with their ids."""
        self._requests[route, status].inc()
        ids = None
        if prediction_id is not None and self._exemplars.due(route, seconds):
            ids = {"prediction_id": prediction_id, "request_id": request_id}
        self._seconds[route,].observe(seconds, ids)

    def problem(self, reason: str) -> None:
        """Count a problem."""
        self._problems[reason,].inc()

    def batch(self, lane: str, products: int, waits: Sequence[float]) -> None:
        """Count a batch and how long its jobs have waited."""
        self._sizes[lane].observe(products)
        queue = self._phases["queue"]
        for seconds in waits:
            queue.observe(seconds)

    def phases(self, seconds: Mapping[str, float]) -> None:
        """Count phases that took any time."""
        for phase, taken in seconds.items():
            if taken:
                self._phases[phase].observe(taken)

    def stored(self, seconds: float) -> None:
        """Count a request whose predictions are durable."""
        self._phases["store"].observe(seconds)

    def predictions(self, found: Sequence[Predicted]) -> None:
        """Count predictions; those of a batch that are alike at once."""
        observe = self._confidence.observe
        if len(found) == 1:
            (one,) = found
            self._predictions[one.decision, one.image_status].inc()
            self._types[one.prdtypecode,].inc()
            observe(one.confidence)
            return
        for labels, count in Tally((one.decision, one.image_status) for one in found).items():
            self._predictions[labels].inc(count)
        for code, count in Tally(one.prdtypecode for one in found).items():
            self._types[code,].inc(count)
        for one in found:
            observe(one.confidence)

    def expect_types(self, codes: Iterable[int]) -> None:
        """Make the series of product types."""
        for code in codes:
            self._types[code,]
