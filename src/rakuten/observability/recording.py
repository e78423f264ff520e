"""Recording rules: what dashboards and alerts read, computed once.

A name is the same at every time scale; ``rate5m`` in it is the window at scale 1.
"""

from collections.abc import Iterator
from typing import Final

from rakuten.observability.model import Group, Recording
from rakuten.observability.slo import AVAILABILITY, OBJECTIVES, WINDOWS
from rakuten.observability.timescale import TimeScale

_SLOW: Final = ("6h", "1d", "3d")
_PREDICTIONS: Final = "rakuten_predictions_total"
_BY_TYPE: Final = "rakuten_predictions_by_type_total"

PREDICT_BUCKETS: Final = 'rakuten_request_duration_seconds_bucket{job="api",route="/v1/predict"}'
QUANTILES: Final = {"p50": "0.5", "p95": "0.95", "p99": "0.99"}


def recording_groups(scale: TimeScale) -> tuple[Group, ...]:
    """Every recording rule; long windows move slowly and are computed less often."""
    return (
        Group("rakuten-slo", tuple(_ratios(scale, slow=False))),
        Group("rakuten-slo-long", tuple(_ratios(scale, slow=True)), interval="2m"),
        Group("rakuten-service", tuple(_service(scale))),
        Group("rakuten-predictions", tuple(_predictions(scale))),
    )


def _ratios(scale: TimeScale, *, slow: bool) -> Iterator[Recording]:
    for objective in OBJECTIVES:
        for window in WINDOWS:
            if (window in _SLOW) == slow:
                yield Recording(
                    f"{objective.record}{window}", objective.bad_ratio(scale.duration(window))
                )


def _service(scale: TimeScale) -> Iterator[Recording]:
    window = scale.duration("5m")
    yield Recording("rakuten:requests:rate5m", f"sum(rate({AVAILABILITY.total}[{window}]))")
    buckets = f"rate({PREDICT_BUCKETS}[{window}])"
    for name, quantile in QUANTILES.items():
        # Without requests it is not a number, which the comparison drops.
        yield Recording(
            f"rakuten:predict:{name}_seconds",
            f"histogram_quantile(\n  {quantile}, sum by (le) ({buckets})\n) >= 0",
        )
    yield Recording(
        "rakuten:queue:used_ratio",
        'rakuten_queue_products{job="api"} / (rakuten_queue_limit_products{job="api"} > 0)',
    )
    yield Recording(
        "rakuten:spool:used_ratio",
        'rakuten_spool_bytes{job="api"} / (rakuten_spool_limit_bytes{job="api"} > 0)',
    )


def _predictions(scale: TimeScale) -> Iterator[Recording]:
    yield Recording(
        "rakuten:predictions:review_ratio_rate1h",
        _share('decision="review"', scale.duration("1h")),
    )
    for window in ("30m", "1d"):
        yield Recording(
            f"rakuten:predictions:image_missing_ratio_rate{window}",
            _share('image_status!="ok"', scale.duration(window)),
        )
    window = scale.duration("1h")
    rate = f'rate({_BY_TYPE}{{job="api"}}[{window}])'
    yield Recording(
        "rakuten:predictions:type_ratio_rate1h",
        f"sum by (prdtypecode) ({rate})\n/ ignoring (prdtypecode) group_left ()\n(sum({rate}) > 0)",
    )


def _share(condition: str, window: str) -> str:
    total = f'sum(rate({_PREDICTIONS}{{job="api"}}[{window}]))'
    part = f'sum(rate({_PREDICTIONS}{{job="api",{condition}}}[{window}]))'
    return f"(\n  {part}\nor\n  0 * {total}\n)\n/ ({total} > 0)"
