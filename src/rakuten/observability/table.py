"""Tables of objectives and alerts for docs/alerts.md, made from what the rules are made from."""

from collections.abc import Iterable

from rakuten.observability.alerts import all_alerts
from rakuten.observability.slo import BURN_RATES, OBJECTIVES
from rakuten.observability.timescale import TimeScale


def objective_table() -> str:
    """Burn rates with the share of bad requests at which each alerts, as Markdown."""
    header = ["burn rate", "windows", *(objective.title for objective in OBJECTIVES), "severity"]
    rows = [
        [
            f"{burn.factor}",
            f"{burn.long} and {burn.short}",
            *(f"{float(burn.factor * o.budget):.4g}" for o in OBJECTIVES),
            burn.severity,
        ]
        for burn in BURN_RATES
    ]
    return _table(header, rows)


def alert_table() -> str:
    """Every alert rule with its runbook, as Markdown; paths are seen from ``docs``."""
    rows = []
    for alert in all_alerts(TimeScale()):
        labels = " ".join(f"`{key}={value}`" for key, value in alert.labels.items())
        link = f"[{alert.name}](runbooks/{alert.name}.md)"
        rows.append([link, alert.severity, labels, alert.summary, alert.hold or "at once"])
    return _table(["alert", "severity", "labels", "when", "for"], rows)


def _table(header: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    head = list(header)
    lines = [head, ["---"] * len(head), *rows]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)
