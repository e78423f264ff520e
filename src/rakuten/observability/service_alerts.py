"""Alerts about the prediction service: is it there, does it keep its promises, is it full?"""

from collections.abc import Iterator

from rakuten.observability.model import Alert
from rakuten.observability.slo import BURN_RATES, LEAST_BAD, BurnRate, Objective
from rakuten.observability.timescale import TimeScale


def presence_alerts() -> Iterator[Alert]:
    """Nobody answers, or nobody can.

    The label ``scope`` tells one process from the whole service, so that Alertmanager mutes what
    follows only where no process is left.
    """
    yield from _down_alerts()
    yield from _no_model_alerts()


def _down_alerts() -> Iterator[Alert]:
    yield Alert(
        "RakutenServiceDown",
        "page",
        'up{job="api"} == 0',
        "A process of the prediction service does not answer Prometheus",
        "{{ $labels.instance }} has not answered for 2 minutes.",
        hold="2m",
        labels={"scope": "process"},
    )
    yield Alert(
        "RakutenServiceDown",
        "page",
        'absent(up{job="api"} == 1)',
        "No process of the prediction service answers Prometheus",
        "Not one process of the job api has answered for 2 minutes, or none is known.",
        hold="2m",
        labels={"job": "api", "scope": "service"},
    )


def _no_model_alerts() -> Iterator[Alert]:
    yield Alert(
        "RakutenNoModel",
        "page",
        'rakuten_model_ready{job="api"} == 0',
        "A process of the service has no model to answer with",
        "{{ $labels.instance }} has had no model for 2 minutes: it answers 503.",
        hold="2m",
        labels={"scope": "process"},
    )
    yield Alert(
        "RakutenNoModel",
        "page",
        'max by (job) (rakuten_model_ready{job="api"}) == 0',
        "No process of the service has a model to answer with",
        "The whole service has had no model for 2 minutes: every prediction is a 503.",
        hold="2m",
        labels={"scope": "service"},
    )


def burn_alerts(objective: Objective, scale: TimeScale) -> Iterator[Alert]:
    """One alert for each burn rate of an objective."""
    for burn in BURN_RATES:
        limit = f"({burn.factor} * {objective.budget})"
        yield Alert(
            objective.alert,
            burn.severity,
            f"(\n  {objective.record}{burn.long} > {limit}\nand\n"
            f"  {objective.record}{burn.short} > {limit}\n)\nand\n"
            f"{objective.bad_count(scale.duration(burn.long))} >= {LEAST_BAD}",
            f"{objective.title}: at this rate the error budget of 30 days lasts {_left(burn)}",
            _burn_description(objective, burn),
            labels={"window": burn.long},
        )


def _burn_description(objective: Objective, burn: BurnRate) -> str:
    return (
        f"{{{{ $value | humanizePercentage }}}} of the requests of the last {burn.long} were bad, "
        f"and it goes on ({burn.short}). The objective allows {objective.budget:%} over 30 days; "
        f"this is {burn.factor} times as much, or more."
    )


def _left(burn: BurnRate) -> str:
    hours = 30 * 24 / burn.factor
    return f"{hours:.0f} hours" if hours < 100 else f"{hours / 24:.0f} days"


def load_alerts(scale: TimeScale) -> Iterator[Alert]:
    """The queue, the store and the spool."""
    yield Alert(
        "RakutenOverloaded",
        "ticket",
        f"avg_over_time(rakuten:queue:used_ratio[{scale.duration('5m')}]) > 0.8",
        "The queue of a lane is more than 80 % full",
        "The {{ $labels.lane }} lane of {{ $labels.instance }} was "
        "{{ $value | humanizePercentage }} full on average of 5 minutes; "
        "beyond its limit requests are refused.",
        hold="2m",
    )
    yield Alert(
        "RakutenStoreAway",
        "page",
        f'last_over_time(rakuten_store_up{{job="api"}}[{scale.duration("5m")}]) == 0',
        "The database of the prediction store has been away for 10 minutes",
        "{{ $labels.instance }} keeps answers in its spool meanwhile. Nothing is lost until the "
        "spool is full; then requests are refused.",
        hold="10m",
    )
    yield from _spool_alerts(scale)


def _spool_alerts(scale: TimeScale) -> Iterator[Alert]:
    records, quarter = 'rakuten_spool_records{job="api"}', scale.duration("15m")
    yield Alert(
        "RakutenSpoolGrowing",
        "ticket",
        f"min_over_time({records}[{quarter}]) > 0\nand\n{records} > {records} offset {quarter}",
        "The spool has not been empty for 15 minutes, and it grew",
        "{{ $labels.instance }} has had at least {{ $value }} answers waiting for the database "
        "for 15 minutes, and has more now.",
    )
    size, limit = 'rakuten_spool_bytes{job="api"}', 'rakuten_spool_limit_bytes{job="api"}'
    ahead = f"predict_linear({size}[{scale.duration('30m')}], {scale.seconds('1h')})"
    yield Alert(
        "RakutenSpoolNearlyFull",
        "page",
        f"rakuten:spool:used_ratio > 0.8\nor\n{ahead} / ({limit} > 0) > 1",
        "The spool is more than 80 % full, or will be full within an hour",
        "{{ $labels.instance }}: {{ $value | humanizePercentage }} of the spool, now or in an hour "
        "if it goes on. When it is full, requests are refused with 503.",
        hold="5m",
    )
