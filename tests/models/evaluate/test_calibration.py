"""Calibration error, its spread, and the bins behind it."""

import numpy as np
import pytest

from rakuten.models.evaluate.calibration import (
    calibration_error,
    calibration_spread,
    reliability,
)


def test_calibration_error_of_a_case_by_hand() -> None:
    # Two bins of two: mean confidence 0.3 against 0.5 right, 0.85 against 1.
    confidence = np.array([0.9, 0.2, 0.4, 0.8])
    correct = np.array([True, False, True, True])
    expected = (abs(0.3 - 0.5) * 2 + abs(0.85 - 1.0) * 2) / 4
    assert calibration_error(confidence, correct, bins=2) == pytest.approx(expected)


def test_calibration_error_tells_sure_from_rightly_sure() -> None:
    rng = np.random.default_rng(0)
    confidence = rng.uniform(0.3, 1, 20_000)
    assert calibration_error(confidence, rng.random(20_000) < confidence) < 0.02
    assert calibration_error(confidence, rng.random(20_000) < confidence - 0.2) > 0.15
    assert calibration_error(np.ones(50), np.zeros(50, dtype=bool)) == pytest.approx(1.0)


@pytest.mark.parametrize("rows", [0, 1, 3])
def test_calibration_error_of_fewer_rows_than_bins(rows: int) -> None:
    found = calibration_error(np.full(rows, 0.75), np.ones(rows, dtype=bool))
    assert found == pytest.approx(0.25 if rows else 0.0)


def test_the_bins_are_those_of_the_calibration_error() -> None:
    rng = np.random.default_rng(1)
    confidence = rng.uniform(0.2, 1, 1003)
    correct = rng.random(1003) < confidence**2
    bins = reliability(confidence, correct)
    assert len(bins) == 15
    assert sum(part.rows for part in bins) == 1003
    assert max(part.rows for part in bins) - min(part.rows for part in bins) == 1
    assert all(a.highest <= b.lowest for a, b in zip(bins, bins[1:], strict=False))
    gap = sum(part.rows * abs(part.mean_confidence - part.accuracy) for part in bins) / 1003
    assert gap == pytest.approx(calibration_error(confidence, correct))


def test_the_interval_is_around_the_estimate_and_the_same_each_time() -> None:
    rng = np.random.default_rng(2)
    confidence = rng.uniform(0.3, 1, 2000)
    correct = rng.random(2000) < confidence - 0.1
    spread = calibration_spread(confidence, correct)
    assert spread is not None
    lower, upper = spread.interval
    assert lower < calibration_error(confidence, correct) < upper
    assert spread == calibration_spread(confidence, correct)
    assert spread.by_chance < spread.by_chance_upper < lower


def test_the_interval_covers_the_errors_that_other_rows_would_give() -> None:
    """The interval of one draw covers the mean over draws about 95 times in 100."""

    def draw(seed: int) -> tuple[float, tuple[float, float]]:
        rng = np.random.default_rng(seed)
        confidence = rng.uniform(0.4, 1, 600)
        correct = rng.random(600) < np.clip(confidence - 0.05, 0, 1)
        spread = calibration_spread(confidence, correct, draws=200)
        assert spread is not None
        return calibration_error(confidence, correct), spread.interval

    found = [draw(seed) for seed in range(120)]
    mean = np.mean([error for error, _ in found])
    covered = [lower <= mean <= upper for _, (lower, upper) in found]
    assert 0.88 <= np.mean(covered) <= 0.995


def test_a_calibrated_model_shows_no_more_than_chance_does() -> None:
    errors, means, uppers = [], [], []
    for seed in range(60):
        rng = np.random.default_rng(seed)
        confidence = rng.uniform(0.4, 1, 500)
        correct = rng.random(500) < confidence
        spread = calibration_spread(confidence, correct, draws=200)
        assert spread is not None
        errors.append(calibration_error(confidence, correct))
        means.append(spread.by_chance)
        uppers.append(spread.by_chance_upper)
    assert np.mean(errors) == pytest.approx(np.mean(means), rel=0.1)
    assert np.mean(np.array(errors) > np.array(uppers)) <= 0.15


def test_too_few_rows_have_no_spread() -> None:
    assert calibration_spread(np.full(99, 0.9), np.ones(99, dtype=bool)) is None
    assert calibration_spread(np.full(100, 0.9), np.ones(100, dtype=bool)) is not None
