"""Every alert, in groups."""

from rakuten.observability.flow_alerts import (
    exporter_alerts,
    monitor_alerts,
    pipeline_alerts,
    review_alerts,
)
from rakuten.observability.model import Alert, Group
from rakuten.observability.model_alerts import model_alerts, photo_alerts
from rakuten.observability.service_alerts import burn_alerts, load_alerts, presence_alerts
from rakuten.observability.slo import OBJECTIVES
from rakuten.observability.timescale import TimeScale


def alert_groups(scale: TimeScale) -> tuple[Group, ...]:
    """Every alert rule, grouped by what it is about."""
    burns = [alert for objective in OBJECTIVES for alert in burn_alerts(objective, scale)]
    return (
        Group("rakuten-service-alerts", (*presence_alerts(), *load_alerts(scale))),
        Group("rakuten-slo-alerts", tuple(burns)),
        Group("rakuten-model-alerts", (*model_alerts(scale), *photo_alerts(scale))),
        Group("rakuten-exporter-alerts", tuple(exporter_alerts(scale))),
        Group(
            "rakuten-flow-alerts",
            (*monitor_alerts(scale), *pipeline_alerts(scale), *review_alerts(scale)),
        ),
    )


def all_alerts(scale: TimeScale) -> tuple[Alert, ...]:
    """Every alert rule; several may have one name, with other labels."""
    return tuple(
        rule for group in alert_groups(scale) for rule in group.rules if isinstance(rule, Alert)
    )
