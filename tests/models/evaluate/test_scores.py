"""Scores that can be checked by hand."""

import numpy as np
import pytest
from sklearn.metrics import f1_score

from rakuten.models.evaluate import (
    confused_pairs,
    decision_scores,
    overall_scores,
    per_class_scores,
)

TRUTH = [10, 10, 10, 10, 40, 40, 2583]
PREDICTED = [10, 10, 40, 2583, 40, 10, 2583]
NAMES = {10: "livres", 40: "jeux"}


def test_overall_scores_of_a_case_by_hand() -> None:
    scores = overall_scores(TRUTH, PREDICTED)
    # F1: 10 → 4/7, 40 → 1/2, 2583 → 2/3.
    assert scores["weighted_f1"] == pytest.approx((4 * 4 / 7 + 2 * 1 / 2 + 2 / 3) / 7)
    assert scores["macro_f1"] == pytest.approx((4 / 7 + 1 / 2 + 2 / 3) / 3)
    assert scores["accuracy"] == pytest.approx(4 / 7)
    assert scores["weighted_f1"] == f1_score(TRUTH, PREDICTED, average="weighted")


def test_perfect_and_hopeless_answers_are_one_and_zero() -> None:
    assert set(overall_scores(TRUTH, TRUTH).values()) == {1.0}
    assert set(overall_scores([10, 40], [40, 10]).values()) == {0.0}


def test_coverage_and_precision_of_automatic_answers() -> None:
    automatic = np.array([True, True, True, False, False, False, True])
    scores = decision_scores(TRUTH, PREDICTED, automatic)
    assert scores["coverage"] == pytest.approx(4 / 7)
    assert scores["auto_precision"] == pytest.approx(3 / 4)


def test_no_automatic_answer_has_no_precision() -> None:
    none = np.zeros(len(TRUTH), dtype=bool)
    expected = {"coverage": 0.0, "auto_precision": None}
    assert decision_scores(TRUTH, PREDICTED, none) == expected
    assert decision_scores([], [], np.zeros(0, dtype=bool)) == expected


def test_scores_of_each_type_name_it_most_frequent_first() -> None:
    rows = per_class_scores(TRUTH, PREDICTED, NAMES)
    assert [row["prdtypecode"] for row in rows] == [10, 40, 2583]
    assert rows[0] == {
        "prdtypecode": 10,
        "label": "livres",
        "precision": 0.6667,
        "recall": 0.5,
        "f1": 0.5714,
        "support": 4,
    }
    assert rows[2]["label"] == "2583"
    assert sum(row["support"] for row in rows) == len(TRUTH)


def test_a_type_that_is_only_predicted_has_a_row_without_support() -> None:
    rows = per_class_scores([10, 10], [10, 50], {})
    assert rows[-1]["prdtypecode"] == 50
    assert rows[-1]["support"] == 0


def test_confused_pairs_are_the_mistakes_most_frequent_first() -> None:
    truth = [10, 10, 10, 40, 40, 60]
    predicted = [40, 40, 10, 10, 40, 60]
    assert confused_pairs(truth, predicted) == [
        {"actual": 10, "predicted": 40, "count": 2},
        {"actual": 40, "predicted": 10, "count": 1},
    ]
    assert len(confused_pairs(truth, predicted, top=1)) == 1
    assert confused_pairs(truth, truth) == []
