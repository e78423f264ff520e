"""Two models on the same labelled rows: differences of their scores, resampled in pairs."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from rakuten.models.bootstrap import Weights, draws, weighted_calibration_error

_SEED: Final = 0
_TINY: Final = np.finfo(float).tiny


@dataclass(frozen=True)
class Answered:
    """What a model answered on labelled rows; every array has shape (n,).

    ``automatic`` says where it would not have asked a person.
    """

    predicted: NDArray[np.int64]
    confidence: NDArray[np.float64]
    automatic: NDArray[np.bool_]


@dataclass(frozen=True)
class Difference:
    """A score of the second model less that of the first, and what resampling makes of it.

    ``value`` and each row of ``resampled`` have the shape of the score: a number, or a number
    for each class.
    """

    value: NDArray[np.float64]
    resampled: NDArray[np.float64]

    def quantile(self, share: float) -> NDArray[np.float64]:
        """Quantile of the resampled differences: a one-sided bound at that confidence."""
        return np.asarray(np.quantile(self.resampled, share, axis=0))


@dataclass(frozen=True)
class Comparison:
    """Differences, second less first; ``classes`` and ``support`` go with ``class_f1``."""

    classes: NDArray[np.int64]
    support: NDArray[np.int64]
    weighted_f1: Difference
    class_f1: Difference
    calibration_error: Difference
    coverage: Difference


def compare(
    truth: NDArray[np.int64],
    first: Answered,
    second: Answered,
    *,
    resamples: int,
    progress: Callable[[int, int], None] | None = None,
) -> Comparison:
    """Paired bootstrap (Efron, 1979): rows are drawn with replacement, for both models at once.

    Args:
        truth: true classes, shape (n,), n > 0.
        first: answers of the model that is compared with.
        second: answers of the model in question, for the same rows.
        resamples: how many times to draw; the seed is fixed.
        progress: called with (done, total).
    """
    classes, places = np.unique(
        np.concatenate([truth, first.predicted, second.predicted]), return_inverse=True
    )
    codes, ours, theirs = np.split(places.astype(np.int64), 3)
    scores = [
        _Scores(codes, ours, first, len(classes)),
        _Scores(codes, theirs, second, len(classes)),
    ]
    once = np.ones(len(truth))
    found = [scores[1].of(once) - scores[0].of(once)]
    for number, weights in enumerate(draws(np.arange(len(truth)), resamples, _SEED), start=1):
        found.append(scores[1].of(weights) - scores[0].of(weights))
        if progress and number % 50 == 0:
            progress(number, resamples)
    rows = np.array(found)
    weighted, calibration, coverage = (Difference(rows[0, i], rows[1:, i]) for i in range(3))
    return Comparison(
        classes=classes,
        support=np.bincount(codes, minlength=len(classes)),
        weighted_f1=weighted,
        class_f1=Difference(rows[0, 3:], rows[1:, 3:]),
        calibration_error=calibration,
        coverage=coverage,
    )


class _Scores:
    """Scores of one model's answers under any weights; class numbers are positions."""

    def __init__(
        self,
        truth: NDArray[np.int64],
        predicted: NDArray[np.int64],
        answered: Answered,
        classes: int,
    ) -> None:
        self._truth, self._predicted, self._classes = truth, predicted, classes
        self._hit = truth == predicted
        self._confidence, self._automatic = answered.confidence, answered.automatic
        self._order = np.argsort(answered.confidence, kind="stable")

    def of(self, weights: Weights) -> NDArray[np.float64]:
        """Weighted F1, calibration error, coverage, then F1 of each class."""
        support = np.bincount(self._truth, weights, self._classes)
        answers = np.bincount(self._predicted, weights, self._classes)
        hits = np.bincount(self._truth, weights * self._hit, self._classes)
        f1 = 2 * hits / np.maximum(support + answers, _TINY)
        error = weighted_calibration_error(self._confidence, self._hit, weights, order=self._order)
        coverage = float(weights @ self._automatic) / weights.sum()
        return np.array([support @ f1 / support.sum(), error, coverage, *f1])
