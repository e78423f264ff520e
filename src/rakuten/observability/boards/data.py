"""The dashboard of data and drift: is live traffic still what the model was made for?"""

from typing import Final

from rakuten.observability.boards.shared import (
    HOUR,
    MODEL_LIVE,
    NEUTRAL,
    OPEN_WORDS,
    RETRAINED,
    SEVERITY_WORDS,
    VERDICT,
    VERDICT_WORDS,
    age,
    drift_verdict,
    limits,
    photos_missing,
    stat,
)
from rakuten.observability.panels import (
    BLUE,
    GREEN,
    ORANGE,
    RED,
    Column,
    Dashboard,
    Panel,
    Query,
    Row,
)

_NOW: Final = (
    drift_verdict(3),
    stat(
        "Columns that drifted",
        "count(rakuten_drift_severity > 0) or 0 * count(rakuten_drift_severity)",
        "none",
        what="Columns of the newest check whose difference is significant and large enough.",
        good="0.",
        action="The table below names them, the largest effect first.",
        alerts=("RakutenDrift",),
        thresholds=limits((1, ORANGE), (4, RED)),
        absent="no check",
    ),
    stat(
        "Last good check",
        age("rakuten_monitor_last_success_timestamp_seconds"),
        "s",
        what="Time since live traffic was last checked to the end.",
        good="Under an hour or so, as the schedule says.",
        action="See the monitor flow in Prefect; a check that fails is an alert too.",
        alerts=("RakutenMonitorSilent", "RakutenCheckFailed"),
        thresholds=limits((1.5 * HOUR, ORANGE), (3 * HOUR, RED)),
        absent="never",
    ),
    stat(
        "Answers in the window",
        "max(rakuten_monitor_window_products)",
        "short",
        what="Answers that the newest check looked at.",
        good="As many as monitoring.window_rows; under 100 nothing can be said.",
        action="Few: little traffic since the model went live. Wait, or widen the window.",
        thresholds=limits((100, GREEN), first=ORANGE),
        absent="no check",
    ),
    Panel(
        title="Last decision",
        what="What the newest decision says.",
        good="nothing, or watch.",
        action="alert: read its reasons in the report. retrain: “Pipeline” shows the run.",
        unit="none",
        kind="stat",
        targets=(
            Query(
                "topk(1, rakuten_decision_last_timestamp_seconds > 0)", "{{action}}", instant=True
            ),
        ),
        width=3,
        alerts=("RakutenDrift", "RakutenPerformanceDrop"),
        thresholds=NEUTRAL,
        names=True,
        absent="none yet",
    ),
    stat(
        "Retraining",
        "max(rakuten_retraining_open)",
        "none",
        what="Whether a decision to retrain waits to be carried out.",
        good="none, or open for minutes.",
        action="Open for hours: “Pipeline”, then the log of the flow.",
        alerts=("RakutenRetrainingStuck",),
        words=OPEN_WORDS,
    ),
    photos_missing(3),
    stat(
        "Expected F1",
        'max(rakuten_estimated_score_ratio{score="weighted_f1"})',
        "percentunit",
        what="Weighted F1 that the model's own confidence promises on this traffic, unlabelled.",
        good="Near the held-out score; it leads what labels say later.",
        action="A fall is a hint, not a proof: look at drifted columns and ask for labels.",
        thresholds=NEUTRAL,
        decimals=1,
        absent="no check",
    ),
)
_VERDICTS = Panel(
    title="Verdict of the newest check, over time",
    what="none, warning, critical, too little data, or a check that failed.",
    good="Green throughout.",
    action="A failed check is never a drift: mend the check first.",
    unit="none",
    kind="state-timeline",
    targets=(Query(VERDICT, "drift"),),
    width=12,
    alerts=("RakutenDrift", "RakutenCheckFailed"),
    words=VERDICT_WORDS,
)
_RETRAININGS = Panel(
    title="Decisions a day",
    what="Decisions of the last 24 hours by what they ask for.",
    good="nothing, some watch.",
    action="alert: a person reads the report. retrain: the flow trains; see “Pipeline”.",
    unit="none",
    kind="timeseries",
    targets=(
        Query(
            "sum by (action) (increase(rakuten_decisions_total[24h]))",
            "{{action}}",
        ),
    ),
    width=12,
    alerts=("RakutenDrift", "RakutenPerformanceDrop", "RakutenRetrainingStuck"),
    colours={"nothing": GREEN, "watch": BLUE, "alert": ORANGE, "retrain": "purple"},
    shown="stacked",
    minimum=0,
    decimals=0,
)
_EFFECTS = Panel(
    title="Effect size by column",
    what="How far each column of live traffic is from the model's reference; no unit, the newest "
    "check. The line is the least that counts for numbers and categories; shares and embeddings "
    "count from half of it.",
    good="All under the line.",
    action="Which columns move together says what happened: photos, texts, or the mix of types.",
    unit="none",
    kind="timeseries",
    targets=(
        Query(
            "topk(8, max by (column) (abs(rakuten_drift_effect_size)))",
            "{{column}}",
        ),
    ),
    width=12,
    alerts=("RakutenDrift",),
    thresholds=limits((0.1, ORANGE), (0.4, RED)),
    limit_lines=True,
    shown="steps",
    minimum=0,
    decimals=2,
)
_COLUMNS = Panel(
    title="Columns, the largest effect first",
    what="Effect and severity of every column in the newest check.",
    good="Severity none everywhere.",
    action="Compare with the report of `rakuten drift show`, which has the distributions.",
    unit="none",
    kind="table",
    targets=(
        Query("sort_desc(max by (column) (abs(rakuten_drift_effect_size)))", instant=True),
        Query("max by (column) (rakuten_drift_severity)", instant=True),
    ),
    width=12,
    alerts=("RakutenDrift",),
    columns=(
        Column("column", "Column"),
        Column("Value #A", "Effect", "short"),
        Column("Value #B", "Severity", words=SEVERITY_WORDS),
    ),
)
_PHOTOS = Panel(
    title="Products without a usable photo",
    what="Their share over 30 minutes beside that of the last day.",
    good="Both lines together.",
    action="The short one rises: photos fail to arrive; a check of the traffic is started.",
    unit="percentunit",
    kind="timeseries",
    targets=(
        Query("rakuten:predictions:image_missing_ratio_rate30m", "last 30 minutes"),
        Query("rakuten:predictions:image_missing_ratio_rate1d", "last day"),
    ),
    width=8,
    alerts=("RakutenPhotosMissing",),
    colours={"last 30 minutes": ORANGE, "last day": BLUE},
    minimum=0,
)
_STATUSES = Panel(
    title="Photos by state",
    what="Predictions a second by the state of their photo.",
    good="Mostly ok.",
    action="unreadable grows: another format or broken uploads. missing: nothing is sent.",
    unit="cps",
    kind="timeseries",
    targets=(
        Query(
            "sum by (image_status) (rate(rakuten_predictions_total[$__rate_interval]))",
            "{{image_status}}",
        ),
    ),
    width=8,
    alerts=("RakutenPhotosMissing",),
    colours={"ok": GREEN, "missing": ORANGE, "unreadable": RED},
    shown="stacked",
    minimum=0,
)
_TYPES = Panel(
    title="Predicted types, the ten most frequent",
    what="Share of each product type (prdtypecode) in the answers of the last hour.",
    good="The mix of the season, changing slowly.",
    action="One type jumps: a seller uploads a catalogue, or the model mistakes something new.",
    unit="percentunit",
    kind="timeseries",
    targets=(Query("topk(10, rakuten:predictions:type_ratio_rate1h)", "{{prdtypecode}}"),),
    width=8,
    alerts=("RakutenDrift",),
    shown="stacked",
    minimum=0,
)

DATA: Final = Dashboard(
    uid="rakuten-data",
    title="Rakuten / Data and drift",
    question="Is live traffic still what the model was made for, and what was decided?",
    hours=24,
    rows=(
        Row("Now", 3, _NOW),
        Row("Checks and decisions", 6, (_VERDICTS, _RETRAININGS)),
        Row("Columns of the newest check", 10, (_EFFECTS, _COLUMNS)),
        Row("What comes in", 8, (_PHOTOS, _STATUSES, _TYPES)),
    ),
    annotations=(MODEL_LIVE, RETRAINED),
)
