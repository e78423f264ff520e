"""The service's dashboard: one screen that says whether service and model are well."""

from typing import Final

from rakuten.observability.boards.service_load import COSTS, PROCESSES, SATURATION, STORING
from rakuten.observability.boards.service_now import NOW
from rakuten.observability.boards.shared import (
    AVAILABILITY_BUDGET,
    BURN_LIMITS,
    ERROR_RATIO,
    LATENCY_BUDGET,
    MODEL_LIVE,
    PAGES,
    SLOW_RATIO,
    burn,
    by_class,
    limits,
)
from rakuten.observability.panels import GREEN, ORANGE, RED, Dashboard, Panel, Query, Row, Word
from rakuten.observability.slo import LATENCY_SECONDS

_PREDICT: Final = 'route="/v1/predict", instance=~"$instance"'
_QUANTILES: Final = ((0.5, "p50", "green"), (0.95, "p95", "orange"), (0.99, "p99", "red"))


def _quantile(share: float) -> str:
    buckets = f"rakuten_request_duration_seconds_bucket{{{_PREDICT}}}"
    return f"histogram_quantile({share:g}, sum by (le) (rate({buckets}[$__rate_interval]))) >= 0"


ALERTS = Panel(
    title="Alerts",
    what="Every alert that was pending or fired in the time shown, and how long.",
    good="Nothing to show.",
    action="Pages first. The runbook of an alert is docs/runbooks/<its name>.md.",
    unit="none",
    kind="state-timeline",
    targets=(
        Query(
            'max by (alertname, severity) (ALERTS{alertstate="firing"} * 2 '
            'or ALERTS{alertstate="pending"})',
            "{{alertname}} ({{severity}})",
        ),
    ),
    width=8,
    words=(Word(1, "pending", ORANGE), Word(2, "firing", RED)),
    absent="none",
    quiet=True,
)
REQUESTS = Panel(
    title="Requests by outcome",
    what="Requests a second by class of status: 2xx answered, 4xx refused, 5xx failed.",
    good="Green alone, with the shape of the day; 4xx are mistakes of clients.",
    action="5xx: see “Problems by reason”. Much 4xx: a client changed, or a key expired.",
    unit="reqps",
    kind="timeseries",
    targets=(Query(by_class('instance=~"$instance"'), "{{class}}"),),
    width=8,
    alerts=("RakutenAvailabilityBurn",),
    colours={"2xx": GREEN, "3xx": "blue", "4xx": ORANGE, "5xx": RED},
    shown="stacked",
    minimum=0,
)
LATENCY = Panel(
    title="Latency of predictions",
    what="Time to the answer of POST /v1/predict; the dots are single predictions, by their id.",
    good=f"p99 under the line at {LATENCY_SECONDS} s, p50 steady.",
    action="All grow: queue and lanes. p99 alone: photos, or the store; see “Time by phase”.",
    unit="s",
    kind="timeseries",
    targets=tuple(Query(_quantile(q), name, exemplars=q > 0.9) for q, name, _ in _QUANTILES),
    width=8,
    alerts=("RakutenLatencyBurn",),
    thresholds=limits((LATENCY_SECONDS, RED)),
    limit_lines=True,
    colours={name: colour for _, name, colour in _QUANTILES},
    minimum=0,
)
AVAILABILITY_BURN = Panel(
    title="Availability: budget burn",
    what="How many times faster than allowed the error budget is used up, for four windows.",
    good="All lines under 1: the budget lasts 30 days.",
    action="Above 14.4 over 1h and 5m, or 6 over 6h, you are paged; 1 over 3d is a ticket.",
    unit="none",
    kind="timeseries",
    targets=burn(ERROR_RATIO, AVAILABILITY_BUDGET),
    width=8,
    alerts=("RakutenAvailabilityBurn",),
    thresholds=BURN_LIMITS,
    limit_lines=True,
    minimum=0,
    decimals=1,
)
LATENCY_BURN = Panel(
    title="Latency: budget burn",
    what="The same for predictions that took over 0.5 s, of which 1 % is allowed.",
    good="All lines under 1.",
    action="As with availability; “Time by phase” says what to mend.",
    unit="none",
    kind="timeseries",
    targets=burn(SLOW_RATIO, LATENCY_BUDGET),
    width=8,
    alerts=("RakutenLatencyBurn",),
    thresholds=BURN_LIMITS,
    limit_lines=True,
    minimum=0,
    decimals=1,
)
PROBLEMS = Panel(
    title="Problems by reason",
    what="Answers that were problems, a second, by the reason that the client was told.",
    good="Few, and reasons of clients: a photo that cannot be read, a field too long.",
    action="Overloaded or timed out: more processes. No model, store full: the runbook.",
    unit="cps",
    kind="timeseries",
    targets=(
        Query(
            "sum by (reason) "
            '(rate(rakuten_problems_total{instance=~"$instance"}[$__rate_interval]))',
            "{{reason}}",
        ),
    ),
    width=8,
    alerts=("RakutenAvailabilityBurn", "RakutenOverloaded"),
    shown="stacked",
    minimum=0,
)

SERVICE: Final = Dashboard(
    uid="rakuten-service",
    title="Rakuten / Service",
    question="Are the service and its model well, and if not, since when and why?",
    hours=3,
    rows=(
        Row("Now", 3, NOW),
        Row("What clients get", 8, (ALERTS, REQUESTS, LATENCY)),
        Row(
            "Objectives: 99.5 % answered, 99 % of predictions within 0.5 s, over 30 days",
            8,
            (AVAILABILITY_BURN, LATENCY_BURN, PROBLEMS),
        ),
        Row("Where the time goes", 8, COSTS),
        Row("Saturation", 7, SATURATION),
        Row("Store and spool", 7, STORING),
        Row("Processes", 6, (PROCESSES,)),
    ),
    annotations=(MODEL_LIVE, PAGES),
    instances="api",
)
