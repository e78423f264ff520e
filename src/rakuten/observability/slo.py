"""What the service promises (service level objectives), and how fast it may break a promise.

Windows and factors are those of the Site Reliability Workbook (Beyer et al., 2018), chapter 5,
"Alerting on SLOs": a burn rate of 1 uses the whole error budget in the 30 days of the objective.
"""

from dataclasses import dataclass
from decimal import Decimal
from typing import Final

from rakuten.observability.model import Severity


@dataclass(frozen=True)
class BurnRate:
    """Alert where the budget burns ``factor`` times too fast over both windows.

    The long window says that it matters, the short one that it still goes on.
    """

    factor: Decimal
    long: str
    short: str
    severity: Severity


BURN_RATES: Final = (
    BurnRate(Decimal("14.4"), "1h", "5m", "page"),
    BurnRate(Decimal("6"), "6h", "30m", "page"),
    BurnRate(Decimal("3"), "1d", "2h", "ticket"),
    BurnRate(Decimal("1"), "3d", "6h", "ticket"),
)

WINDOWS: Final = ("5m", "30m", "1h", "2h", "6h", "1d", "3d")
"""Every window of :data:`BURN_RATES`, shortest first."""

LEAST_BAD: Final = 5
"""Bad requests in the long window below which no burn rate alerts.

One failure among three requests of a night is a burn rate of 67, and wakes nobody.
"""


@dataclass(frozen=True)
class Objective:
    """A share of requests that have to be good, over 30 days.

    Args:
        title: what it is about, for people.
        alert: name of its burn-rate alerts.
        record: name of the recorded share of bad requests, up to its window.
        target: least share that is good.
        total: series of all requests.
        bad: series of bad requests, or None where ``good`` is counted.
        good: series of good requests, or None where ``bad`` is counted.
    """

    title: str
    alert: str
    record: str
    target: Decimal
    total: str
    bad: str | None = None
    good: str | None = None

    @property
    def budget(self) -> Decimal:
        """Share of requests that may be bad."""
        return 1 - self.target

    def bad_ratio(self, window: str) -> str:
        """Share of bad requests in a window; no value where there were no requests.

        A status that never happened has no series: then the share is 0 and not absent.
        """
        total = f"sum(rate({self.total}[{window}]))"
        if self.bad is None:
            good = f"sum(rate({self.good}[{window}]))"
            return f"clamp_min(\n  1 - {good}\n  / ({total} > 0),\n  0\n)"
        return f"(\n  sum(rate({self.bad}[{window}]))\nor\n  0 * {total}\n)\n/ ({total} > 0)"

    def bad_count(self, window: str) -> str:
        """Number of bad requests in a window."""
        if self.bad is None:
            total = f"sum(increase({self.total}[{window}]))"
            return f"{total}\n- sum(increase({self.good}[{window}]))\n"
        return f"sum(increase({self.bad}[{window}]))"


AVAILABILITY: Final = Objective(
    title="Availability",
    alert="RakutenAvailabilityBurn",
    record="rakuten:requests:error_ratio_rate",
    target=Decimal("0.995"),
    total='rakuten_requests_total{job="api",route=~"/v1/.*"}',
    bad='rakuten_requests_total{job="api",route=~"/v1/.*",status=~"5.."}',
)

LATENCY_SECONDS: Final = 0.5
"""What a prediction may take; a bound of the histogram's buckets."""

LATENCY: Final = Objective(
    title="Latency",
    alert="RakutenLatencyBurn",
    record="rakuten:predict:slow_ratio_rate",
    target=Decimal("0.99"),
    total='rakuten_request_duration_seconds_count{job="api",route="/v1/predict"}',
    good='rakuten_request_duration_seconds_bucket{job="api",route="/v1/predict",'
    f'le="{LATENCY_SECONDS}"}}',
)

OBJECTIVES: Final = (AVAILABILITY, LATENCY)
