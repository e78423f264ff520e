"""What the exporter shows after real checks, decisions, reviews and recorded runs."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from rakuten.flows.publication import PipelineOutcome
from rakuten.flows.recording import recorded
from rakuten.flows.reproduction import Reproduced
from rakuten.settings import ProjectPaths, Settings
from rakuten.store.database import Database
from rakuten.store.feedback import put_feedback
from rakuten.store.flow_runs import put_flow_run
from rakuten.store.monitoring import (
    MonitorRun,
    finish_decision,
    put_decision,
    put_run,
    read_runs,
)
from rakuten.store.predictions import insert_predictions
from rakuten.store.records import new_prediction_id
from rakuten.store.retention import erase
from rakuten.store.review import claim
from tests.monitoring.conftest import HELD_OUT_F1, NOON, Shop
from tests.monitoring.exporter.material import MODEL, Samples, scrape
from tests.monitoring.material import make_rows, without_photos
from tests.store.conftest import SQLITE_AND_POSTGRES, MakePostgres, cluster, make_postgres
from tests.store.material import make_feedback, make_record
from tests.store.test_flow_runs import make_flow_run
from tests.store.test_monitoring import make_decision, make_run

__all__ = ["cluster", "make_postgres"]

HOUR = timedelta(hours=1)
PROMOTED = PipelineOutcome("promoted", 7, "a1b2")
ALWAYS = {
    "rakuten_exporter_store_up",
    "rakuten_exporter_read_duration_seconds",
    "rakuten_exporter_last_read_timestamp_seconds",
}


@pytest.fixture(params=SQLITE_AND_POSTGRES)
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """An empty database of either kind."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'store.db'}"
    make: MakePostgres = request.getfixturevalue("make_postgres")
    return make()


@pytest.fixture
def database(url: str) -> Iterator[Database]:
    """A database with its tables."""
    made = Database(url)
    made.migrate()
    yield made
    made.close()


@pytest.mark.usefixtures("database")
def test_empty_store_shows_counters_at_zero_and_no_moment(url: str) -> None:
    found = scrape(url)
    assert found.of("rakuten_exporter_store_up") == 1
    outcomes = found.by("rakuten_monitor_runs_total", "outcome")
    assert outcomes == dict.fromkeys(
        ["none", "warning", "critical", "not_enough_data", "check_failed"], 0
    )
    actions = found.by("rakuten_decisions_total", "action")
    assert actions == dict.fromkeys(["nothing", "watch", "alert", "retrain"], 0)
    states = found.by("rakuten_pipeline_runs_total", "state")
    assert states == dict.fromkeys(["promoted", "refused", "unchanged", "registered", "failed"], 0)
    zero = (
        "rakuten_feedback_total rakuten_review_queue_products rakuten_review_oldest_age_seconds "
        "rakuten_retraining_open rakuten_retraining_open_age_seconds"
    )
    assert {name: found.of(name) for name in zero.split()} == dict.fromkeys(zero.split(), 0)
    assert not [name for name in found.names - ALWAYS if name.endswith("timestamp_seconds")]
    assert found.by("rakuten_drift_state", "state") == {}


@pytest.mark.slow
@pytest.mark.parametrize("kind", SQLITE_AND_POSTGRES)
def test_real_check_and_decision_are_shown_as_they_were(
    shop: Shop, kind: str, request: pytest.FixtureRequest
) -> None:
    if kind == "postgres":
        make: MakePostgres = request.getfixturevalue("make_postgres")
        shop.settings = shop.settings.model_copy(update={"database_url": make()})
    rows = without_photos(make_rows(120, 8, text_embedding=None, image_embedding=None), 0.9)
    sent = shop.send(rows, NOON - HOUR, decision="auto")
    wrong = [make_feedback(one.prediction_id, prdtypecode=7) for one in sent]
    with shop.database.write() as connection:
        put_feedback(connection, wrong)
    checked = shop.check(NOON, window_rows=120)
    url = shop.settings.store_url(shop.paths.root)
    found = scrape(url)
    assert found.by("rakuten_monitor_runs_total", "outcome")["critical"] == 1
    assert found.by("rakuten_drift_state", "state") == {
        "none": 0,
        "warning": 0,
        "critical": 1,
        "not_enough_data": 0,
        "check_failed": 0,
    }
    assert checked.run.finished_at
    ended = checked.run.finished_at.timestamp()
    assert found.of("rakuten_monitor_last_run_timestamp_seconds") == ended
    assert found.of("rakuten_monitor_last_success_timestamp_seconds") == ended
    assert found.of("rakuten_monitor_last_duration_seconds") == pytest.approx(
        ended - NOON.timestamp()
    )
    assert found.of("rakuten_monitor_window_products") == 120
    assert found.by("rakuten_drift_severity", "column")["missing_photo"] == 2
    assert found.by("rakuten_drift_effect_size", "column")["missing_photo"] > 0.8
    assert found.of("rakuten_delayed_score_ratio", score="accuracy", bound="estimate") == 0
    assert found.of("rakuten_delayed_labels") == 120
    assert found.of("rakuten_delayed_unknown_ratio") == 0
    assert found.of("rakuten_delayed_reference_ratio", score="weighted_f1") == HELD_OUT_F1
    assert found.by("rakuten_estimated_score_ratio", "score")["accuracy"] > 0.5
    assert found.of("rakuten_performance_violated") == float(
        "performance_drop" in [reason["code"] for reason in checked.decision.reasons]
    )
    assert found.by("rakuten_decisions_total", "action")["alert"] == 1
    assert found.by("rakuten_decision_last_timestamp_seconds", "action") == {
        "alert": checked.decision.created_at.timestamp()
    }


def test_failed_check_is_shown_and_hides_nothing_of_the_one_before(shop: Shop) -> None:
    rows = make_rows(230, 4, prdtypecode=10, confidence=0.9)
    sent = shop.send(rows, NOON - 3 * HOUR, decision="auto")
    with shop.database.write() as connection:
        put_feedback(connection, [make_feedback(one.prediction_id) for one in sent])
    worked = shop.check(NOON, window_rows=10)
    failing = Shop(ProjectPaths(shop.paths.root), Settings())  # whose own registry is empty
    failed = failing.check(NOON + HOUR)
    assert failed.run.outcome == "check_failed"
    found = scrape(shop.settings.store_url(shop.paths.root))
    assert found.by("rakuten_drift_state", "state")["check_failed"] == 1
    assert found.by("rakuten_monitor_runs_total", "outcome")["check_failed"] == 1
    assert worked.run.finished_at
    assert failed.run.finished_at
    last = found.of("rakuten_monitor_last_run_timestamp_seconds")
    assert last == failed.run.finished_at.timestamp()
    success = found.of("rakuten_monitor_last_success_timestamp_seconds")
    assert success == worked.run.finished_at.timestamp()
    assert found.of("rakuten_delayed_labels") == 230
    assert found.of("rakuten_performance_violated") == 1


def test_count_of_checks_does_not_fall_while_one_begins_and_ends(
    database: Database, url: str
) -> None:
    def counts() -> dict[str, float]:
        return scrape(url).by("rakuten_monitor_runs_total", "outcome")

    put_run(database, make_run())
    before = counts()
    begun = MonitorRun(
        new_prediction_id(), datetime.now(UTC), MODEL, None, "check_failed"
    )  # as a check begins
    put_run(database, begun)
    assert counts() == before
    put_run(database, replace(make_run(), run_id=begun.run_id, outcome="none"))
    assert counts() == {**before, "none": 1}


def test_retraining_is_open_until_its_result_is_kept(database: Database, url: str) -> None:
    decision = replace(make_decision(), created_at=datetime.now(UTC) - HOUR)
    put_decision(database, decision)
    put_decision(database, make_decision(-24, "watch"))
    found = scrape(url)
    assert found.of("rakuten_retraining_open") == 1
    age = found.of("rakuten_retraining_open_age_seconds")
    assert age == pytest.approx(3600, abs=30)
    now = datetime.now(UTC)
    finish_decision(database, decision.decision_id, result={"state": "refused"}, now=now)
    found = scrape(url)
    assert found.of("rakuten_retraining_open") == 0
    assert found.of("rakuten_retraining_open_age_seconds") == 0
    assert found.by("rakuten_decisions_total", "action")["retrain"] == 1


def test_queue_counts_what_waits_and_its_oldest(database: Database, url: str) -> None:
    now = datetime.now(UTC)
    queued = [make_record(created_at=now - n * HOUR, confidence=n / 9) for n in (3, 2, 1)]
    others = [
        make_record(decision="auto", created_at=now - 9 * HOUR),
        make_record(designation=None, description=None, created_at=now - 9 * HOUR),
    ]
    with database.write() as connection:
        insert_predictions(connection, [*others, *queued])
    claim(database, "anna", 1, 600)
    found = scrape(url)
    assert found.of("rakuten_review_queue_products") == 3
    assert found.of("rakuten_review_oldest_age_seconds") == pytest.approx(3 * 3600, abs=30)

    given = now - HOUR / 2
    with database.write() as connection:
        put_feedback(connection, [make_feedback(queued[0].prediction_id, given_at=given)])
    found = scrape(url)
    assert found.of("rakuten_review_queue_products") == 2
    assert found.of("rakuten_review_oldest_age_seconds") == pytest.approx(2 * 3600, abs=30)
    assert found.of("rakuten_feedback_total") == 1
    assert found.of("rakuten_feedback_last_timestamp_seconds") == pytest.approx(given.timestamp())
    erase(database, queued[1].prediction_id)
    assert scrape(url).of("rakuten_review_queue_products") == 1


def test_moment_ahead_of_this_clock_is_no_negative_age(database: Database, url: str) -> None:
    with database.write() as connection:
        insert_predictions(connection, [make_record(created_at=datetime.now(UTC) + HOUR)])
    assert scrape(url).of("rakuten_review_oldest_age_seconds") == 0


def test_recorded_runs_of_the_pipeline_are_shown(url: str, tmp_path: Path) -> None:
    settings = Settings(database_url=url)
    with recorded(settings, tmp_path, "first") as recording:
        recording.add(Reproduced("ingest", "ran", 5.0))
        recording.add(Reproduced("train", "ran", 20.0))
        recording.publish(PROMOTED, {})
    first = scrape(url).by("rakuten_stage_last_run_timestamp_seconds", "stage")["ingest"]
    with recorded(settings, tmp_path, "second") as recording:
        recording.add(Reproduced("ingest", "unchanged"))
        recording.add(Reproduced("train", "ran", 30.0))
        recording.publish(replace(PROMOTED, state="refused"), {})
    success = scrape(url).of("rakuten_pipeline_last_run_timestamp_seconds")
    with pytest.raises(KeyboardInterrupt), recorded(settings, tmp_path, "third"):
        raise KeyboardInterrupt
    found = scrape(url)
    assert found.by("rakuten_pipeline_runs_total", "state") == {
        "promoted": 1,
        "refused": 1,
        "unchanged": 0,
        "registered": 0,
        "failed": 1,
    }
    assert found.by("rakuten_stage_last_duration_seconds", "stage") == {"ingest": 5, "train": 30}
    stamps = found.by("rakuten_stage_last_run_timestamp_seconds", "stage")
    assert (stamps["ingest"], stamps["train"]) == (first, success)
    assert found.of("rakuten_pipeline_last_success_timestamp_seconds") == success
    last = found.of("rakuten_pipeline_last_run_timestamp_seconds")
    assert last
    assert success
    assert last > success
    duration = found.of("rakuten_pipeline_last_duration_seconds")
    assert duration is not None
    assert 0 <= duration < 30


def test_killed_run_is_in_no_count(database: Database, url: str) -> None:
    put_flow_run(database, make_flow_run())
    before = scrape(url)
    put_flow_run(
        database,
        replace(make_flow_run(1), run_id=new_prediction_id(), finished_at=None, state=None),
    )
    after = scrape(url)
    for name in ("rakuten_pipeline_runs_total", "rakuten_pipeline_last_run_timestamp_seconds"):
        assert pages(after, name) == pages(before, name)


def pages(found: Samples, name: str) -> dict[object, float]:
    """All samples of a name."""
    return {labels: value for (one, labels), value in found.items() if one == name}


def test_only_the_named_model_is_shown(database: Database, url: str) -> None:
    put_run(database, make_run(name="another"))
    put_decision(database, replace(make_decision(), model_name="another"))
    put_flow_run(database, make_flow_run(name="another"))
    found = scrape(url)
    for name in ("monitor_runs", "decisions", "pipeline_runs"):
        assert set(pages(found, f"rakuten_{name}_total").values()) == {0}
    assert found.of("rakuten_retraining_open") == 0
    other = scrape(url, model="another")
    assert other.of("rakuten_retraining_open") == 1
    assert read_runs(database, 1)[0].model_name == "another"


def test_findings_that_are_damaged_cost_their_family_and_not_the_scrape(
    database: Database, url: str
) -> None:
    put_run(database, replace(make_run(), findings={"drift": 7, "expected": {"accuracy": 0.5}}))
    found = scrape(url)
    assert found.by("rakuten_estimated_score_ratio", "score") == {"accuracy": 0.5}
    assert found.by("rakuten_drift_effect_size", "column") == {}
    assert found.by("rakuten_drift_state", "state")["critical"] == 1
    assert found.of("rakuten_review_queue_products") == 0
