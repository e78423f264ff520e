"""Alerts about the live model, and about the photos that reach it."""

from collections.abc import Iterator
from typing import Final

from rakuten.observability.model import Alert
from rakuten.observability.timescale import TimeScale

LEAST_PREDICTIONS: Final = 50
"""Predictions in 30 minutes below which the share of missing photos says nothing."""


def model_alerts(scale: TimeScale) -> Iterator[Alert]:
    """A version was refused, or nobody knows whether the live one is still the champion."""
    refusals = 'rakuten_model_refusals_total{job="api"}'
    start = 'process_start_time_seconds{job="api"}'
    # What was refused before the first scrape of a process is in no increase.
    young = f"time() - {start} < {scale.seconds('1h')}"
    yield Alert(
        "RakutenModelRefused",
        "ticket",
        f"sum by (job, reason) (increase({refusals}[{scale.duration('1h')}])) > 0\nor\n"
        f"sum by (job, reason) (\n  {refusals}\nand on (job, instance)\n  {young}\n) > 0",
        "A model was refused in the last hour; the one before stays live",
        "Reason: {{ $labels.reason }}. The log of the service names the version and the fault.",
    )
    confirmed = 'rakuten_model_confirmed_timestamp_seconds{job="api"}'
    yield Alert(
        "RakutenModelUnconfirmed",
        "ticket",
        f"time() - (\n  {confirmed} > 0\nor\n  {start}\n) > {scale.seconds('30m')}",
        "The registry has not said for 30 minutes which model is champion",
        "{{ $labels.instance }} goes on with the model that it has; the registry has not confirmed "
        "it for {{ $value | humanizeDuration }}.",
        hold="2m",
    )


def photo_alerts(scale: TimeScale) -> Iterator[Alert]:
    """Photos that are missing or cannot be read, far more often than the day before."""
    half = scale.duration("30m")
    missing = "rakuten:predictions:image_missing_ratio_rate"
    yield Alert(
        "RakutenPhotosMissing",
        "check",
        f"{missing}30m\n- ({missing}1d offset {half})\n> 0.1\nand\n"
        f'sum(increase(rakuten_predictions_total{{job="api"}}[{half}])) >= {LEAST_PREDICTIONS}',
        "Far more products than in the last day come without a usable photo",
        "The share of the last 30 minutes is {{ $value | humanizePercentage }} (points) above that "
        "of the day before. A check of the traffic is started.",
        hold="5m",
    )
