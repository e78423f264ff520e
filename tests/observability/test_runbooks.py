"""Every alert says what it is and leads to a page that says what to do."""

import re

import pytest

from rakuten.observability.alerts import all_alerts
from rakuten.observability.model import Alert
from rakuten.observability.recording import recording_groups
from rakuten.observability.table import alert_table, objective_table
from rakuten.observability.timescale import TimeScale
from tests.conftest import REPOSITORY

FOLDER = REPOSITORY / "docs" / "runbooks"
ALERTS = all_alerts(TimeScale())
NAMES = sorted({alert.name for alert in ALERTS})
OTHERS = {
    "rakuten_pipeline",
    "rakuten_problems_total",
    "rakuten_phase_duration_seconds_bucket",
    "rakuten_lane_busy_seconds_total",
    "rakuten_registry_up",
    "rakuten_model_info",
    "rakuten_drift_effect_size",
    "rakuten_drift_severity",
    "rakuten_delayed_score_ratio",
    "rakuten_delayed_labels",
    "rakuten_review_queue_products",
    "rakuten_monitor_last_run_timestamp_seconds",
    "rakuten_exporter_last_read_timestamp_seconds",
    "rakuten_pipeline_last_run_timestamp_seconds",
}
"""Metrics of service and exporter that no rule reads, and a flow."""
SECTIONS = ["What it means", "Impact", "Find out", "Do", "When it is no alarm"]


@pytest.mark.parametrize("alert", ALERTS, ids=lambda alert: f"{alert.name}-{alert.labels}")
def test_an_alert_has_a_severity_and_words_for_people(alert: Alert) -> None:
    rule = alert.to_dict(TimeScale(), "docs/runbooks")
    assert rule["labels"]["severity"] in ("page", "ticket", "check")
    notes = rule["annotations"]
    assert 10 < len(notes["summary"]) < 100
    assert "{{" not in notes["summary"]
    assert len(notes["description"]) > 20
    assert (REPOSITORY / notes["runbook_url"]).is_file()


@pytest.mark.parametrize("name", NAMES)
def test_a_runbook_has_its_sections_and_something_in_each(name: str) -> None:
    title, *parts = re.split(r"^## ", (FOLDER / f"{name}.md").read_text(), flags=re.MULTILINE)
    assert title.strip().splitlines()[0] == f"# {name}"
    sections = dict(part.split("\n", 1) for part in parts)
    assert list(sections) == SECTIONS
    for heading, text in sections.items():
        assert len(text.split()) >= 6, f"{name}: {heading}"


def test_every_runbook_belongs_to_an_alert() -> None:
    assert sorted(path.stem for path in FOLDER.glob("*.md")) == NAMES


def test_the_document_has_the_tables_that_the_code_makes() -> None:
    text = (REPOSITORY / "docs" / "alerts.md").read_text()
    assert alert_table() in text
    assert objective_table() in text


def test_metrics_named_in_runbooks_are_those_of_the_rules() -> None:
    """A page asks for series that rules read, or that stand in this list of others."""
    known = {name for alert in ALERTS for name in re.findall(r"\brakuten[_:][\w:]+", alert.expr)}
    known |= {
        name
        for group in recording_groups(TimeScale())
        for rule in group.rules
        for name in re.findall(r"\brakuten[_:][\w:]+", f"{rule.expr} {getattr(rule, 'record', '')}")
    }
    known |= OTHERS
    for name in NAMES:
        found = set(re.findall(r"\brakuten[_:][\w:]+", (FOLDER / f"{name}.md").read_text()))
        assert found <= known, f"{name}: {found - known}"
