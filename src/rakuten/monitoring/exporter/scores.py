"""Metrics of what the newest check saw: drift by column, scores from labels, and estimates."""

from collections.abc import Iterator

from prometheus_client.core import Metric

from rakuten.monitoring.exporter.families import gauge, gauges, keyed
from rakuten.monitoring.exporter.findings import Findings, labels_violate, read_findings
from rakuten.store.overview import Overview


def score_families(found: Overview) -> Iterator[Metric]:
    """Those of the newest check that worked; one that failed found nothing, and hides nothing."""
    seen = read_findings(found.success.findings if found.success else None)
    yield from _drift(seen)
    yield from _scores(seen)
    violated = labels_violate(found.reasons)
    yield gauge(
        "rakuten_performance_violated",
        "1 if labels show a loss, as the newest decision on a check that worked has it.",
        None if violated is None else float(violated),
    )


def _drift(seen: Findings) -> Iterator[Metric]:
    yield gauges(
        "rakuten_drift_effect_size",
        "How far a column is from its reference, in the unit of its test.",
        ("column",),
        keyed(seen.effects),
    )
    yield gauges(
        "rakuten_drift_severity",
        "Drift of a column: 0 none, 1 warning, 2 critical by itself.",
        ("column",),
        keyed(seen.severities),
    )


def _scores(seen: Findings) -> Iterator[Metric]:
    yield gauges(
        "rakuten_delayed_score_ratio",
        "Scores from people's labels, weighted to all traffic, with their 95 % interval.",
        ("score", "bound"),
        seen.delayed or {},
    )
    yield gauge("rakuten_delayed_labels", "Answers with a label behind the scores.", seen.labels)
    yield gauge(
        "rakuten_delayed_unknown_ratio",
        "Share of the traffic of a kind that nobody labelled.",
        seen.unknown_share,
    )
    yield gauges(
        "rakuten_delayed_reference_ratio",
        "Score of the live model on its held-out rows, beside the delayed one.",
        ("score",),
        keyed(seen.references),
    )
    yield gauges(
        "rakuten_estimated_score_ratio",
        "Scores that confidence alone promises of the window; no measurement.",
        ("score",),
        keyed(seen.estimated),
    )
