"""Prometheus' own configuration: whom it asks, how often, and whom it tells."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from rakuten.errors import ConfigurationError
from rakuten.observability.slo import WINDOWS
from rakuten.observability.timescale import TimeScale, duration, milliseconds

INTERVAL: Final = "15s"
RULE_FILES: Final = ("rules/recording.yml", "rules/alerts.yml")
LEAST_SCRAPES: Final = 4
"""Scrapes in the shortest window of a rate: with one lost there are still two to compare."""


@dataclass(frozen=True)
class Targets:
    """Who is scraped, as ``HOST:PORT``; each process of the service is a target of its own.

    ``dns`` says that a host name stands for every address that DNS has for it, so that containers
    of one name are found without being listed.
    """

    api: Sequence[str] = ("127.0.0.1:8000",)
    exporter: str = "127.0.0.1:9108"
    alertmanager: str = "127.0.0.1:9093"
    prometheus: str = "127.0.0.1:9090"
    dns: bool = False

    def __post_init__(self) -> None:
        for target in (*self.api, self.exporter, self.alertmanager, self.prometheus):
            host, _, port = target.rpartition(":")
            if not host or "/" in host or not port.isdecimal() or int(port) > 65_535:
                raise ConfigurationError(
                    f"{target!r} is no target.", hint="write HOST:PORT, as in 127.0.0.1:8000"
                )


def prometheus_config(
    scale: TimeScale, targets: Targets, *, interval: str | None = None
) -> dict[str, Any]:
    """The content of ``prometheus.yml``.

    Args:
        scale: what lengths of time are multiplied by.
        targets: whom to scrape.
        interval: between scrapes, and between evaluations, as it is: not scaled. Without it, 15 s
            scaled.

    Raises:
        ConfigurationError: the shortest window would hold fewer than four scrapes.
    """
    length = milliseconds(interval) if interval else milliseconds(INTERVAL) * scale.factor
    shortest = milliseconds(WINDOWS[0]) * scale.factor
    if length * LEAST_SCRAPES > shortest:
        raise ConfigurationError(
            f"A scrape every {duration(length)} is too seldom: the shortest window has "
            f"{duration(shortest)}.",
            hint=f"at most {duration(shortest / LEAST_SCRAPES)} between scrapes",
        )
    return {
        "global": {
            "scrape_interval": duration(length),
            "scrape_timeout": duration(length * 2 / 3),
            "evaluation_interval": duration(length),
        },
        "rule_files": list(RULE_FILES),
        "alerting": {"alertmanagers": [{"static_configs": [{"targets": [targets.alertmanager]}]}]},
        "scrape_configs": [
            _job("api", targets.api, dns=targets.dns),
            _job("exporter", [targets.exporter], dns=targets.dns),
            _job("prometheus", [targets.prometheus]),
            _job("alertmanager", [targets.alertmanager]),
        ],
    }


def _job(name: str, targets: Sequence[str], *, dns: bool = False) -> dict[str, Any]:
    if not dns:
        return {"job_name": name, "static_configs": [{"targets": list(targets)}]}
    found = []
    for target in targets:
        host, _, port = target.rpartition(":")
        found.append({"names": [host], "type": "A", "port": int(port), "refresh_interval": "15s"})
    return {"job_name": name, "dns_sd_configs": found}
