"""Expressions and looks that several dashboards share."""

from typing import Final

from rakuten.observability.panels import (
    BLUE,
    GREEN,
    GREY,
    ORANGE,
    RED,
    Annotation,
    Panel,
    Query,
    Threshold,
    Unit,
    Word,
)
from rakuten.observability.slo import AVAILABILITY, LATENCY

AVAILABILITY_BUDGET: Final = float(AVAILABILITY.budget)
"""Share of requests to ``/v1/*`` that may fail."""
LATENCY_BUDGET: Final = float(LATENCY.budget)
"""Share of predictions that may take longer than ``LATENCY_SECONDS``."""
HOUR: Final = 3600.0
DAY: Final = 86400.0

ERROR_RATIO: Final = AVAILABILITY.record
SLOW_RATIO: Final = LATENCY.record
BURN_WINDOWS: Final = ("5m", "1h", "6h", "3d")
NEUTRAL: Final = (Threshold(None, BLUE),)
"""Looks of a number that is neither good nor bad."""
BURN_LIMITS: Final = (
    Threshold(None, GREEN),
    Threshold(1, ORANGE),
    Threshold(6, RED),
    Threshold(14.4, "dark-red"),
)

UP_WORDS: Final = (Word(1, "up", GREEN), Word(0, "away", RED))
READY_WORDS: Final = (Word(1, "yes", GREEN), Word(0, "no", RED))
OPEN_WORDS: Final = (Word(0, "none", GREEN), Word(1, "open", ORANGE))
SEVERITY_WORDS: Final = (
    Word(0, "none", GREEN),
    Word(1, "drifted", ORANGE),
    Word(2, "critical", RED),
)
VERDICT_WORDS: Final = (
    Word(0, "none", GREEN),
    Word(1, "warning", ORANGE),
    Word(2, "critical", RED),
    Word(3, "too little data", GREY),
    Word(4, "check failed", "purple"),
)
VERDICT: Final = " + ".join(
    f'max(rakuten_drift_state{{state="{state}"}}) * {number}'
    for number, state in enumerate(("warning", "critical", "not_enough_data", "check_failed"), 1)
)
"""0 none, 1 warning, 2 critical, 3 too little data, 4 check failed; nothing while unknown."""
MISSING_PHOTOS: Final = "rakuten:predictions:image_missing_ratio_rate30m"
REVIEW_SHARE: Final = "rakuten:predictions:review_ratio_rate1h"


def limits(*steps: tuple[float, str], first: str = GREEN) -> tuple[Threshold, ...]:
    """Thresholds: ``first`` below the first step, then each step's colour from its value on."""
    return (Threshold(None, first), *(Threshold(value, colour) for value, colour in steps))


def budget_left(ratio: str, budget: float) -> str:
    """Share of an error budget of 30 days that is left, each moment weighted by its traffic."""
    traffic = "sum(rakuten:requests:rate5m)"
    bad = f"sum_over_time((max({ratio}5m) * {traffic})[30d:5m])"
    return f"1 - {bad} / sum_over_time(({traffic})[30d:5m]) / {budget:g}"


def age(metric: str) -> str:
    """Seconds since a time stamp; nothing where that never happened (0, or no series)."""
    return f"time() - (max({metric}) > 0)"


def burn(ratio: str, budget: float) -> tuple[Query, ...]:
    """How many times faster than allowed the budget goes, for each window."""
    return tuple(
        Query(f"max({ratio}{window}) / {budget:g}", f"over {window}") for window in BURN_WINDOWS
    )


def by_class(matchers: str) -> str:
    """Requests a second by class of their status (2xx, 4xx, 5xx)."""
    rate = f"sum by (status) (rate(rakuten_requests_total{{{matchers}}}[$__rate_interval]))"
    return f'sum by (class) (label_replace({rate}, "class", "${{1}}xx", "status", "(.).."))'


def stat(
    title: str,
    expression: str,
    unit: Unit,
    *,
    what: str,
    good: str,
    action: str,
    width: int = 3,
    alerts: tuple[str, ...] = (),
    thresholds: tuple[Threshold, ...] = (),
    words: tuple[Word, ...] = (),
    decimals: int | None = None,
    absent: str = "no data",
) -> Panel:
    """One number, evaluated now: a series that has gone is not shown as it last was."""
    return Panel(
        title=title,
        what=what,
        good=good,
        action=action,
        unit=unit,
        kind="stat",
        targets=(Query(expression, instant=True),),
        width=width,
        alerts=alerts,
        thresholds=thresholds,
        words=words,
        decimals=decimals,
        absent=absent,
    )


MODEL_LIVE: Final = Annotation(
    name="Model went live",
    expression="count by (name, version) (rakuten_model_info) unless "
    "count by (name, version) (rakuten_model_info offset 5m)",
    title="Model live",
    text="{{name}} version {{version}}",
    colour="blue",
)
PAGES: Final = Annotation(
    name="Pages",
    expression='max by (alertname) (ALERTS{alertstate="firing", severity="page"})',
    title="{{alertname}}",
    text="fired",
    colour="red",
)
RETRAINED: Final = Annotation(
    name="Decided to retrain",
    expression='sum(increase(rakuten_decisions_total{action="retrain"}[5m])) > 0',
    title="Decided to retrain",
    text="",
    colour="purple",
)


def photos_missing(width: int) -> Panel:
    """Share of products without a usable photo, now."""
    return stat(
        "Photos missing",
        MISSING_PHOTOS,
        "percentunit",
        what="Share of predictions of the last 30 minutes without a usable photo.",
        good="What it was yesterday; “Products without a usable photo” has both lines.",
        action="Look at the shop's photo delivery; the answers rest on texts alone meanwhile.",
        width=width,
        alerts=("RakutenPhotosMissing",),
        thresholds=limits((0.1, ORANGE), (0.3, RED)),
        decimals=1,
        absent="no traffic",
    )


def drift_verdict(width: int) -> Panel:
    """What the newest finished check says."""
    return stat(
        "Drift",
        VERDICT,
        "none",
        what="Verdict of the newest finished check of live traffic.",
        good="none. Too little data is no verdict.",
        action="Open “Data and drift”: which columns moved, and what was decided.",
        width=width,
        alerts=("RakutenDrift", "RakutenCheckFailed"),
        words=VERDICT_WORDS,
        absent="no check",
    )


def review_share(width: int) -> Panel:
    """Share of answers that a person has to look at, now."""
    return stat(
        "Review share",
        REVIEW_SHARE,
        "percentunit",
        what="Share of answers of the last hour that went to the review queue.",
        good="Near the share that the decision threshold was chosen for.",
        action="If it rises, see confidence by type and photos missing; people will be late.",
        width=width,
        alerts=("RakutenReviewQueueOld",),
        thresholds=limits((0.3, ORANGE), (0.5, RED)),
        decimals=1,
        absent="no traffic",
    )


def last_pipeline(width: int) -> Panel:
    """Time since the pipeline went through."""
    return stat(
        "Last good pipeline run",
        age("rakuten_pipeline_last_success_timestamp_seconds"),
        "s",
        what="Time since the pipeline last ended well: promoted, refused, or nothing to do.",
        good="Under a week with the weekly schedule.",
        action="Open “Pipeline” and the log of the newest run.",
        width=width,
        alerts=("RakutenModelStale", "RakutenPipelineFailed"),
        thresholds=limits((8 * DAY, ORANGE), (45 * DAY, RED)),
        absent="never",
    )


def live_model(width: int) -> Panel:
    """Name and version of what answers."""
    return Panel(
        title="Live model",
        what="Version of the model that answers; two of them while processes change over.",
        good="One version, the champion of the registry.",
        action="Two for more than a minute: see refusals on “Model”. None: nobody is answered.",
        unit="none",
        kind="stat",
        targets=(Query("count by (version) (rakuten_model_info)", "v{{version}}", instant=True),),
        width=width,
        alerts=("RakutenNoModel", "RakutenModelRefused"),
        thresholds=NEUTRAL,
        names=True,
        absent="none",
    )
