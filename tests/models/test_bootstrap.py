"""Bootstrap intervals cover what they claim and take a product's rows together."""

import numpy as np
import pytest
from numpy.typing import NDArray
from sklearn.metrics import f1_score

from rakuten.models.bootstrap import Statistic, bootstrap, weighted_calibration_error, weighted_f1
from rakuten.models.evaluate import calibration_error


def share_of(hits: NDArray[np.bool_]) -> Statistic:
    return lambda weights: float(weights @ hits / weights.sum())


def test_weighted_f1_is_scikit_learns_also_under_weights() -> None:
    rng = np.random.default_rng(0)
    truth, predicted = rng.integers(0, 5, 300), rng.integers(0, 7, 300)
    predicted[:200] = truth[:200]
    for weights in (np.ones(300), rng.integers(0, 4, 300).astype(np.float64)):
        expected = f1_score(
            truth, predicted, average="weighted", sample_weight=weights, zero_division=0
        )
        assert weighted_f1(truth, predicted, weights) == pytest.approx(expected)


def test_the_calibration_error_of_equal_weights_is_that_of_the_reports() -> None:
    rng = np.random.default_rng(0)
    confidence = rng.random(1500)
    correct = rng.random(1500) < confidence**2
    found = weighted_calibration_error(confidence, correct, np.ones(1500))
    assert found == pytest.approx(calibration_error(confidence, correct))
    assert found > 0.1


def test_a_weight_of_two_is_a_row_twice() -> None:
    rng = np.random.default_rng(1)
    confidence, correct = rng.random(400), rng.random(400) < 0.7
    weights = rng.integers(0, 3, 400)
    repeated = np.repeat(np.arange(400), weights)
    found = weighted_calibration_error(confidence, correct, weights.astype(np.float64))
    expected = calibration_error(confidence[repeated], correct[repeated])
    # A row on the edge of two bins is in one of them as a whole.
    assert found == pytest.approx(expected, abs=0.01)


def test_bounds_hold_as_often_as_they_claim() -> None:
    rng = np.random.default_rng(2)
    below = above = 0
    for trial in range(200):
        share = share_of(rng.random(150) < 0.6)
        found = bootstrap(share, np.arange(150), resamples=200, seed=trial)
        below += found.upper < 0.6
        above += found.lower > 0.6
    # Each side 5 %: four standard deviations of 200 trials around it.
    assert below + above > 2
    assert max(below, above) < 200 * 0.05 + 4 * np.sqrt(200 * 0.05 * 0.95)


def test_rows_of_one_product_are_no_independent_evidence() -> None:
    hits = np.random.default_rng(3).random(100) < 0.5
    once = bootstrap(share_of(hits), np.arange(100))
    nine = bootstrap(share_of(np.repeat(hits, 9)), np.repeat(np.arange(100), 9))
    assert (nine.lower, nine.upper) == pytest.approx((once.lower, once.upper))
    assert once.lower < once.value < once.upper


def test_the_same_seed_gives_the_same_interval() -> None:
    values = np.random.default_rng(4).random(50)
    first, second, other = (
        bootstrap(lambda w: float(w @ values), np.arange(50), seed=seed) for seed in (0, 0, 1)
    )
    assert first == second
    assert first != other
