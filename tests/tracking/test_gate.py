"""The verdict as a function of answers: each condition fails for its own reason alone."""

import json

import numpy as np
import pytest
from numpy.typing import NDArray

from rakuten.models.paired import Answered
from rakuten.params import GateFloors, GateParams
from rakuten.tracking.gate import Evidence, Verdict, judge

CODES = np.array([10, 40, 50, 60, 2583])
PARAMS = GateParams(resamples=400)


class Model:
    """Makes calibrated answers that are right with a probability, type by type."""

    def __init__(self, truth: NDArray[np.int64], seed: int = 0) -> None:
        self.truth, self.rng = truth, np.random.default_rng(seed)

    def evidence(
        self, right: float, *, lost: int | None = None, shift: float = 0.0, automatic: float = 0.5
    ) -> Evidence:
        rows = len(self.truth)
        sure = np.clip(self.rng.normal(right, 0.1, rows), 0.05, 0.99)
        hit = self.rng.random(rows) < sure
        if lost is not None:
            hit &= self.truth != lost
        others = CODES[(np.searchsorted(CODES, self.truth) + self.rng.integers(1, 5, rows)) % 5]
        answered = Answered(
            predicted=np.where(hit, self.truth, others),
            confidence=np.clip(sure + shift, 0, 1),
            automatic=self.rng.random(rows) < automatic,
        )
        return Evidence(answered, size=10 * 2**20, latency=0.005, golden_deviation=0.0)


@pytest.fixture
def truth() -> NDArray[np.int64]:
    """True types of 5,000 rows."""
    return np.random.default_rng(7).choice(CODES, 5000, p=[0.4, 0.25, 0.2, 0.12, 0.03])


def failed(verdict: Verdict) -> set[str]:
    return {check.name for check in verdict.failures()}


def verdict(
    truth: NDArray[np.int64],
    challenger: Evidence,
    champion: Evidence | None = None,
    params: GateParams = PARAMS,
    target: float = 0.7,
) -> Verdict:
    found = judge(truth, challenger, champion, params, target_precision=target)
    assert found.passed is not bool(found.failures())
    json.dumps(found.to_dict())
    return found


def test_a_clearly_better_challenger_passes(truth: NDArray[np.int64]) -> None:
    model = Model(truth)
    found = verdict(truth, model.evidence(0.9), model.evidence(0.8))
    assert found.passed
    assert found.champion is not None
    assert (found.challenger["weighted_f1"] or 0) > (found.champion["weighted_f1"] or 1)


def test_a_clearly_worse_challenger_fails_on_f1_alone(truth: NDArray[np.int64]) -> None:
    model = Model(truth)
    found = verdict(truth, model.evidence(0.80), model.evidence(0.85))
    assert failed(found) == {"weighted F1"}


def test_losing_one_class_outweighs_being_better_overall(truth: NDArray[np.int64]) -> None:
    model = Model(truth)
    found = verdict(truth, model.evidence(0.9, lost=2583), model.evidence(0.8))
    assert failed(found) == {"classes"}
    (check,) = found.failures()
    assert "2583" in check.detail


def test_a_class_with_too_few_rows_is_not_judged(truth: NDArray[np.int64]) -> None:
    model = Model(truth)
    params = PARAMS.model_copy(update={"class_support": 1000})
    found = verdict(truth, model.evidence(0.9, lost=2583), model.evidence(0.8), params)
    assert found.passed


def test_equal_models_mostly_pass_and_worse_ones_mostly_fail() -> None:
    """5,000 rows show the margin: one point of F1 lost, or two."""
    params = PARAMS.model_copy(update={"resamples": 150})
    equal = worse = 0
    for seed in range(20):
        rows = np.random.default_rng(seed).choice(CODES, 5000)
        model = Model(rows, seed)
        champion = model.evidence(0.95)
        equal += verdict(rows, model.evidence(0.95), champion, params).passed
        worse += verdict(rows, model.evidence(0.925), champion, params).passed
    assert equal >= 10
    assert worse <= 1


def test_overconfidence_fails_calibration(truth: NDArray[np.int64]) -> None:
    model = Model(truth)
    found = verdict(truth, model.evidence(0.8, shift=0.15), model.evidence(0.8))
    assert {"calibration", "calibration beside"} <= failed(found)


def test_fewer_automatic_answers_fail_coverage(truth: NDArray[np.int64]) -> None:
    model = Model(truth)
    found = verdict(truth, model.evidence(0.85, automatic=0.3), model.evidence(0.8, automatic=0.5))
    assert failed(found) == {"coverage"}


def test_automatic_answers_surely_below_their_precision_fail(truth: NDArray[np.int64]) -> None:
    found = verdict(truth, Model(truth).evidence(0.8), target=0.97)
    assert failed(found) == {"automatic precision"}


def test_without_automatic_answers_their_precision_is_not_judged(
    truth: NDArray[np.int64],
) -> None:
    assert verdict(truth, Model(truth).evidence(0.8, automatic=0.0), target=0.97).passed


@pytest.mark.parametrize(
    ("change", "name"),
    [
        ({"floors": GateFloors(weighted_f1=0.95, macro_f1=0)}, "floor weighted_f1"),
        ({"floors": GateFloors(weighted_f1=0, macro_f1=0.95)}, "floor macro_f1"),
        ({"size_mib": 5}, "size"),
        ({"latency_ms": 1}, "latency"),
    ],
)
def test_floors_and_budgets(truth: NDArray[np.int64], change: dict[str, object], name: str) -> None:
    found = verdict(truth, Model(truth).evidence(0.8), params=PARAMS.model_copy(update=change))
    assert failed(found) == {name}


def test_a_model_that_answers_otherwise_here_than_where_it_was_made_fails(
    truth: NDArray[np.int64],
) -> None:
    sound = Model(truth).evidence(0.8)
    off = Evidence(sound.answered, sound.size, sound.latency, golden_deviation=0.02)
    assert failed(verdict(truth, off)) == {"artifact"}
    unknown = Evidence(sound.answered, sound.size, sound.latency, golden_deviation=float("nan"))
    assert failed(verdict(truth, unknown)) == {"artifact"}


def test_a_verdict_is_the_same_each_time(truth: NDArray[np.int64]) -> None:
    champion, challenger = Model(truth).evidence(0.8), Model(truth, 1).evidence(0.8)
    assert verdict(truth, challenger, champion) == verdict(truth, challenger, champion)
