"""What the prediction service counts while it answers."""

from collections.abc import Iterable, Mapping, Sequence
from itertools import product
from threading import Lock
from typing import Final, Protocol

from prometheus_client import CollectorRegistry

from rakuten.metrics.registry import make_registry
from rakuten.metrics.series import Counts, Histogram

PHASES: Final = ("queue", "decode", "encode", "vectorise", "predict", "store")
DECISIONS: Final = ("auto", "review")
IMAGE_STATUSES: Final = ("ok", "missing", "unreadable")
STATUSES: Final = (200, 500, 503, 504)
"""What objectives count: rate() has to see the first failure too."""
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

    def expect_routes(self, routes: Iterable[str]) -> None:
        """Show these routes, at 0 where nobody asked yet."""


class ServiceMetrics(Meter):
    """Counts in a registry of its own.

    ``batch`` and ``phases`` may be called by any thread, the others by the event loop alone.

    Args:
        lanes: names of the engine's lanes.
        reasons: words that problems may give as their reason.
    """

    registry: CollectorRegistry

    def __init__(self, lanes: Iterable[str], reasons: Iterable[str]) -> None:
        self.registry = make_registry()
        self._lock = Lock()
        self._make_requests(reasons)
        self._make_phases(lanes)
        self._make_predictions()

    def _make_requests(self, reasons: Iterable[str]) -> None:
        self._requests = Counts("rakuten_requests_total", "Requests answered.", ["route", "status"])
        self._seconds = Histogram(
            "rakuten_request_duration_seconds",
            "Time from a request's head to the end of its answer.",
            ["route"],
            _REQUEST_SECONDS,
        )
        self._problems = Counts(
            "rakuten_problems_total",
            "Problems answered, for requests and for items of batches.",
            ["reason"],
            [(reason,) for reason in reasons],
        )
        self._show(self._requests, self._seconds, self._problems)

    def _make_phases(self, lanes: Iterable[str]) -> None:
        phases = Histogram(
            "rakuten_phase_duration_seconds",
            "Time that a phase takes: of a batch, but queue of a job and store of a request.",
            ["phase"],
            _PHASE_SECONDS,
            [(phase,) for phase in PHASES],
        )
        self._phases = {phase: phases.series(phase) for phase in PHASES}
        self._sizes = Histogram(
            "rakuten_batch_products",
            "Products that are answered together.",
            ["lane"],
            _PRODUCTS,
            [(lane,) for lane in lanes],
        )
        self._show(phases, self._sizes)

    def _make_predictions(self) -> None:
        self._predictions = Counts(
            "rakuten_predictions_total",
            "Predictions given to clients.",
            ["decision", "image_status"],
            product(DECISIONS, IMAGE_STATUSES),
        )
        self._types = Counts(
            "rakuten_predictions_by_type_total",
            "Predictions given to clients, by product type.",
            ["prdtypecode"],
        )
        confidence = Histogram(
            "rakuten_prediction_confidence_ratio",
            "Probability of the type that was predicted.",
            [],
            _CONFIDENCE,
        )
        self._confidence = confidence.series()
        self._show(self._predictions, self._types, confidence)

    def _show(self, *parts: Counts | Histogram) -> None:
        for part in parts:
            self.registry.register(part)

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
        self._requests.add(route, status)
        series = self._seconds.series(route)
        if prediction_id is None:
            series.observe(seconds)
        else:
            ids = {"prediction_id": prediction_id, "request_id": request_id}
            series.observe_shown(seconds, ids)

    def problem(self, reason: str) -> None:
        """Count a problem."""
        self._problems.add(reason)

    def batch(self, lane: str, products: int, waits: Sequence[float]) -> None:
        """Count a batch and how long its jobs have waited."""
        queue = self._phases["queue"]
        with self._lock:
            self._sizes.series(lane).observe(products)
            for seconds in waits:
                queue.observe(seconds)

    def phases(self, seconds: Mapping[str, float]) -> None:
        """Count phases that took any time."""
        with self._lock:
            for phase, taken in seconds.items():
                if taken:
                    self._phases[phase].observe(taken)

    def stored(self, seconds: float) -> None:
        """Count a request whose predictions are durable."""
        self._phases["store"].observe(seconds)

    def predictions(self, found: Sequence[Predicted]) -> None:
        """Count predictions."""
        for one in found:
            self._predictions.add(one.decision, one.image_status)
            self._types.add(one.prdtypecode)
            self._confidence.observe(one.confidence)

    def expect_types(self, codes: Iterable[int]) -> None:
        """Make the series of product types."""
        for code in codes:
            self._types.expect(code)

    def expect_routes(self, routes: Iterable[str]) -> None:
        """Make the series of routes: their durations, and each status of :data:`STATUSES`."""
        for route in routes:
            self._seconds.series(route)
            for status in STATUSES:
                self._requests.expect(route, status)
