"""Performance without labels: right where confidence is, and wrong where it is not."""

import numpy as np
import pytest
from sklearn.metrics import f1_score

from rakuten.monitoring.estimate import expect_performance
from tests.monitoring.traffic import CODES, make_row, make_traffic


def test_calibrated_confidence_gives_the_real_accuracy_and_f1() -> None:
    traffic = make_traffic(4000, seed=1)
    found = expect_performance(traffic.rows)
    assert found is not None
    assert found.weighted_f1 is not None
    low, high = found.accuracy_interval
    assert low < traffic.accuracy < high
    assert high - low < 0.04
    answers = [row.prdtypecode for row in traffic.rows]
    real = f1_score(traffic.truth, answers, average="weighted")
    assert found.weighted_f1 == pytest.approx(real, abs=0.02)
    assert found.unlisted == pytest.approx(0, abs=1e-9)


def test_interval_holds_what_happens_in_most_windows() -> None:
    inside = 0
    for seed in range(40):
        traffic = make_traffic(300, seed=seed)
        found = expect_performance(traffic.rows)
        assert found is not None
        inside += found.accuracy_interval[0] <= traffic.accuracy <= found.accuracy_interval[1]
    assert inside >= 35


def test_expected_f1_is_that_of_the_expected_counts() -> None:
    rows = [
        make_row(0, prdtypecode=10, confidence=0.8, alternatives=((40, 0.2),)),
        make_row(1, prdtypecode=40, confidence=0.6, alternatives=((10, 0.4),)),
    ]
    found = expect_performance(rows)
    assert found is not None
    # Expected support 1.2 and 0.8, one answer each: F1 is 2 · 0.8 / 2.2 and 2 · 0.6 / 1.8.
    expected = (1.2 * 1.6 / 2.2 + 0.8 * 1.2 / 1.8) / 2
    assert found.weighted_f1 == pytest.approx(expected)
    assert found.accuracy == pytest.approx(0.7)


def test_answer_that_is_listed_among_its_alternatives_counts_once() -> None:
    apart = make_row(0, confidence=0.8, alternatives=((40, 0.2),))
    listed = make_row(0, confidence=0.8, alternatives=((10, 0.8), (40, 0.2)))
    assert expect_performance([apart]) == expect_performance([listed])


def test_what_no_alternative_names_is_said() -> None:
    rows = [make_row(0, confidence=0.5, alternatives=((40, 0.2),))]
    found = expect_performance(rows)
    assert found is not None
    assert found.unlisted == pytest.approx(0.3)
    bare = expect_performance([make_row(0, confidence=0.5)])
    assert bare is not None
    assert bare.weighted_f1 is None
    assert bare.accuracy == 0.5


def test_damaged_rows_are_left_out_and_nothing_gives_nothing() -> None:
    damaged = make_row(0, state="damaged", confidence=99.0)
    assert expect_performance([damaged]) is None
    assert expect_performance([]) is None
    whole = make_row(1)
    assert expect_performance([damaged, whole]) == expect_performance([whole])
    erased = make_row(2, state="erased", confidence=0.4)
    both = expect_performance([erased, whole])
    assert both is not None
    assert both.accuracy == pytest.approx(0.5)


def test_overconfident_model_is_not_seen_through_and_the_assumption_says_so() -> None:
    traffic = make_traffic(2000, seed=3, loss=0.2)
    found = expect_performance(traffic.rows)
    assert found is not None
    assert found.accuracy > traffic.accuracy + 0.15
    assert "calibrated" in found.assumption
    assert len(CODES) == len(np.unique(traffic.truth))
