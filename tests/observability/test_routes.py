"""The real Alertmanager, in fast time: who hears what, what is muted, and that it ends."""

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from rakuten.observability.alertmanager import Receivers, write_alertmanager
from rakuten.observability.timescale import TimeScale
from tests.observability.receiver import Received, receiver
from tests.servers.prometheus import Alertmanager, alertmanager, eventually

pytestmark = pytest.mark.servers

TOKEN = "a-token-that-only-a-file-holds"
SETTLED = 3.5
"""Seconds after which every group at 1/120 was told, and once more where it changed."""


@pytest.fixture
def heard() -> Iterator[Received]:
    with receiver() as found:
        yield found


@pytest.fixture
def manager(tmp_path: Path, heard: Received) -> Iterator[Alertmanager]:
    token = tmp_path / "token"
    token.write_text(f"{TOKEN}\n")
    config = tmp_path / "alertmanager.yml"
    receivers = Receivers(webhook=f"127.0.0.1:{heard.port}", token_file=str(token))
    write_alertmanager(config, TimeScale.parse("1/120"), receivers)
    with alertmanager(tmp_path, config) as running:
        yield running


def labels(name: str, severity: str, **more: str) -> dict[str, str]:
    return {"alertname": name, "severity": severity, **more}


def test_each_severity_is_told_and_a_check_is_asked_for_with_the_token(
    manager: Alertmanager, heard: Received
) -> None:
    manager.post(labels("RakutenStoreAway", "page", job="api", instance="a"))
    manager.post(labels("RakutenDrift", "ticket", drift="critical"), summary="It drifted")
    manager.post(labels("RakutenPhotosMissing", "check"))
    manager.post({"alertname": "WithoutSeverity"})
    eventually(lambda: heard.told("page", "firing") == {"RakutenStoreAway"})
    eventually(lambda: heard.told("ticket", "firing") == {"RakutenDrift", "WithoutSeverity"})
    eventually(lambda: heard.told("check", "firing") == {"RakutenPhotosMissing"})
    eventually(lambda: heard.told("check", "firing", "/monitor") == {"RakutenPhotosMissing"})
    for path, header, message in heard.requests:
        assert header == (f"Bearer {TOKEN}" if path == "/monitor" else "")
        assert message["version"] == "4"
    notes = [a["annotations"] for _, _, m in heard.requests for a in m["alerts"]]
    assert {"summary": "It drifted"} in notes


def test_what_is_over_is_told_and_starts_no_check(manager: Alertmanager, heard: Received) -> None:
    photos = labels("RakutenPhotosMissing", "check")
    model = labels("RakutenNoModel", "page", scope="service")
    for alert in (photos, model):
        manager.post(alert)
    eventually(lambda: heard.told("page", "firing") == {"RakutenNoModel"})
    manager.post(model, over=True)
    eventually(lambda: heard.told("page", "resolved") == {"RakutenNoModel"})
    # Missing photos were muted by the absent model; now they are told, and then over.
    eventually(lambda: heard.told("check", "firing", "/monitor") == {"RakutenPhotosMissing"})
    manager.post(photos, over=True)
    eventually(lambda: heard.told("check", "resolved") == {"RakutenPhotosMissing"})
    assert heard.told("check", "resolved", "/monitor") == set()


def test_what_follows_from_a_service_that_is_down_is_muted(
    manager: Alertmanager, heard: Received
) -> None:
    manager.post(labels("RakutenServiceDown", "page", job="api", scope="service"))
    for name in ("RakutenAvailabilityBurn", "RakutenLatencyBurn"):
        manager.post(labels(name, "page", window="1h"))
        manager.post(labels(name, "ticket", window="1d"))
    manager.post(labels("RakutenModelUnconfirmed", "ticket", job="api", instance="a"))
    manager.post(labels("RakutenExporterDown", "ticket", job="exporter", instance="e"))
    manager.post(labels("RakutenDrift", "ticket", job="exporter", instance="e"))
    eventually(lambda: heard.told("ticket", "firing") == {"RakutenExporterDown"})
    time.sleep(SETTLED)
    assert heard.told("page", "firing") == {"RakutenServiceDown"}
    assert heard.told("ticket", "firing") == {"RakutenExporterDown"}


def test_one_process_that_is_down_mutes_itself_alone(
    manager: Alertmanager, heard: Received
) -> None:
    manager.post(labels("RakutenServiceDown", "page", job="api", scope="process", instance="a"))
    manager.post(labels("RakutenStoreAway", "page", job="api", instance="a"))
    manager.post(labels("RakutenNoModel", "page", job="api", scope="process", instance="b"))
    manager.post(labels("RakutenModelUnconfirmed", "ticket", job="api", instance="b"))
    manager.post(labels("RakutenAvailabilityBurn", "page", window="1h"))
    manager.post(labels("RakutenAvailabilityBurn", "ticket", window="1d"))
    manager.post(labels("RakutenLatencyBurn", "ticket", window="1d"))
    eventually(lambda: heard.told("ticket", "firing") == {"RakutenLatencyBurn"})
    time.sleep(SETTLED)
    assert heard.told("page", "firing") == {
        "RakutenServiceDown",
        "RakutenNoModel",
        "RakutenAvailabilityBurn",
    }
    assert heard.told("ticket", "firing") == {"RakutenLatencyBurn"}


def test_a_message_that_nobody_took_is_sent_again(manager: Alertmanager, heard: Received) -> None:
    heard.status = 503
    manager.post(labels("RakutenPhotosMissing", "check"))
    eventually(lambda: len([1 for path, *_ in heard.requests if path == "/monitor"]) > 1)
    heard.status = 200
    before = len(heard.requests)
    eventually(lambda: len(heard.requests) > before)
