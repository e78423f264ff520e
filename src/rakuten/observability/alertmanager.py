"""Alertmanager's configuration: who is told what, how often, and what mutes what.

It holds no secret: addresses and tokens that are secret lie in files whose paths it names.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from rakuten.observability.documents import write_yaml
from rakuten.observability.timescale import TimeScale

COMMAND: Final = "rakuten observability alertmanager"
TELL_PATH: Final = "/alerts"
CHECK_PATH: Final = "/monitor"


@dataclass(frozen=True)
class Receivers:
    """Where messages go.

    Args:
        webhook: ``HOST:PORT`` of ``rakuten flow webhook``, which tells people and starts checks.
        token_file: file with its token, as Alertmanager sees it. Telling people needs none.
        slack_url_file: file with the address of a Slack webhook for pages and tickets.
        pagerduty_key_file: file with a PagerDuty key for pages.
    """

    webhook: str = "127.0.0.1:9110"
    token_file: str = "/run/secrets/rakuten_webhook_token"  # noqa: S105 - a path
    slack_url_file: str | None = None
    pagerduty_key_file: str | None = None


def alertmanager_config(scale: TimeScale, receivers: Receivers) -> dict[str, Any]:
    """The content of ``alertmanager.yml``, for Alertmanager 0.25 and newer."""
    return {
        "route": _routes(scale),
        "inhibit_rules": _inhibitions(),
        "receivers": [
            _receiver("page", receivers),
            _receiver("ticket", receivers),
            _receiver("check", receivers),
        ],
    }


def write_alertmanager(path: Path, scale: TimeScale, receivers: Receivers) -> None:
    """Write ``alertmanager.yml``.

    Raises:
        StorageError: the file system refused.
    """
    write_yaml(path, alertmanager_config(scale, receivers), command=COMMAND)


def _routes(scale: TimeScale) -> dict[str, Any]:
    """What has no severity that is known here is told as a ticket: nothing is dropped."""

    def timing(wait: str, repeat: str) -> dict[str, str]:
        return {"group_wait": scale.duration(wait), "repeat_interval": scale.duration(repeat)}

    return {
        "receiver": "ticket",
        "group_by": ["alertname"],
        "group_interval": scale.duration("5m"),
        **timing("1m", "1d"),
        "routes": [
            {"matchers": ['severity="page"'], "receiver": "page", **timing("15s", "2h")},
            {"matchers": ['severity="check"'], "receiver": "check", **timing("30s", "1h")},
        ],
    }


def _inhibitions() -> list[dict[str, Any]]:
    """What follows from something that is told already stays quiet."""
    return [
        # No process is left to answer: of course requests fail, and photos are missing.
        _mute(
            ['alertname=~"RakutenServiceDown|RakutenNoModel"', 'scope="service"'],
            ['alertname=~"RakutenAvailabilityBurn|RakutenLatencyBurn|RakutenPhotosMissing"'],
        ),
        _mute(
            ['alertname="RakutenServiceDown"', 'scope="service"'],
            [
                'alertname!="RakutenServiceDown"',
                'job="api"',
            ],
        ),
        # One process is away: what it said last is no news, what others say is.
        _mute(
            ['alertname="RakutenServiceDown"'],
            ['alertname!="RakutenServiceDown"', 'job="api"'],
            equal=["job", "instance"],
        ),
        # Where there is no model, there is none to be confirmed.
        _mute(
            ['alertname="RakutenNoModel"'],
            ['alertname="RakutenModelUnconfirmed"'],
            equal=["job", "instance"],
        ),
        # One alert in two severities.
        _mute(['severity="page"'], ['severity="ticket"'], equal=["alertname"]),
        # The database is away: the spool grows, the exporter reads nothing.
        _mute(['alertname="RakutenStoreAway"'], ['alertname="RakutenExporterBlind"']),
        _mute(
            ['alertname=~"RakutenStoreAway|RakutenSpoolNearlyFull"'],
            ['alertname="RakutenSpoolGrowing"'],
            equal=["job", "instance"],
        ),
        _mute(
            ['alertname="RakutenExporterDown"'],
            ['alertname!="RakutenExporterDown"', 'job="exporter"'],
        ),
    ]


def _mute(
    sources: Sequence[str], targets: Sequence[str], *, equal: Sequence[str] = ()
) -> dict[str, Any]:
    same = {"equal": list(equal)} if equal else {}
    return {"source_matchers": list(sources), "target_matchers": list(targets), **same}


def _receiver(name: str, receivers: Receivers) -> dict[str, Any]:
    address = f"http://{receivers.webhook}"
    hooks: list[dict[str, Any]] = [{"url": f"{address}{TELL_PATH}", "send_resolved": True}]
    if name == "check":
        hooks.append(
            {
                "url": f"{address}{CHECK_PATH}",
                "send_resolved": False,
                "http_config": {"authorization": {"credentials_file": receivers.token_file}},
            }
        )
    receiver: dict[str, Any] = {"name": name, "webhook_configs": hooks}
    if receivers.slack_url_file and name != "check":
        receiver["slack_configs"] = [_slack(receivers.slack_url_file)]
    if receivers.pagerduty_key_file and name == "page":
        receiver["pagerduty_configs"] = [{"routing_key_file": receivers.pagerduty_key_file}]
    return receiver


def _slack(url_file: str) -> dict[str, Any]:
    return {
        "api_url_file": url_file,
        "send_resolved": True,
        "title": "{{ .Status | toUpper }} {{ .GroupLabels.alertname }}",
        "text": "{{ range .Alerts }}{{ .Annotations.summary }}\n{{ .Annotations.description }}\n"
        "{{ .Annotations.runbook_url }}\n{{ end }}",
    }
