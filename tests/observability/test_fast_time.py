"""The real Prometheus, at 1/120: every rule is evaluated, every alert comes, none comes unasked."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from rakuten.observability.alerts import all_alerts
from rakuten.observability.prometheus import Targets
from rakuten.observability.rules import write_rules
from rakuten.observability.timescale import TimeScale
from tests.observability.catalogue import RECORDED
from tests.observability.shop import Shop, open_shop
from tests.servers.process import free_port
from tests.servers.prometheus import Prometheus, eventually, prometheus

pytestmark = pytest.mark.servers

SCALE = TimeScale.parse("1/120")
NAMES = {alert.name for alert in all_alerts(SCALE)}
GONE = {"RakutenServiceDown", "RakutenExporterDown", "RakutenExporterBlind"}
"""What only comes where somebody does not answer any more."""


@pytest.fixture
def watched(tmp_path: Path) -> Iterator[tuple[Shop, Prometheus, Any]]:
    with open_shop() as (shop, server):
        target, port = f"127.0.0.1:{shop.port}", free_port()
        targets = Targets(
            api=(target,),
            exporter=target,
            prometheus=f"127.0.0.1:{port}",
            alertmanager=f"127.0.0.1:{free_port()}",  # nobody
        )
        write_rules(tmp_path, SCALE, targets, interval="500ms")
        config = tmp_path / "prometheus.yml"
        with prometheus(tmp_path, config, port=port, lookback="2500ms") as running:
            yield shop, running, server


def active(running: Prometheus) -> set[str]:
    return {alert["labels"]["alertname"] for alert in running.alerts()}


def test_a_shop_in_trouble_makes_every_alert_and_one_that_is_well_none(
    watched: tuple[Shop, Prometheus, Any],
) -> None:
    shop, running, server = watched

    def missing() -> set[str]:
        return {name for name in RECORDED if not running.query(name)}

    eventually(lambda: not missing())
    # The share of missing photos is set beside that of a time before.
    eventually(lambda: running.query("rakuten:requests:rate5m offset 16s"), seconds=40)
    assert active(running) == set()
    assert [rule["lastError"] for rule in running.rules() if rule["health"] != "ok"] == []
    assert running.value("rakuten:requests:error_ratio_rate3d") == 0

    shop.break_down()
    eventually(lambda: active(running) >= NAMES - GONE, seconds=40)
    eventually(lambda: running.firing("RakutenNoModel", scope="service", severity="page"))
    shop.store_readable = False
    eventually(lambda: "RakutenExporterBlind" in active(running))
    for alert in running.alerts():
        for text in alert["annotations"].values():
            assert "<error" not in text
            assert "no value" not in text

    server.shutdown()
    server.server_close()
    eventually(lambda: running.firing("RakutenServiceDown", scope="service"))
    eventually(lambda: running.firing("RakutenExporterDown"))
    assert [rule["lastError"] for rule in running.rules() if rule["health"] != "ok"] == []
    assert running.query_range("up", seconds=5, step=1)
    assert running.targets()[f"127.0.0.1:{shop.port}"] == "down"
