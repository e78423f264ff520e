"""Intervals of shares and of F1, against tables, scikit-learn and row-by-row resampling."""

import numpy as np
import pytest
from sklearn.metrics import f1_score

from rakuten.models.evaluate.intervals import (
    percentile_interval,
    resample_f1,
    score_interval,
    share_interval,
)
from tests.models.evaluate.conftest import noisy_answers


def _answers(rows: int, types: int, right: float) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(3)
    truth = np.sort(rng.integers(0, types, rows) ** 2 + 10)
    guesses = rng.integers(0, types + 1, rows) ** 2 + 10
    return truth, np.where(rng.random(rows) < right, truth, guesses)


def test_the_interval_of_a_share_is_the_exact_one() -> None:
    # Clopper-Pearson of 90 in 100 and of none or all of 100, as tables print it.
    assert share_interval(90, 100) == pytest.approx((0.8238, 0.9510), abs=5e-5)
    assert share_interval(100, 100) == pytest.approx((0.9638, 1.0), abs=5e-5)
    assert share_interval(0, 100) == pytest.approx((0.0, 0.0362), abs=5e-5)


def test_fewer_than_a_hundred_rows_claim_nothing() -> None:
    assert share_interval(99, 99) is None
    assert share_interval(0, 0) is None
    assert score_interval(np.zeros(10), 50, 99) is None


def test_a_score_without_variation_still_has_an_interval() -> None:
    assert score_interval(np.ones(1000), 120, 120) == share_interval(120, 120)
    assert score_interval(np.zeros(1000), 0, 120) == share_interval(0, 120)


def test_resampled_counts_give_the_scores_that_resampled_rows_give() -> None:
    truth, predicted = _answers(400, 6, 0.7)
    rng = np.random.default_rng(4)
    rows = [rng.integers(0, 400, 400) for _ in range(600)]
    slow = [
        [f1_score(truth[r], predicted[r], average=kind) for kind in ("weighted", "macro")]
        for r in rows
    ]
    fast = resample_f1(truth, predicted, draws=4000)
    for column, draws in enumerate((fast.weighted, fast.macro)):
        expected = np.array(slow)[:, column]
        assert draws.mean() == pytest.approx(expected.mean(), abs=0.003)
        assert draws.std() == pytest.approx(expected.std(), rel=0.1)
        assert percentile_interval(draws) == pytest.approx(percentile_interval(expected), abs=0.006)


def test_a_resample_of_one_kind_of_row_is_the_score_itself() -> None:
    draws = resample_f1(np.full(150, 40), np.full(150, 40), draws=5)
    assert draws.weighted.tolist() == draws.macro.tolist() == [1.0] * 5
    wrong = resample_f1(np.full(150, 40), np.full(150, 50), draws=5)
    assert wrong.weighted.tolist() == wrong.macro.tolist() == [0.0] * 5


def test_the_f1_of_a_type_that_a_resample_lacks_is_not_a_number() -> None:
    truth = np.array([10] * 300 + [40])
    draws = resample_f1(truth, truth)
    rare = draws.per_type[:, draws.codes.tolist().index(40)]
    assert 0.2 < np.isnan(rare).mean() < 0.5
    assert np.isfinite(draws.weighted).all()
    assert np.isfinite(draws.macro).all()


def test_the_same_answers_give_the_same_draws() -> None:
    truth, predicted = _answers(500, 9, 0.8)
    one, other = resample_f1(truth, predicted), resample_f1(truth, predicted)
    assert np.array_equal(one.weighted, other.weighted)
    assert np.array_equal(one.per_type, other.per_type, equal_nan=True)
    shuffled = np.random.default_rng(5).permutation(500)
    assert np.array_equal(one.weighted, resample_f1(truth[shuffled], predicted[shuffled]).weighted)


def test_the_interval_covers_the_score_that_many_other_rows_give() -> None:
    whole = noisy_answers(50_000, seed=99)
    score = f1_score(whole.truth, whole.predicted, average="weighted")
    covered = []
    for seed in range(100):
        few = noisy_answers(300, seed=seed)
        lower, upper = percentile_interval(resample_f1(few.truth, few.predicted).weighted)
        covered.append(lower <= score <= upper)
    assert 0.88 <= np.mean(covered) < 1
