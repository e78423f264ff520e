"""Rules are complete, the same at every time scale but for lengths of time, and committed."""

import re
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest
import yaml
from typer.testing import CliRunner

from rakuten.cli.app import app
from rakuten.errors import ConfigurationError
from rakuten.observability.alerts import alert_groups, all_alerts
from rakuten.observability.prometheus import Targets, prometheus_config
from rakuten.observability.recording import recording_groups
from rakuten.observability.rules import rule_groups
from rakuten.observability.slo import BURN_RATES, OBJECTIVES, WINDOWS
from rakuten.observability.timescale import TimeScale, milliseconds
from tests.conftest import REPOSITORY

PROMETHEUS = REPOSITORY / "deploy" / "prometheus"
ALERTMANAGER = REPOSITORY / "deploy" / "alertmanager"
UNIT_TESTS = sorted((PROMETHEUS / "tests").glob("*.yml"))
FAST = TimeScale.parse("1/120")
DURATION = re.compile(r"(?<=[\[ ])\d+(?:ms|s|m|h|d)\b(?=\]|\n|$|\))")


def test_the_committed_files_are_what_make_writes(tmp_path: Path) -> None:
    makefile = (REPOSITORY / "Makefile").read_text()
    commands = re.findall(r"^\t@rakuten (observability (?:rules|alertmanager) .*)$", makefile, re.M)
    assert len(commands) == 2
    for command in commands:
        written = tmp_path / re.search(r"--output deploy/(\w+)", command)[1]  # type: ignore[index]
        arguments = re.sub(r"--output \S+", f"--output {written}", command).split()
        found = CliRunner().invoke(app, arguments)
        assert found.exit_code == 0, found.output
    for name in (
        "prometheus/prometheus.yml",
        "prometheus/rules/recording.yml",
        "prometheus/rules/alerts.yml",
        "alertmanager/alertmanager.yml",
    ):
        committed = (REPOSITORY / "deploy" / name).read_bytes()
        assert (tmp_path / name).read_bytes() == committed, f"{name}: make observability"


def rules_of(scale: TimeScale) -> list[dict[str, Any]]:
    return [
        rule
        for content in rule_groups(scale).values()
        for group in content["groups"]
        for rule in group["rules"]
    ]


def test_a_scale_changes_lengths_of_time_and_nothing_else() -> None:
    """Every window, offset and hold at 1/120 is that of scale 1 divided by 120."""
    for real, fast in zip(rules_of(TimeScale()), rules_of(FAST), strict=True):
        lengths = [DURATION.findall(rule["expr"]) for rule in (real, fast)]
        assert [Fraction(milliseconds(text), 120) for text in lengths[0]] == [
            milliseconds(text) for text in lengths[1]
        ]
        assert milliseconds(real.get("for", "2m")) == 120 * milliseconds(fast.get("for", "1s"))
        for key in ("record", "alert", "labels", "annotations"):
            assert real.get(key) == fast.get(key)


def test_ages_are_scaled_too() -> None:
    ages = {
        rule["alert"]: re.findall(r"[<>] (\d{2,})\b", rule["expr"])
        for rule in rules_of(FAST)
        if "alert" in rule
    }
    assert ages["RakutenModelStale"] == ["32400"]
    assert ages["RakutenMonitorSilent"] == ["90"]
    assert ages["RakutenReviewQueueOld"] == ["1440"]
    assert ages["RakutenRetrainingStuck"] == ["180"]
    assert ages["RakutenModelUnconfirmed"] == ["15"]
    assert ages["RakutenModelRefused"] == ["30"]


def test_every_window_of_the_burn_rates_is_recorded_for_both_objectives() -> None:
    recorded = {rule.record for group in recording_groups(FAST) for rule in group.rules}  # type: ignore[union-attr]
    for objective in OBJECTIVES:
        assert {f"{objective.record}{window}" for window in WINDOWS} <= recorded
        for burn in BURN_RATES:
            assert {burn.long, burn.short} <= set(WINDOWS)


def test_what_alerts_read_of_recorded_series_is_recorded() -> None:
    recorded = {rule.record for group in recording_groups(FAST) for rule in group.rules}  # type: ignore[union-attr]
    read = {
        name for alert in all_alerts(FAST) for name in re.findall(r"rakuten:[\w:]+", alert.expr)
    }
    assert read
    assert read <= recorded


def test_no_two_rules_make_the_same_series() -> None:
    names = [
        (alert.name, alert.severity, *sorted(alert.labels.items())) for alert in all_alerts(FAST)
    ]
    assert len(set(names)) == len(names)


def test_runbooks_get_an_address_where_one_is_given() -> None:
    base = "https://example.org/runbooks/"
    content = rule_groups(TimeScale(), runbooks=base)["rules/alerts.yml"]
    for group in content["groups"]:
        for rule in group["rules"]:
            address = rule["annotations"]["runbook_url"]
            assert address == f"https://example.org/runbooks/{rule['alert']}.md"


def test_the_shortest_window_holds_four_scrapes() -> None:
    config = prometheus_config(FAST, Targets(), interval="625ms")
    assert config["global"]["scrape_interval"] == "625ms"
    assert milliseconds(config["global"]["scrape_timeout"]) < 625
    with pytest.raises(ConfigurationError, match="too seldom"):
        prometheus_config(FAST, Targets(), interval="626ms")
    windows = [
        milliseconds(text)
        for rule in rules_of(FAST)
        for text in re.findall(r"\[(\w+)\]", rule["expr"])
    ]
    assert min(windows) == 2500


def test_every_process_is_a_target_and_names_may_stand_for_several() -> None:
    listed = prometheus_config(TimeScale(), Targets(api=("a:1", "b:2")))["scrape_configs"]
    jobs = {job["job_name"]: job for job in listed}
    assert jobs["api"]["static_configs"] == [{"targets": ["a:1", "b:2"]}]
    assert set(jobs) == {"api", "exporter", "prometheus", "alertmanager"}
    found = prometheus_config(TimeScale(), Targets(api=("api:8000",), dns=True))["scrape_configs"]
    assert found[0]["dns_sd_configs"][0]["names"] == ["api"]
    assert found[0]["dns_sd_configs"][0]["port"] == 8000


@pytest.mark.parametrize("target", ["api", "api:", ":8000", "http://api:8000", "api:99999"])
def test_a_target_that_is_none_is_refused(target: str) -> None:
    with pytest.raises(ConfigurationError, match="no target"):
        Targets(api=(target,))


@pytest.mark.parametrize("path", UNIT_TESTS, ids=lambda path: path.stem)
def test_unit_tests_evaluate_what_is_recorded_before_what_reads_it(path: Path) -> None:
    """promtool evaluates groups that are not listed first, in any order."""
    groups = [group.name for group in (*recording_groups(FAST), *alert_groups(FAST))]
    assert yaml.safe_load(path.read_text())["group_eval_order"] == groups


def test_every_alert_has_a_unit_test_that_fires_and_one_that_does_not() -> None:
    fires: set[str] = set()
    quiet: set[str] = set()
    for path in UNIT_TESTS:
        for test in yaml.safe_load(path.read_text())["tests"]:
            for check in test["promql_expr_test"]:
                labels = " ".join(sample["labels"] for sample in check["exp_samples"])
                fires |= set(re.findall(r'alertname="(\w+)",alertstate="firing"', labels))
                if not check["exp_samples"]:
                    quiet |= set(re.findall(r'alertname="(\w+)"', check["expr"]))
    quiet.add("RakutenServiceDown")  # whose quiet tests ask for every alert
    names = {alert.name for alert in all_alerts(FAST)}
    assert fires == names
    assert quiet == names
