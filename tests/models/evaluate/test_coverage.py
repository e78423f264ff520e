"""Precision of automatic answers against their share."""

import numpy as np
import pytest

from rakuten.models.evaluate.coverage import coverage_curve


def test_every_point_is_what_its_threshold_gives() -> None:
    rng = np.random.default_rng(0)
    confidence = rng.uniform(0.3, 1, 1500).round(2)
    correct = rng.random(1500) < confidence
    curve = coverage_curve(confidence, correct)
    assert 30 < len(curve) <= 101
    for point in curve:
        chosen = confidence >= point.threshold
        assert point.automatic == chosen.sum() >= 100
        assert point.correct == correct[chosen].sum()
        assert point.coverage == pytest.approx(chosen.mean())
        assert point.precision == pytest.approx(correct[chosen].mean())
        assert point.precision_interval is not None
        assert point.precision_interval[0] < point.precision < point.precision_interval[1]
    assert curve[-1].coverage == 1
    thresholds = [point.threshold for point in curve]
    assert thresholds == sorted(thresholds, reverse=True)


def test_rows_of_one_confidence_are_one_point() -> None:
    (point,) = coverage_curve(np.full(300, 0.8), np.arange(300) % 3 > 0)
    assert (point.automatic, point.correct) == (300, 200)


@pytest.mark.parametrize("rows", [0, 1, 99])
def test_too_few_rows_have_no_curve(rows: int) -> None:
    assert coverage_curve(np.linspace(0, 1, rows), np.ones(rows, dtype=bool)) == []
