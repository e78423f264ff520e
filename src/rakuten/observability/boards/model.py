"""The model's dashboard: which model answers, how right it is, and how sure."""

from typing import Final

from rakuten.observability.boards.shared import (
    MODEL_LIVE,
    NEUTRAL,
    RETRAINED,
    UP_WORDS,
    age,
    limits,
    live_model,
    review_share,
    stat,
)
from rakuten.observability.panels import (
    BLUE,
    GREEN,
    ORANGE,
    RED,
    Dashboard,
    Panel,
    Query,
    Row,
    Word,
)

_HERE: Final = 'instance=~"$instance"'
_INTERVAL: Final = {
    "estimate": GREEN,
    "upper": "semi-dark-green",
    "lower": "semi-dark-green",
    "held-out": BLUE,
    "expected without labels": "purple",
}


def _score(name: str) -> Query:
    """A delayed score with the bounds of its interval, where it has one."""
    return Query(f'max by (bound) (rakuten_delayed_score_ratio{{score="{name}"}})', "{{bound}}")


_NOW: Final = (
    live_model(3),
    stat(
        "Registry",
        "min(rakuten_registry_up)",
        "none",
        what="Whether the model registry answered when it was asked last.",
        good="up. While it is away the live model goes on answering.",
        action="See MLflow; no new model goes live meanwhile.",
        alerts=("RakutenModelUnconfirmed",),
        words=UP_WORDS,
    ),
    stat(
        "Champion confirmed",
        age("rakuten_model_confirmed_timestamp_seconds"),
        "s",
        what="Time since the registry last said that the live model is the champion.",
        good="Under a minute: the alias is asked every 15 s.",
        action="See MLflow and the network between.",
        alerts=("RakutenModelUnconfirmed",),
        thresholds=limits((120, ORANGE), (1800, RED)),
        absent="never",
    ),
    stat(
        "Swaps, 24 h",
        "max(increase(rakuten_model_swaps_total[24h]))",
        "none",
        what="How often a new model went live in a day, in the process that saw most.",
        good="0 or 1; more on days when somebody promotes and rolls back.",
        action="Many: two promotions compete; see the registry's record.",
        thresholds=NEUTRAL,
        decimals=0,
    ),
    stat(
        "Refused, 24 h",
        "sum(increase(rakuten_model_refusals_total[24h]))",
        "none",
        what="Models that a process would not take in a day: damaged, or golden answers differ.",
        good="0.",
        action="“Refusals by reason” below; the old model goes on answering.",
        alerts=("RakutenModelRefused",),
        thresholds=limits((1, RED)),
        decimals=0,
    ),
    review_share(3),
    stat(
        "Weighted F1, delayed",
        'max(rakuten_delayed_score_ratio{score="weighted_f1", bound="estimate"})',
        "percentunit",
        what="Weighted F1 over all traffic, from the labels that people have given so far.",
        good="Within its interval of the held-out value: see the picture below.",
        action="Only a loss that labels prove counts: “Performance” says whether it does.",
        alerts=("RakutenPerformanceDrop",),
        thresholds=NEUTRAL,
        decimals=1,
        absent="no labels",
    ),
    stat(
        "Performance",
        "max(rakuten_performance_violated)",
        "none",
        what="Whether the labels of the newest check prove a loss beyond the margin.",
        good="holds.",
        action="See “Decisions” on “Data and drift”: a retraining may be under way.",
        alerts=("RakutenPerformanceDrop",),
        words=(Word(0, "holds", GREEN), Word(1, "dropped", RED)),
        absent="no check",
    ),
)
_F1 = Panel(
    title="Weighted F1 on live traffic",
    what="Measured on delayed labels with its 95 % interval, beside the held-out score of the "
    "model and what its confidence alone promises.",
    good="The held-out line lies inside the interval.",
    action="Upper bound under the held-out line less the margin: the model lost; see the runbook.",
    unit="percentunit",
    kind="timeseries",
    targets=(
        _score("weighted_f1"),
        Query('max(rakuten_delayed_reference_ratio{score="weighted_f1"})', "held-out"),
        Query('max(rakuten_estimated_score_ratio{score="weighted_f1"})', "expected without labels"),
    ),
    width=9,
    alerts=("RakutenPerformanceDrop",),
    colours=_INTERVAL,
    shown="steps",
    maximum=1,
)
_AUTO = Panel(
    title="Automatic answers that are right",
    what="Precision of automatic answers with its 95 % interval; needs labels of such answers.",
    good="At or above the promise of the decision threshold.",
    action="Below it: raise the threshold, or retrain; wrong answers reach the shop unseen.",
    unit="percentunit",
    kind="timeseries",
    targets=(_score("auto_precision"),),
    width=5,
    alerts=("RakutenPerformanceDrop",),
    colours=_INTERVAL,
    shown="steps",
    maximum=1,
)
_LABELS = Panel(
    title="Labels behind the scores",
    what="How many answers of the last 30 days have a label by now.",
    good="Hundreds: under 100 there is no interval worth the name.",
    action="Few: ask for reviews, and for a random sample of automatic answers.",
    unit="short",
    kind="timeseries",
    targets=(Query("max(rakuten_delayed_labels)", "labels"),),
    width=5,
    thresholds=limits((100, GREEN), first=ORANGE),
    limit_lines=True,
    shown="steps",
    minimum=0,
)
_UNKNOWN = Panel(
    title="Traffic that nobody labelled",
    what="Share of the traffic that is of a kind without labels: the scores say nothing of it.",
    good="Under the limit that decisions accept (monitoring.retraining.unknown_share).",
    action="Ask for a random sample of automatic answers to be looked at.",
    unit="percentunit",
    kind="timeseries",
    targets=(Query("max(rakuten_delayed_unknown_ratio)", "unknown"),),
    width=5,
    alerts=("RakutenPerformanceDrop",),
    shown="steps",
    minimum=0,
    maximum=1,
)
_CONFIDENCE = Panel(
    title="Confidence of answers",
    what="How many answers a second had which confidence.",
    good="Most of them dark at the top, the same picture every day.",
    action="Sinking: new kinds of products, or photos missing; open “Data and drift”.",
    unit="percentunit",
    kind="heatmap",
    targets=(
        Query(
            "sum by (le) (rate(rakuten_prediction_confidence_ratio_bucket"
            f"{{{_HERE}}}[$__rate_interval]))",
            "{{le}}",
        ),
    ),
    width=12,
    alerts=("RakutenDrift",),
)
_DECISIONS = Panel(
    title="Automatic and reviewed answers",
    what="Answers a second by what happens to them.",
    good="Automatic ones dominate; the share of reviews is steady.",
    action="Reviews grow: the queue will be late; see confidence.",
    unit="cps",
    kind="timeseries",
    targets=(
        Query(
            f"sum by (decision) (rate(rakuten_predictions_total{{{_HERE}}}[$__rate_interval]))",
            "{{decision}}",
        ),
    ),
    width=6,
    alerts=("RakutenReviewQueueOld",),
    colours={"auto": GREEN, "review": ORANGE},
    shown="stacked",
    minimum=0,
)
_CALIBRATION = Panel(
    title="Calibration error",
    what="How far confidence is from the share that is right, on labelled answers.",
    good="A few per cent.",
    action="Growing: the threshold no longer keeps its promise; retrain.",
    unit="percentunit",
    kind="timeseries",
    targets=(_score("calibration_error"),),
    width=6,
    colours=_INTERVAL,
    shown="steps",
    minimum=0,
)
_VERSIONS = Panel(
    title="Live version, by process",
    what="Which version each process answered with, and when it changed.",
    good="One version in all processes, and changes within seconds of each other.",
    action="One process stays behind: its log says why it refused the new one.",
    unit="none",
    kind="state-timeline",
    targets=(
        Query(
            f"max by (instance, version) (rakuten_model_info{{{_HERE}}})",
            "{{instance}} v{{version}}",
        ),
    ),
    width=12,
    alerts=("RakutenNoModel", "RakutenModelRefused"),
    words=(Word(1, "live", BLUE),),
)
_REFUSALS = Panel(
    title="Refusals by reason",
    what="Models that were fetched, tried and not taken, an hour.",
    good="0: what the gate promotes is taken.",
    action="The reason says what is wrong with the version; roll the alias back.",
    unit="none",
    kind="timeseries",
    targets=(
        Query(
            f"sum by (reason) (increase(rakuten_model_refusals_total{{{_HERE}}}[1h]))",
            "{{reason}}",
        ),
    ),
    width=6,
    alerts=("RakutenModelRefused",),
    shown="steps",
    minimum=0,
)
_FAILURES = Panel(
    title="Failures by what failed",
    what="What the live model could not do, an hour: a batch, a look at the registry.",
    good="0.",
    action="The log has the error with the same word.",
    unit="none",
    kind="timeseries",
    targets=(
        Query(f"sum by (what) (increase(rakuten_model_failures_total{{{_HERE}}}[1h]))", "{{what}}"),
    ),
    width=6,
    alerts=("RakutenModelUnconfirmed", "RakutenNoModel"),
    shown="steps",
    minimum=0,
)

MODEL: Final = Dashboard(
    uid="rakuten-model",
    title="Rakuten / Model",
    question="Which model answers, how right is it, and how sure?",
    hours=24,
    rows=(
        Row("Now", 3, _NOW),
        Row("How right it is, from labels that come late", 8, (_F1, _AUTO, _LABELS, _UNKNOWN)),
        Row("How sure it is", 8, (_CONFIDENCE, _DECISIONS, _CALIBRATION)),
        Row("What went live, and what did not", 7, (_VERSIONS, _REFUSALS, _FAILURES)),
    ),
    annotations=(MODEL_LIVE, RETRAINED),
    instances="api",
)
