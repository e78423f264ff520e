"""The first two lines of the service's dashboard: is everything well, in numbers?"""

from typing import Final

from rakuten.observability.boards.shared import (
    AVAILABILITY_BUDGET,
    ERROR_RATIO,
    LATENCY_BUDGET,
    NEUTRAL,
    READY_WORDS,
    SLOW_RATIO,
    UP_WORDS,
    budget_left,
    drift_verdict,
    last_pipeline,
    limits,
    live_model,
    photos_missing,
    review_share,
    stat,
)
from rakuten.observability.panels import GREEN, ORANGE, RED, Threshold
from rakuten.observability.slo import LATENCY_SECONDS

_LEFT: Final = (Threshold(None, RED), Threshold(0, ORANGE), Threshold(0.25, GREEN))

FIRING = stat(
    "Alerts firing",
    'count(ALERTS{alertstate="firing"}) or 0 * count(up)',
    "none",
    what="Alerts that fire now, of any severity.",
    good="0.",
    action="“Alerts” below names them; each has a runbook.",
    thresholds=limits((1, RED)),
)
PROCESSES = stat(
    "Service up",
    'min(up{job="api"})',
    "none",
    what="Whether Prometheus reaches every process of the service.",
    good="up.",
    action="See “Processes” at the end for which one is away, then its log.",
    alerts=("RakutenServiceDown",),
    words=UP_WORDS,
    absent="no target",
)
TRAFFIC = stat(
    "Requests",
    "sum(rakuten:requests:rate5m)",
    "reqps",
    what="Requests a second to /v1/* over the last five minutes, all processes.",
    good="What is usual at this hour.",
    action="If it fell to nothing, look at what is in front of the service.",
    thresholds=NEUTRAL,
)
ANSWERED = stat(
    "Answered",
    f"1 - max({ERROR_RATIO}5m)",
    "percentunit",
    what="Share of requests to /v1/* without a 5xx, over five minutes. The objective is 99.5 %.",
    good="99.5 % or more.",
    action="“Problems by reason” says which 5xx it is; then the runbook.",
    alerts=("RakutenAvailabilityBurn",),
    thresholds=(
        Threshold(None, RED),
        Threshold(1 - 14.4 * AVAILABILITY_BUDGET, ORANGE),
        Threshold(1 - AVAILABILITY_BUDGET, GREEN),
    ),
    decimals=2,
    absent="no traffic",
)
SLOWEST = stat(
    "Prediction p99",
    "max(rakuten:predict:p99_seconds)",
    "s",
    what="99 of 100 predictions take less than this, over five minutes.",
    good=f"Under {LATENCY_SECONDS} s, the objective.",
    action="“Time by phase” shows which step grew; then queue and lanes.",
    alerts=("RakutenLatencyBurn",),
    thresholds=limits((LATENCY_SECONDS / 2, ORANGE), (LATENCY_SECONDS, RED)),
    absent="no traffic",
)
AVAILABILITY_LEFT = stat(
    "Error budget left",
    budget_left(ERROR_RATIO, AVAILABILITY_BUDGET),
    "percentunit",
    what="What is left of the 0.5 % of requests that may fail in 30 days.",
    good="More than a quarter.",
    action="Below zero the objective is broken: no risky change until it recovers.",
    alerts=("RakutenAvailabilityBurn",),
    thresholds=_LEFT,
    decimals=0,
    absent="no traffic",
)
LATENCY_LEFT = stat(
    "Latency budget left",
    budget_left(SLOW_RATIO, LATENCY_BUDGET),
    "percentunit",
    what="What is left of the 1 % of predictions that may take over 0.5 s in 30 days.",
    good="More than a quarter.",
    action="Below zero the objective is broken: look for what grew in “Time by phase”.",
    alerts=("RakutenLatencyBurn",),
    thresholds=_LEFT,
    decimals=0,
    absent="no traffic",
)
QUEUE = stat(
    "Queue used",
    "max(rakuten:queue:used_ratio)",
    "percentunit",
    what="Products that wait, as a share of the limit beyond which requests are refused.",
    good="Under half.",
    action="Start another process, or find the client that sends so much.",
    alerts=("RakutenOverloaded",),
    thresholds=limits((0.5, ORANGE), (0.8, RED)),
    decimals=0,
)
STORE = stat(
    "Prediction store",
    "min(rakuten_store_up)",
    "none",
    what="Whether every process can write answers to the database.",
    good="up. While it is away answers go to the spool and nothing is lost.",
    action="See PostgreSQL; watch “Spool used” meanwhile.",
    alerts=("RakutenStoreAway",),
    words=UP_WORDS,
)
SPOOL = stat(
    "Spool used",
    "max(rakuten:spool:used_ratio)",
    "percentunit",
    what="How full the fullest spool is; a full one makes the service refuse.",
    good="Near 0 %: empty but for moments.",
    action="Bring the store back; raise RAKUTEN_SERVE_SPOOL_MIB if the disk has room.",
    alerts=("RakutenSpoolGrowing", "RakutenSpoolNearlyFull"),
    thresholds=limits((0.2, ORANGE), (0.8, RED)),
    decimals=0,
)
READY = stat(
    "Model ready",
    "min(rakuten_model_ready)",
    "none",
    what="Whether every process has a verified model that answers.",
    good="yes.",
    action="See refusals on “Model”, and whether the registry answers.",
    alerts=("RakutenNoModel",),
    words=READY_WORDS,
)

NOW: Final = (
    FIRING,
    PROCESSES,
    TRAFFIC,
    ANSWERED,
    SLOWEST,
    AVAILABILITY_LEFT,
    LATENCY_LEFT,
    QUEUE,
    READY,
    live_model(3),
    STORE,
    SPOOL,
    review_share(3),
    photos_missing(3),
    drift_verdict(3),
    last_pipeline(3),
)
