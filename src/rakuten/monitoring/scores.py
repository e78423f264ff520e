"""Scores of labelled answers: as they are, weighted to all traffic, and type by type."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from rakuten.models.bootstrap import weighted_calibration_error, weighted_f1
from rakuten.models.evaluate.calibration import calibration_error, calibration_spread
from rakuten.models.evaluate.intervals import (
    DRAWS,
    MIN_ROWS,
    SEED,
    Interval,
    exact_interval,
    resample_f1,
    score_interval,
    share_interval,
)
from rakuten.monitoring.strata import Strata

Codes = NDArray[np.int64]


@dataclass(frozen=True)
class Score:
    """A score, its 95 % interval (None on too few labels), and the labels behind it."""

    value: float
    interval: Interval | None
    labels: int


@dataclass(frozen=True)
class Scores:
    """Scores of labelled answers, as they are or weighted to all traffic."""

    weighted_f1: Score
    accuracy: Score
    calibration_error: Score
    auto_precision: Score | None


@dataclass(frozen=True)
class TypeScore:
    """Precision and recall of one type; those of all traffic have no interval."""

    prdtypecode: int
    precision: Score | None
    recall: Score | None
    traffic_precision: float | None
    traffic_recall: float | None


@dataclass(frozen=True)
class Answered:
    """Labelled answers, each array of shape (labels,)."""

    truth: Codes
    predicted: Codes
    confidence: NDArray[np.float64]
    automatic: NDArray[np.bool_]

    @property
    def right(self) -> NDArray[np.bool_]:
        """Which are right, shape (labels,)."""
        return np.asarray(self.truth == self.predicted)


def score_labelled(found: Answered) -> Scores:
    """Scores of the labelled answers alone, at least one."""
    count, right = len(found.truth), int(found.right.sum())
    once = np.ones(count)
    f1 = resample_f1(found.truth, found.predicted).weighted if count >= MIN_ROWS else np.empty(0)
    spread = calibration_spread(found.confidence, found.right)
    return Scores(
        weighted_f1=Score(
            weighted_f1(found.truth, found.predicted, once),
            score_interval(f1, right, count),
            count,
        ),
        accuracy=Score(right / count, exact_interval(right, count), count),
        calibration_error=Score(
            calibration_error(found.confidence, found.right),
            spread.interval if spread else None,
            count,
        ),
        auto_precision=exact_share(found.right[found.automatic]),
    )


def score_traffic(found: Answered, strata: Strata) -> Scores:
    """Scores under weights, with intervals of a bootstrap within the strata."""
    used = strata.weights > 0
    count, weights = int(used.sum()), strata.weights
    order = np.argsort(found.confidence, kind="stable")
    _, places = np.unique(np.concatenate([found.truth, found.predicted]), return_inverse=True)
    truth, predicted = np.split(places.astype(np.int64), 2)
    automatic = found.automatic & used
    f1, accuracy, precision = [], [], []
    if count >= MIN_ROWS:
        for drawn in strata.draws(DRAWS, SEED):
            f1.append(weighted_f1(truth, predicted, drawn))
            accuracy.append(_mean(found.right, drawn))
            if automatic.any():
                precision.append(_mean(found.right, drawn * automatic))
    return Scores(
        weighted_f1=_weighted(weighted_f1(truth, predicted, weights), f1, found, weights),
        accuracy=_weighted(_mean(found.right, weights), accuracy, found, weights),
        calibration_error=Score(
            weighted_calibration_error(found.confidence, found.right, weights, order=order),
            None,  # resampled bins are noisier than those they resample
            count,
        ),
        auto_precision=_weighted(
            _mean(found.right, weights * automatic), precision, found, weights * automatic
        )
        if automatic.any()
        else None,
    )


def _weighted(
    value: float, draws: list[float], found: Answered, weights: NDArray[np.float64]
) -> Score:
    """A weighted score; where all are right, or none, the exact interval of the effective count."""
    used = weights > 0
    count, right = int(used.sum()), int(found.right[used].sum())
    if right not in (0, count):
        return Score(value, score_interval(np.array(draws), right, count), count)
    effective = int(weights.sum() ** 2 / (weights @ weights))
    return Score(value, share_interval(effective if right else 0, effective), count)


def score_types(found: Answered, weights: NDArray[np.float64]) -> list[TypeScore]:
    """Precision and recall of each type that was answered or is true."""
    scores = []
    for code in np.union1d(found.truth, found.predicted):
        answered, true = found.predicted == code, found.truth == code
        scores.append(
            TypeScore(
                prdtypecode=int(code),
                precision=exact_share(found.right[answered]),
                recall=exact_share(found.right[true]),
                traffic_precision=_mean_or_none(found.right, weights * answered),
                traffic_recall=_mean_or_none(found.right, weights * true),
            )
        )
    return scores


def exact_share(right: NDArray[np.bool_]) -> Score | None:
    """A share with its Clopper-Pearson interval (1934), however few; None of nothing."""
    count, hits = len(right), int(right.sum())
    return Score(hits / count, exact_interval(hits, count), count) if count else None


def _mean(right: NDArray[np.bool_], weights: NDArray[np.float64]) -> float:
    return float(weights @ right / weights.sum())


def _mean_or_none(right: NDArray[np.bool_], weights: NDArray[np.float64]) -> float | None:
    return _mean(right, weights) if weights.any() else None
