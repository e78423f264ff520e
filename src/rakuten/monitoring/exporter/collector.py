"""Metrics of what the store holds when it is asked; docs/exporter.md explains each."""

import time
from collections.abc import Iterator
from datetime import datetime
from typing import Final

from prometheus_client import CollectorRegistry
from prometheus_client.core import CounterMetricFamily, Metric
from prometheus_client.registry import Collector

from rakuten.metrics.registry import make_registry
from rakuten.monitoring.decision import Action
from rakuten.monitoring.evidence import Outcome
from rakuten.monitoring.exporter.families import age, counter, gauge, gauges, moment
from rakuten.monitoring.exporter.findings import read_stages
from rakuten.monitoring.exporter.scores import score_families
from rakuten.monitoring.exporter.source import Reading, StoreSource
from rakuten.store.flow_runs import STATES
from rakuten.store.overview import Overview, People

_OUTCOMES: Final = tuple(one.value for one in Outcome)
_ACTIONS: Final = tuple(one.value for one in Action)


def make_exporter_registry(source: StoreSource) -> CollectorRegistry:
    """A registry of the exporter: its version, its process, and the store."""
    registry = make_registry()
    registry.register(StoreCollector(source))
    return registry


class StoreCollector(Collector):
    """Reads the store at each scrape; while it is away only that is shown."""

    def __init__(self, source: StoreSource) -> None:
        self._source = source

    def collect(self) -> Iterator[Metric]:
        """All families of one reading."""
        reading = self._source.reading()
        yield from _about_reading(reading)
        if reading.overview is not None:
            yield from store_families(reading.overview, time.time())
        if reading.people is not None:
            yield from people_families(reading.people, time.time())


def store_families(found: Overview, now: float) -> Iterator[Metric]:
    """The families of what was read.

    Args:
        found: what was read.
        now: the moment that ages are counted to, in seconds since 1970.
    """
    yield from _checks(found)
    yield from score_families(found)
    yield from _decisions(found, now)
    yield from _pipelines(found)


def _about_reading(reading: Reading) -> Iterator[Metric]:
    yield gauge(
        "rakuten_exporter_store_up",
        "1 if the prediction store could be read.",
        float(reading.overview is not None),
    )
    yield gauge(
        "rakuten_exporter_read_duration_seconds",
        "How long the last try to read the store took.",
        reading.seconds,
    )
    yield gauge(
        "rakuten_exporter_last_read_timestamp_seconds",
        "When the store was last read.",
        reading.last_read,
    )


def _checks(found: Overview) -> Iterator[Metric]:
    last, success = found.newest_check, found.success
    yield counter(
        "rakuten_monitor_runs",
        "Checks of live traffic that ended, by outcome.",
        "outcome",
        {**dict.fromkeys(_OUTCOMES, 0), **found.checks},
    )
    yield moment(
        "rakuten_monitor_last_run_timestamp_seconds",
        "When the newest check ended.",
        last.finished_at if last else None,
    )
    yield moment(
        "rakuten_monitor_last_success_timestamp_seconds",
        "When the newest check that worked ended.",
        success.finished_at if success else None,
    )
    yield gauge(
        "rakuten_monitor_last_duration_seconds",
        "How long the newest check took.",
        (last.finished_at - last.started_at).total_seconds() if last else None,
    )
    yield gauge(
        "rakuten_monitor_window_products",
        "Answers that the newest check that worked looked at.",
        success.rows if success else None,
    )
    yield gauges(
        "rakuten_drift_state",
        "1 for what the newest check found, 0 for the others.",
        ("state",),
        {(one,): float(one == last.outcome) for one in _OUTCOMES} if last else {},
    )


def _decisions(found: Overview, now: float) -> Iterator[Metric]:
    counts = {action: count for action, (count, _) in found.decided.items()}
    yield counter(
        "rakuten_decisions",
        "Decisions on checks, by action.",
        "action",
        {**dict.fromkeys(_ACTIONS, 0), **counts},
    )
    yield gauges(
        "rakuten_decision_last_timestamp_seconds",
        "When the newest decision of an action was made.",
        ("action",),
        {(action,): at.timestamp() for action, (_, at) in found.decided.items()},
    )
    yield gauge(
        "rakuten_retraining_open",
        "1 if a retraining was decided that nobody has carried out.",
        float(found.retraining_since is not None),
    )
    yield gauge(
        "rakuten_retraining_open_age_seconds",
        "Time since that decision; 0 where there is none.",
        age(found.retraining_since, now),
    )


def people_families(found: People, now: float) -> Iterator[Metric]:
    """The families of what waits for people and what they said; ``now`` as above."""
    yield gauge(
        "rakuten_review_queue_products",
        "Products that wait for a reviewer, claimed ones among them.",
        found.queued,
    )
    yield gauge(
        "rakuten_review_oldest_age_seconds",
        "How long the oldest of them has waited; 0 where there is none.",
        age(found.oldest_queued, now),
    )
    yield CounterMetricFamily(
        "rakuten_feedback", "Answers that a reviewer has said something of.", value=found.feedback
    )
    yield moment(
        "rakuten_feedback_last_timestamp_seconds",
        "When somebody last did.",
        found.newest_feedback,
    )


def _pipelines(found: Overview) -> Iterator[Metric]:
    last = found.newest_pipeline
    yield counter(
        "rakuten_pipeline_runs",
        "Runs of the pipeline's flow that ended, by state.",
        "state",
        {**dict.fromkeys(STATES, 0), **found.pipelines},
    )
    yield moment(
        "rakuten_pipeline_last_run_timestamp_seconds",
        "When the last run ended.",
        last.finished_at if last else None,
    )
    yield moment(
        "rakuten_pipeline_last_success_timestamp_seconds",
        "When the last run ended that did not fail.",
        found.pipeline_success,
    )
    yield gauge(
        "rakuten_pipeline_last_duration_seconds",
        "How long the last run took, waiting for another one included.",
        (last.finished_at - last.started_at).total_seconds() if last else None,
    )
    newest: dict[str, tuple[float, datetime]] = {}
    for at, text in reversed(found.stages):
        newest |= {stage: (seconds, at) for stage, seconds in read_stages(text).items()}
    yield gauges(
        "rakuten_stage_last_duration_seconds",
        "How long DVC took for a stage when it last really ran.",
        ("stage",),
        {(stage,): seconds for stage, (seconds, _) in newest.items()},
    )
    yield gauges(
        "rakuten_stage_last_run_timestamp_seconds",
        "End of the pipeline run in which a stage last really ran.",
        ("stage",),
        {(stage,): at.timestamp() for stage, (_, at) in newest.items()},
    )
