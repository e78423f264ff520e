"""Delayed performance: weighted to all traffic, honest about what nobody labelled."""

from datetime import timedelta

import numpy as np
import pytest
from numpy.typing import NDArray
from sklearn.metrics import f1_score, precision_score, recall_score

from rakuten.models.evaluate import calibration_error
from rakuten.models.evaluate.intervals import exact_interval
from rakuten.monitoring.evidence import label_violations
from rakuten.monitoring.performance import Performance, measure_performance, read_performance
from rakuten.params import RetrainingParams
from rakuten.store.database import Database
from rakuten.store.feedback import put_feedback
from rakuten.store.labels import Truth
from rakuten.store.predictions import insert_predictions
from rakuten.store.windows import Window
from tests.monitoring.traffic import NOON, THRESHOLD, Traffic, make_row, make_traffic
from tests.store.material import make_feedback, make_record


def queue_first(traffic: Traffic, count: int, others: float, seed: int = 0) -> NDArray[np.int64]:
    """Rows that get labels: the least sure, and a random share of all others."""
    order = np.argsort([row.confidence for row in traffic.rows])
    rest = order[count:]
    chosen = np.random.default_rng(seed).random(len(rest)) < others
    return np.concatenate([order[:count], rest[chosen]])


def real_f1(traffic: Traffic) -> float:
    """Weighted F1 of all answers."""
    answers = [row.prdtypecode for row in traffic.rows]
    return float(f1_score(traffic.truth, answers, average="weighted"))


def measure(traffic: Traffic, chosen: NDArray[np.int64]) -> Performance:
    """Measure on the labels of some rows."""
    return measure_performance(traffic.rows, traffic.truths(chosen))


def test_weights_bring_labels_of_hard_products_back_to_all_traffic() -> None:
    traffic = make_traffic(3000, seed=2)
    found = measure(traffic, queue_first(traffic, 500, 0.15))
    assert found.labelled is not None
    assert found.traffic is not None
    real = real_f1(traffic)
    assert found.labelled.weighted_f1.value < real - 0.1
    assert found.traffic.weighted_f1.value == pytest.approx(real, abs=0.03)
    low, high = found.traffic.weighted_f1.interval or (1.0, 0.0)
    assert low < real < high
    assert found.traffic.accuracy.value == pytest.approx(traffic.accuracy, abs=0.03)
    assert found.unknown_share == 0
    assert 100 < found.effective_labels < found.labels
    assert found.expected is not None
    assert found.expected.accuracy == pytest.approx(traffic.accuracy, abs=0.03)


def test_interval_holds_the_real_score_in_most_windows() -> None:
    inside = 0
    for seed in range(20):
        traffic = make_traffic(800, seed=seed)
        found = measure(traffic, queue_first(traffic, 120, 0.25, seed))
        assert found.traffic is not None
        low, high = found.traffic.weighted_f1.interval or (1.0, 0.0)
        inside += low <= real_f1(traffic) <= high
    assert inside >= 17


def test_labels_of_every_answer_give_the_plain_scores_both_ways() -> None:
    traffic = make_traffic(400, seed=4)
    found = measure(traffic, np.arange(400))
    assert found.labelled is not None
    assert found.traffic is not None
    answers = [row.prdtypecode for row in traffic.rows]
    for scores in (found.labelled, found.traffic):
        assert scores.weighted_f1.value == pytest.approx(real_f1(traffic))
        assert scores.accuracy.value == pytest.approx(traffic.accuracy)
        assert scores.weighted_f1.labels == 400
    correct = np.array(answers) == np.array(traffic.truth)
    confidence = np.array([row.confidence for row in traffic.rows])
    error = calibration_error(confidence, correct)
    assert found.labelled.calibration_error.value == pytest.approx(error)
    assert found.traffic.calibration_error.value == pytest.approx(error, abs=0.01)
    for one in found.per_type:
        options = {"labels": [one.prdtypecode], "average": "macro"}
        assert one.precision is not None
        assert one.recall is not None
        assert one.precision.value == pytest.approx(
            precision_score(traffic.truth, answers, **options)
        )
        assert one.recall.value == pytest.approx(recall_score(traffic.truth, answers, **options))
        assert one.precision.labels == answers.count(one.prdtypecode)
        assert one.recall.labels == traffic.truth.count(one.prdtypecode)
        assert one.traffic_precision == pytest.approx(one.precision.value)
        assert one.traffic_recall == pytest.approx(one.recall.value)


def test_precision_of_automatic_answers_has_the_exact_interval() -> None:
    rows = [make_row(n, decision="auto", confidence=0.99) for n in range(30)]
    truths = {row.prediction_id: Truth(10 if n else 40, 1, 1, NOON) for n, row in enumerate(rows)}
    found = measure_performance(rows, truths)
    assert found.labelled is not None
    assert found.labelled.auto_precision is not None
    assert found.labelled.auto_precision.value == pytest.approx(29 / 30)
    assert found.labelled.auto_precision.interval == exact_interval(29, 30)
    assert found.labelled.weighted_f1.interval is None  # too few to claim one


def test_queue_alone_leaves_automatic_traffic_unknown() -> None:
    traffic = make_traffic(1000, seed=5)
    review = np.array([n for n, row in enumerate(traffic.rows) if row.decision == "review"])
    found = measure(traffic, review)
    automatic = 1 - len(review) / 1000
    assert found.unknown_share == pytest.approx(automatic)
    assert {stratum.decision for stratum in found.strata if not stratum.known} == {"auto"}
    assert found.traffic is not None
    assert found.traffic.auto_precision is None
    assert found.queue_labels == len(review)
    assert sum(stratum.rows for stratum in found.strata) == 1000
    assert sum(stratum.labels for stratum in found.strata) == len(review)


def test_stratum_of_few_labels_is_unknown() -> None:
    rows = [make_row(n, confidence=0.6) for n in range(20)]
    rows += [make_row(100 + n, confidence=0.99, decision="auto") for n in range(60)]
    labels = {row.prediction_id: Truth(10, 1, 1, NOON) for row in [*rows[:5], *rows[20:24]]}
    found = measure_performance(rows, labels)
    assert [(s.decision, s.rows, s.labels, s.known) for s in found.strata] == [
        ("review", 20, 5, True),
        ("auto", 60, 4, False),
    ]
    assert found.unknown_share == pytest.approx(0.75)
    assert found.traffic is not None
    assert found.traffic.accuracy.labels == 5
    assert found.labels == 9


def test_without_labels_nothing_is_measured_and_the_estimate_remains() -> None:
    traffic = make_traffic(200)
    found = measure_performance(traffic.rows, {"of-another-window": Truth(10, 1, 1, NOON)})
    assert (found.labels, found.labelled, found.traffic, found.per_type) == (0, None, None, ())
    assert found.unknown_share == 1
    assert found.expected is not None
    assert label_violations(found.evidence(0.9), RetrainingParams()) == []
    assert measure_performance([], {}).to_dict()["expected"] is None


def test_all_right_is_not_taken_for_certainty() -> None:
    rows = [make_row(n, confidence=0.6) for n in range(300)]
    truths = {row.prediction_id: Truth(10, 1, 1, NOON) for row in rows}
    found = measure_performance(rows, truths)
    assert found.traffic is not None
    assert found.traffic.weighted_f1.value == 1
    assert found.traffic.weighted_f1.interval == exact_interval(300, 300)


def test_all_right_by_unequal_weights_claims_no_more_than_the_effective_labels() -> None:
    rows = [make_row(n, confidence=0.6) for n in range(900)]
    rows += [make_row(1000 + n, confidence=0.9) for n in range(300)]
    chosen = [*rows[:100], *rows[900:]]
    found = measure_performance(rows, {row.prediction_id: Truth(10, 1, 1, NOON) for row in chosen})
    # 100 labels of weight 9 and 300 of weight 1: 1200² / (100 · 81 + 300).
    assert found.effective_labels == pytest.approx(1200**2 / 8400)
    assert found.traffic is not None
    assert found.traffic.weighted_f1.interval == exact_interval(171, 171)


def test_damaged_rows_are_counted_and_left_out_and_erased_ones_count() -> None:
    rows = [make_row(0, state="damaged"), make_row(1, state="erased"), make_row(2)]
    truths = {row.prediction_id: Truth(10, 1, 1, NOON) for row in rows}
    found = measure_performance(rows, truths)
    assert (found.rows, found.damaged, found.labels) == (2, 1, 2)


def test_contested_labels_are_counted() -> None:
    rows = [make_row(n) for n in range(3)]
    truths = {row.prediction_id: Truth(10, 2, 3, NOON) for row in rows[:2]}
    assert measure_performance(rows, truths).contested == 2


@pytest.mark.parametrize(("loss", "violations"), [(0.0, []), (0.25, ["performance_drop"])])
def test_evidence_of_a_drop_reaches_the_decision(loss: float, violations: list[str]) -> None:
    healthy = real_f1(make_traffic(3000, seed=8))
    traffic = make_traffic(1500, seed=9, loss=loss)
    evidence = measure(traffic, queue_first(traffic, 100, 0.3)).evidence(healthy)
    found = [reason.code for reason in label_violations(evidence, RetrainingParams())]
    assert [code for code in found if code == "performance_drop"] == violations


@pytest.mark.parametrize("loss", [0.0, 0.25])
def test_queue_alone_shows_that_confidence_no_longer_holds(loss: float) -> None:
    traffic = make_traffic(1500, seed=9, loss=loss)
    confidence = [row.confidence for row in traffic.rows]
    evidence = measure(traffic, np.flatnonzero(np.array(confidence) < THRESHOLD)).evidence(0.9)
    found = [reason.code for reason in label_violations(evidence, RetrainingParams())]
    assert found == (["overconfident"] if loss else [])


def test_complaints_about_automatic_answers_do_not_pass_for_a_drop() -> None:
    traffic = make_traffic(1500, seed=9)
    wrong = [
        n
        for n, (row, code) in enumerate(zip(traffic.rows, traffic.truth, strict=True))
        if row.decision == "auto" and row.prdtypecode != code
    ]
    queue = np.flatnonzero(np.array([row.decision == "review" for row in traffic.rows]))
    evidence = measure(traffic, np.concatenate([queue, wrong[:4]])).evidence(0.9)
    assert label_violations(evidence, RetrainingParams()) == []


def test_window_of_the_store_is_measured_by_what_people_said(tmp_path: object) -> None:
    database = Database(f"sqlite:///{tmp_path}/store.db")
    database.migrate()
    records = [
        make_record(created_at=NOON + timedelta(minutes=n), model_version=3 + n % 2)
        for n in range(8)
    ]
    with database.write() as connection:
        insert_predictions(connection, records)
        for record in records:
            code = record.prdtypecode if record.model_version == 3 else 40
            put_feedback(connection, [make_feedback(record.prediction_id, prdtypecode=code)])
    found = read_performance(database, Window(until=NOON + timedelta(minutes=6), model_version=3))
    assert (found.rows, found.labels) == (3, 3)
    assert found.labelled is not None
    assert found.labelled.accuracy.value == 1
    everything = read_performance(database, Window())
    assert everything.labelled is not None
    assert everything.labelled.accuracy.value == 0.5
    assert everything.expected is not None
    assert everything.expected.accuracy == pytest.approx(0.61)
    database.close()
