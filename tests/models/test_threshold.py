"""The threshold is the lowest whose precision is sure enough; without one, people review all."""

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.stats import beta

from rakuten.models.threshold import Threshold, choose_threshold, precision_lower_bound
from rakuten.params import DecisionParams

PARAMS = DecisionParams(target_precision=0.9, confidence=0.95)


@pytest.mark.parametrize("confidence", [0.9, 0.95, 0.99])
def test_the_lower_bound_is_clopper_and_pearsons(confidence: float) -> None:
    count = np.repeat(np.arange(1, 60), 60)
    right = np.tile(np.arange(60), 59)
    right, count = right[right <= count], count[right <= count]
    found = precision_lower_bound(right, count, confidence)
    expected = np.nan_to_num(beta.ppf(1 - confidence, right, count - right + 1), nan=0.0)
    assert np.allclose(found, expected, atol=1e-10)
    assert (found <= right / count).all()


def test_the_lower_bound_of_a_textbook_case() -> None:
    # All right in n: the bound solves p**n = 1 - confidence.
    found = precision_lower_bound(np.array([59]), np.array([59]), 0.95)
    assert found[0] == pytest.approx(0.05 ** (1 / 59))


def graded(sure: int, rows: int) -> NDArray[np.float64]:
    """Confidences that say: this many are sure, the others are not."""
    levels = np.where(np.arange(rows) < sure, 0.99, 0.5) - np.arange(rows) * 1e-6
    return np.asarray(levels, dtype=np.float64)


def test_thresholds_go_down_while_precision_is_sure() -> None:
    confidence, correct = graded(200, 400), np.arange(400) < 200
    found = choose_threshold(confidence, correct, PARAMS)
    assert found.confidence is not None
    assert found.precision is not None
    automatic = confidence >= found.confidence
    right, count = int(correct[automatic].sum()), int(automatic.sum())
    assert found.coverage == count / 400
    assert found.precision == right / count
    assert beta.ppf(0.05, right, count - right + 1) >= 0.9
    # A step is 1 % of the rows; one more would not be sure enough.
    assert beta.ppf(0.05, right, count + 4 - right + 1) < 0.9
    assert count > 200


def test_a_few_mistakes_at_the_very_top_do_not_end_the_search() -> None:
    correct = np.ones(500, dtype=bool)
    correct[:3] = False
    assert choose_threshold(graded(500, 500), correct, PARAMS).coverage == 1.0


def test_a_failure_ends_the_sequence_whatever_comes_after() -> None:
    correct = np.ones(1000, dtype=bool)
    correct[550:700] = False
    params = DecisionParams(target_precision=0.8, confidence=0.95)
    found = choose_threshold(graded(550, 1000), correct, params)
    # All rows together would pass, but behind a failure nothing is looked at.
    assert precision_lower_bound(np.array([850]), np.array([1000]), 0.95)[0] > 0.8
    assert 0.55 < found.coverage < 0.7


def test_the_promise_holds_however_often_one_looks() -> None:
    """Where no threshold is precise enough, one is chosen in at most 5 % of catalogues."""
    rng = np.random.default_rng(11)
    trials, rows = 400, 600
    broken = naive = 0
    for _ in range(trials):
        confidence, correct = 0.85 + 0.14 * rng.random(rows), rng.random(rows) < 0.899
        broken += choose_threshold(confidence, correct, PARAMS).confidence is not None
        right = np.cumsum(correct[np.argsort(-confidence)], dtype=np.int64)
        count = np.arange(1, rows + 1)
        naive += bool((precision_lower_bound(right, count, PARAMS.confidence) >= 0.9).any())
    limit = 0.05 + 3 * np.sqrt(0.05 * 0.95 / trials)
    assert broken / trials <= limit
    assert naive / trials > 2 * limit, "taking the luckiest threshold must fail this test"


@pytest.mark.parametrize("reachable", [0.15, 0.3, 0.6, 0.9])
def test_hard_and_easy_catalogues_get_near_the_coverage_they_could(reachable: float) -> None:
    rng = np.random.default_rng(5)
    chance = graded(int(4000 * reachable), 4000)
    confidence = chance
    found = choose_threshold(
        confidence, rng.random(4000) < chance, DecisionParams(target_precision=0.97)
    )
    assert reachable - 0.04 < found.coverage < reachable + 0.06 * reachable


def test_a_target_out_of_reach_leaves_everything_to_review() -> None:
    confidence = np.linspace(0.5, 1, 300)
    correct = np.arange(300) % 2 == 0
    found = choose_threshold(confidence, correct, PARAMS)
    assert found == Threshold(None, 0.0, None)
    assert not found.is_automatic(np.array([0.0, 0.999, 1.0])).any()


@pytest.mark.parametrize("rows", [0, 1, 20])
def test_too_few_rows_are_never_sure_enough(rows: int) -> None:
    found = choose_threshold(np.full(rows, 0.99), np.ones(rows, dtype=bool), PARAMS)
    assert found.confidence is None


def test_rows_of_equal_confidence_are_taken_together() -> None:
    # 100 right answers, then 100 of one confidence that are half wrong: all of them or none.
    confidence = np.array([0.9] * 100 + [0.8] * 100)
    correct = np.array([True] * 150 + [False] * 50)
    found = choose_threshold(confidence, correct, PARAMS)
    assert found.confidence == 0.9
    assert found.coverage == 0.5
    shuffled = np.random.default_rng(0).permutation(200)
    assert choose_threshold(confidence[shuffled], correct[shuffled], PARAMS) == found


def test_all_rows_of_equal_confidence_can_pass_together() -> None:
    found = choose_threshold(np.full(100, 0.7), np.ones(100, dtype=bool), PARAMS)
    assert found == Threshold(0.7, 1.0, 1.0)


def test_an_answer_at_the_threshold_is_automatic() -> None:
    automatic = Threshold(0.8, 0.5, 0.99).is_automatic(np.array([0.79999, 0.8, 0.9]))
    assert automatic.tolist() == [False, True, True]


def test_a_stricter_target_never_covers_more() -> None:
    rng = np.random.default_rng(0)
    confidence = rng.random(3000)
    correct = rng.random(3000) < confidence
    covered = [
        choose_threshold(
            confidence, correct, DecisionParams(target_precision=target, confidence=0.95)
        ).coverage
        for target in (0.6, 0.7, 0.8, 0.9, 0.97)
    ]
    assert covered == sorted(covered, reverse=True)
    assert covered[0] > 0.5


def test_weights_that_are_all_the_same_change_nothing() -> None:
    confidence = graded(550, 1000)
    correct = np.random.default_rng(2).random(1000) < confidence
    plain = choose_threshold(confidence, correct, PARAMS)
    for weight in (1.0, 3.0):
        found = choose_threshold(confidence, correct, PARAMS, np.full(1000, weight))
        assert found.confidence == plain.confidence
        assert found.coverage == pytest.approx(plain.coverage)


def test_heavy_rows_are_no_more_evidence_than_they_are() -> None:
    """Sixty right answers meet the target; fifty of one weight and ten of another do not."""
    confidence, correct = np.full(60, 0.99), np.ones(60, dtype=bool)
    params = DecisionParams(target_precision=0.95, confidence=0.95)
    assert choose_threshold(confidence, correct, params).confidence == 0.99
    heavy = np.where(np.arange(60) < 10, 10.0, 1.0)
    assert choose_threshold(confidence, correct, params, heavy).confidence is None


def test_a_heavy_mistake_costs_its_weight() -> None:
    confidence, correct = np.full(400, 0.99), np.arange(400) > 3
    params = DecisionParams(target_precision=0.97, confidence=0.95)
    found = choose_threshold(confidence, correct, params)
    assert found.precision == pytest.approx(0.99)
    heavy = np.where(correct, 1.0, 3.0)
    assert choose_threshold(confidence, correct, params, heavy).confidence is None
