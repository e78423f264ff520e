"""Paired differences: right values, and bounds that hold."""

import numpy as np
import pytest
from numpy.typing import NDArray
from sklearn.metrics import f1_score

from rakuten.models.evaluate import calibration_error
from rakuten.models.paired import Answered, compare

CODES = np.array([10, 40, 2583])


def answers(
    truth: NDArray[np.int64], right: float, rng: np.random.Generator, confidence: float = 0.8
) -> Answered:
    """Answers of which about a share is right; wrong ones are any other code."""
    wrong = CODES[(np.searchsorted(CODES, truth) + rng.integers(1, 3, len(truth))) % 3]
    hit = rng.random(len(truth)) < right
    return Answered(
        predicted=np.where(hit, truth, wrong),
        confidence=np.full(len(truth), confidence),
        automatic=rng.random(len(truth)) < 0.5,
    )


def test_differences_are_those_of_the_scores() -> None:
    rng = np.random.default_rng(1)
    truth = rng.choice(CODES, 500)
    first, second = answers(truth, 0.7, rng), answers(truth, 0.8, rng, 0.7)
    found = compare(truth, first, second, resamples=10)

    def f1(answered: Answered, average: str | None) -> NDArray[np.float64]:
        return np.asarray(f1_score(truth, answered.predicted, average=average))

    assert found.weighted_f1.value == pytest.approx(f1(second, "weighted") - f1(first, "weighted"))
    assert found.class_f1.value == pytest.approx(f1(second, None) - f1(first, None))
    assert found.classes.tolist() == CODES.tolist()
    assert found.support.sum() == 500
    gap = [calibration_error(a.confidence, a.predicted == truth) for a in (first, second)]
    assert found.calibration_error.value == pytest.approx(gap[1] - gap[0], abs=1e-9)
    shares = [a.automatic.mean() for a in (first, second)]
    assert found.coverage.value == pytest.approx(shares[1] - shares[0])


def test_the_same_answers_differ_by_nothing() -> None:
    rng = np.random.default_rng(2)
    truth = rng.choice(CODES, 200)
    same = answers(truth, 0.7, rng)
    found = compare(truth, same, same, resamples=50)
    assert float(found.weighted_f1.quantile(0.05)) == 0.0
    assert np.all(found.class_f1.resampled == 0)


def test_the_lower_bound_holds_as_often_as_it_says() -> None:
    """Of 100 pairs of equally good models about 5 bounds lie above zero."""
    rng = np.random.default_rng(3)
    above = 0
    for _ in range(100):
        truth = rng.choice(CODES, 400)
        found = compare(truth, answers(truth, 0.8, rng), answers(truth, 0.8, rng), resamples=200)
        above += float(found.weighted_f1.quantile(0.05)) > 0
    assert 1 <= above <= 12


def test_answers_outside_the_true_classes_are_counted() -> None:
    truth = np.array([10, 10, 40, 40])
    first = Answered(np.array([10, 10, 40, 40]), np.ones(4), np.ones(4, dtype=bool))
    second = Answered(np.array([10, 7, 40, 99]), np.ones(4), np.ones(4, dtype=bool))
    found = compare(truth, first, second, resamples=10)
    assert found.classes.tolist() == [7, 10, 40, 99]
    assert found.support.tolist() == [0, 2, 2, 0]
    assert found.weighted_f1.value == pytest.approx(2 / 3 - 1)
