"""Alerts about monitoring, retraining, the review queue and the exporter that shows them."""

from collections.abc import Iterator

from rakuten.observability.model import Alert
from rakuten.observability.timescale import TimeScale


def exporter_alerts(scale: TimeScale) -> Iterator[Alert]:
    """Nobody shows what the flows did."""
    yield Alert(
        "RakutenExporterDown",
        "ticket",
        'up{job="exporter"} == 0 or absent(up{job="exporter"})',
        "The exporter has not answered for 5 minutes",
        "Drift, decisions, retraining and the review queue are not watched meanwhile.",
        hold="5m",
    )
    yield Alert(
        "RakutenExporterBlind",
        "ticket",
        f"{_latest('rakuten_exporter_store_up', scale)} == 0",
        "The exporter has not been able to read the store for 10 minutes",
        "{{ $labels.instance }} shows nothing of the flows meanwhile; alerts about them are quiet.",
        hold="10m",
    )


def monitor_alerts(scale: TimeScale) -> Iterator[Alert]:
    """What checks of live traffic found, and whether there are any."""
    yield Alert(
        "RakutenCheckFailed",
        "ticket",
        f"{_state('check_failed', scale)} == 1",
        "The newest check of live traffic failed",
        "It says nothing of the traffic, and nothing is retrained: rakuten monitor says why.",
    )
    yield _silent(scale)
    yield Alert(
        "RakutenDrift",
        "ticket",
        f"{_state('critical', scale)} == 1",
        "Live traffic has drifted critically",
        "The newest check of live traffic says critical; its report names the columns.",
        labels={"drift": "critical"},
    )
    yield Alert(
        "RakutenDrift",
        "ticket",
        f"{_state('warning', scale)} == 1",
        "Live traffic has drifted for 6 hours",
        "Checks of live traffic have said warning for 6 hours; the reports name the columns.",
        hold="6h",
        labels={"drift": "warning"},
    )
    yield Alert(
        "RakutenPerformanceDrop",
        "ticket",
        f"{_latest('rakuten_performance_violated', scale)} == 1",
        "Labels show that the live model is worse than it was on held-out products",
        "The newest check finds a loss that chance does not explain.",
    )


def _silent(scale: TimeScale) -> Alert:
    """A retraining may take hours, and no check runs beside it: another alert watches that."""
    success = _latest("rakuten_monitor_last_success_timestamp_seconds", scale)
    started = _latest("process_start_time_seconds", scale)
    return Alert(
        "RakutenMonitorSilent",
        "ticket",
        f"time() - (\n  {success} > 0\nor\n  {started}\n) > {scale.seconds('3h')}\n"
        f"and on (job, instance)\n{_latest('rakuten_exporter_store_up', scale)} == 1\n"
        f"unless on (job, instance)\n{_latest('rakuten_retraining_open', scale)} == 1",
        "No check of live traffic has succeeded for 3 hours",
        "The last one succeeded {{ $value | humanizeDuration }} ago, or none has since the "
        "exporter started.",
        hold="5m",
    )


def pipeline_alerts(scale: TimeScale) -> Iterator[Alert]:
    """Retraining that does not come to its end, or does not come at all."""
    yield Alert(
        "RakutenRetrainingStuck",
        "ticket",
        f"{_latest('rakuten_retraining_open_age_seconds', scale)} > {scale.seconds('6h')}",
        "A retraining was decided more than 6 hours ago and is not finished",
        "It has been open for {{ $value | humanizeDuration }}.",
        hold="5m",
    )
    failed = 'rakuten_pipeline_runs_total{job="exporter",state="failed"}'
    yield Alert(
        "RakutenPipelineFailed",
        "ticket",
        f"sum by (job) (increase({failed}[{scale.duration('6h')}])) > 0",
        "A run of the pipeline failed in the last 6 hours",
        "The live model stays as it was. The page of the run in Prefect says which stage and why.",
    )
    success = _latest("rakuten_pipeline_last_success_timestamp_seconds", scale)
    yield Alert(
        "RakutenModelStale",
        "ticket",
        f"time() - (\n  {success} > 0\n) > {scale.seconds('45d')}",
        "No run of the pipeline has succeeded for 45 days",
        "The last one succeeded {{ $value | humanizeDuration }} ago.",
        hold="5m",
    )


def review_alerts(scale: TimeScale) -> Iterator[Alert]:
    """Products that wait for a person too long."""
    yield Alert(
        "RakutenReviewQueueOld",
        "ticket",
        f"{_latest('rakuten_review_oldest_age_seconds', scale)} > {scale.seconds('2d')}",
        "A product has waited for review for more than 2 days",
        "The oldest has waited for {{ $value | humanizeDuration }}.",
        hold="5m",
    )


def _latest(metric: str, scale: TimeScale, condition: str = "") -> str:
    """The newest value of 15 minutes: a restart of the exporter resolves and restarts nothing."""
    return f'last_over_time({metric}{{job="exporter"{condition}}}[{scale.duration("15m")}])'


def _state(state: str, scale: TimeScale) -> str:
    return _latest("rakuten_drift_state", scale, f',state="{state}"')
