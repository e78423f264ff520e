"""Prometheus' and Alertmanager's own programs read what was written, and run its unit tests."""

import subprocess
from pathlib import Path

import pytest

from rakuten.observability.alertmanager import Receivers, write_alertmanager
from rakuten.observability.prometheus import Targets
from rakuten.observability.rules import write_rules
from rakuten.observability.timescale import TimeScale
from tests.observability.test_rules import ALERTMANAGER, PROMETHEUS, UNIT_TESTS
from tests.servers.prometheus import find_program

pytestmark = pytest.mark.servers


def run(program: str, *arguments: str | Path) -> subprocess.CompletedProcess[str]:
    command = [find_program(program), *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_promtool_reads_the_committed_configuration_and_its_rules() -> None:
    done = run("promtool", "check", "config", PROMETHEUS / "prometheus.yml")
    assert done.returncode == 0, done.stdout + done.stderr
    rules = sorted((PROMETHEUS / "rules").glob("*.yml"))
    done = run("promtool", "check", "rules", "--lint=all", "--lint-fatal", *rules)
    assert done.returncode == 0, done.stdout + done.stderr


def test_promtool_reads_what_is_written_for_fast_time(tmp_path: Path) -> None:
    targets = Targets(api=("127.0.0.1:1", "127.0.0.1:2"))
    write_rules(tmp_path, TimeScale.parse("1/120"), targets, interval="500ms")
    done = run("promtool", "check", "config", tmp_path / "prometheus.yml")
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("path", UNIT_TESTS, ids=lambda path: path.stem)
def test_rules_fire_and_keep_quiet_as_their_unit_tests_say(path: Path) -> None:
    done = run("promtool", "test", "rules", path)
    assert done.returncode == 0, done.stdout + done.stderr


def test_amtool_reads_the_committed_file_and_one_with_every_receiver(tmp_path: Path) -> None:
    path = tmp_path / "alertmanager.yml"
    receivers = Receivers(slack_url_file="/run/slack", pagerduty_key_file="/run/pagerduty")
    write_alertmanager(path, TimeScale.parse("1/120"), receivers)
    for config in (ALERTMANAGER / "alertmanager.yml", path):
        done = run("amtool", "check-config", config)
        assert done.returncode == 0, done.stdout + done.stderr
    assert "slack_configs" in path.read_text()
    assert "routing_key_file: /run/pagerduty" in path.read_text()


@pytest.mark.parametrize(
    ("labels", "receiver"),
    [
        (["severity=page", "alertname=RakutenNoModel"], "page"),
        (["severity=ticket", "alertname=RakutenDrift"], "ticket"),
        (["severity=check", "alertname=RakutenPhotosMissing"], "check"),
        (["severity=critical", "alertname=Strange"], "ticket"),
        (["alertname=WithoutSeverity"], "ticket"),
    ],
)
def test_an_alert_takes_the_route_of_its_severity(labels: list[str], receiver: str) -> None:
    config = f"--config.file={ALERTMANAGER / 'alertmanager.yml'}"
    done = run(
        "amtool", "config", "routes", "test", config, f"--verify.receivers={receiver}", *labels
    )
    assert done.returncode == 0, done.stdout + done.stderr
