"""Findings that real checks wrote, read back; damage costs its own part and nothing else."""

import json
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from rakuten.monitoring.decision import PastDecision, decide
from rakuten.monitoring.evidence import CheckedWindow, LabelEvidence, Outcome
from rakuten.monitoring.exporter.findings import (
    Findings,
    labels_violate,
    read_findings,
    read_stages,
)
from rakuten.monitoring.live import FOLDER, find_champion, read_live
from rakuten.monitoring.window import Seen, look_at_traffic
from rakuten.params import RetrainingParams
from rakuten.store.feedback import put_feedback
from tests.monitoring.conftest import HELD_OUT_F1, NAME, NOON, Shop
from tests.monitoring.material import changed, make_rows, without_photos
from tests.store.material import make_feedback

HOUR = timedelta(hours=1)
DROP = LabelEvidence(labels=300, unknown_share=0.0, f1_upper=0.7, expected_f1=0.9)
FINE = replace(DROP, f1_upper=0.95)


def look(shop: Shop) -> Seen:
    """What a check of the shop's traffic sees."""
    live = read_live(shop.registry, find_champion(shop.registry), shop.paths.root / FOLDER)
    return look_at_traffic(shop.database, live, NAME, shop.params, now=NOON)


@pytest.fixture
def seen(shop: Shop) -> Seen:
    """Of 200 answers without photos, half of them automatic, most of them with labels."""
    rows = changed(without_photos(make_rows(200, 3), 0.9), 1.0, text_embedding=None)
    sent = shop.send(rows[:100], NOON - HOUR, decision="auto")
    sent += shop.send(rows[100:], NOON - HOUR / 2)
    said = [
        make_feedback(one.prediction_id, prdtypecode=one.prdtypecode if n % 3 else 7)
        for n, one in enumerate(sent[:180])
    ]
    with shop.database.write() as connection:
        put_feedback(connection, said)
    return look(shop)


def stored(seen: Seen) -> str:
    """Findings as the database has them."""
    return json.dumps(seen.findings())


def test_drift_of_each_column_is_that_of_the_check(seen: Seen) -> None:
    found = read_findings(stored(seen))
    columns = {column.name: column for column in seen.drift.columns}
    assert found.effects == {n: c.effect for n, c in columns.items() if c.effect is not None}
    assert found.severities
    assert found.severities["missing_photo"] == 2
    assert found.severities["language"] == 0
    verdicts = {
        verdict: {n for n, c in columns.items() if c.verdict == verdict}
        for verdict in ("absent", "not_enough_data", "drifted")
    }
    silent = verdicts["absent"] | verdicts["not_enough_data"]
    assert "text_embedding" in silent
    assert set(found.severities) == set(columns) - silent
    assert {n for n, severity in found.severities.items() if severity} == verdicts["drifted"]


def test_drift_below_four_floors_is_a_warning(shop: Shop) -> None:
    shop.send(without_photos(make_rows(400, 3), 0.12), NOON - HOUR)
    severities = read_findings(stored(look(shop))).severities
    assert severities
    assert severities["missing_photo"] == 1


def test_scores_are_those_of_the_check_with_their_bounds(seen: Seen) -> None:
    found, traffic = read_findings(stored(seen)), seen.performance.traffic
    assert traffic
    assert traffic.auto_precision
    scores = {
        "weighted_f1": traffic.weighted_f1,
        "accuracy": traffic.accuracy,
        "auto_precision": traffic.auto_precision,
        "calibration_error": traffic.calibration_error,
    }
    expected = {(name, "estimate"): score.value for name, score in scores.items()}
    for name, score in scores.items():
        if score.interval:
            expected |= {(name, "lower"): score.interval[0], (name, "upper"): score.interval[1]}
    assert found.delayed == expected
    assert ("weighted_f1", "lower") in expected
    assert ("calibration_error", "lower") not in expected  # it has no interval
    assert (found.labels, found.unknown_share) == (180, seen.performance.unknown_share)
    assert found.references == {"weighted_f1": HELD_OUT_F1}
    assert seen.expected
    assert found.estimated == {"accuracy": seen.expected.accuracy}  # no alternatives are stored


def test_check_without_traffic_measured_nothing(shop: Shop) -> None:
    found = read_findings(stored(look(shop)))
    assert found == Findings({}, {}, {}, 0, 1, {"weighted_f1": HELD_OUT_F1}, {})


def drop_drift(found: dict[str, Any]) -> None:
    del found["drift"]


def spoil_effect(found: dict[str, Any]) -> None:
    found["drift"]["columns"][0]["effect"] = "large"


def spoil_score(found: dict[str, Any]) -> None:
    found["performance"]["traffic"]["accuracy"] = [1, 2]


def spoil_labels(found: dict[str, Any]) -> None:
    found["performance"]["labels"] = True


def drop_performance(found: dict[str, Any]) -> None:
    found["performance"] = None


def spoil_reference(found: dict[str, Any]) -> None:
    found["label_evidence"] = "good"


def spoil_estimate(found: dict[str, Any]) -> None:
    found["expected"]["accuracy"] = float("inf")


@pytest.mark.parametrize(
    ("spoil", "lost"),
    [
        (drop_drift, {"effects", "severities"}),
        (spoil_effect, {"effects"}),
        (spoil_score, {"delayed"}),
        (spoil_labels, {"labels"}),
        (drop_performance, {"delayed", "labels", "unknown_share"}),
        (spoil_reference, {"references"}),
        (spoil_estimate, {"estimated"}),
    ],
)
def test_damaged_part_costs_itself_alone_and_is_told(
    seen: Seen,
    caplog: pytest.LogCaptureFixture,
    spoil: Callable[[dict[str, Any]], None],
    lost: set[str],
) -> None:
    whole, damaged = read_findings(stored(seen)), seen.findings()
    spoil(damaged)
    text = json.dumps(damaged)
    assert read_findings(text) == replace(whole, **dict.fromkeys(lost))
    read_findings(text)
    assert len(caplog.messages) == len(lost)  # once, not at every scrape


@pytest.mark.parametrize("text", ["", "{", "[]", "null", '"x"', "{}"])
def test_findings_that_are_none_have_no_part(text: str) -> None:
    assert read_findings(text) == Findings()


def reasons(*windows: CheckedWindow, version: int = 1) -> str:
    """Reasons of a decision on windows, as the database has them."""
    found = decide(
        windows, list[PastDecision](), live_version=version, now=NOON, params=RetrainingParams()
    )
    return json.dumps(found.reason_rows())


def window(outcome: Outcome, labels: LabelEvidence | None, hours: int = 0) -> CheckedWindow:
    moment = NOON + hours * HOUR
    return CheckedWindow(f"run {hours}", moment, 1, outcome, moment - HOUR, moment, labels)


@pytest.mark.parametrize("outcome", [Outcome.NONE, Outcome.WARNING, Outcome.NOT_ENOUGH_DATA])
def test_labels_violate_as_the_newest_decision_says(outcome: Outcome) -> None:
    bad, good = reasons(window(outcome, DROP)), reasons(window(outcome, FINE))
    assert labels_violate([bad, good]) is True
    assert labels_violate([good, bad]) is False


def test_overconfident_queue_is_a_violation_too() -> None:
    queue = replace(FINE, queue_labels=300, queue_accuracy_upper=0.4, queue_confidence=0.8)
    assert labels_violate([reasons(window(Outcome.NONE, queue))]) is True


def test_failed_check_and_a_version_without_windows_say_nothing_of_labels() -> None:
    failed = reasons(window(Outcome.CHECK_FAILED, None))
    other = reasons(window(Outcome.NONE, FINE), version=2)
    assert labels_violate([failed, other, reasons(window(Outcome.NONE, DROP))]) is True
    assert labels_violate([failed, other]) is None
    assert labels_violate([]) is None


def test_damaged_reasons_are_passed_over(caplog: pytest.LogCaptureFixture) -> None:
    good = reasons(window(Outcome.NONE, FINE))
    assert labels_violate(['[{"sentence": "torn"}]', good]) is False
    assert "reasons in the store are damaged" in caplog.text


def test_stages_that_really_ran_have_their_seconds() -> None:
    stages = [
        {"stage": "ingest", "outcome": "unchanged", "seconds": 0.0},
        {"stage": "train", "outcome": "ran", "seconds": 12.5},
        {"stage": "predict", "outcome": "failed", "seconds": 2.5},
    ]
    assert read_stages(json.dumps(stages)) == {"train": 12.5}
    assert read_stages('[{"stage": 3, "outcome": "ran", "seconds": 1}]') == {}
    assert read_stages("7") == {}
