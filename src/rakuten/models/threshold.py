"""From calibrated confidence to a decision: taken automatically, or sent to a person."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import betaincinv

from rakuten.params import DecisionParams


@dataclass(frozen=True)
class Threshold:
    """Confidence from which an answer is automatic; None where no confidence is enough.

    ``coverage`` and ``precision`` are those of the rows that the threshold was chosen on.
    """

    confidence: float | None
    coverage: float
    precision: float | None

    def is_automatic(self, confidence: NDArray[np.float64]) -> NDArray[np.bool_]:
        """Which answers need no person, shape (n,)."""
        if self.confidence is None:
            return np.zeros(len(confidence), dtype=bool)
        return confidence >= self.confidence


def choose_threshold(
    confidence: NDArray[np.float64], correct: NDArray[np.bool_], params: DecisionParams
) -> Threshold:
    """Lowest threshold whose automatic answers are precise enough, with confidence.

    The lower Clopper-Pearson bound (1934) on the precision of all answers at or above the
    threshold must reach the target.

    Args:
        confidence: probability of the chosen type of each out-of-fold row, shape (n,).
        correct: whether the chosen type was right, shape (n,).
        params: target precision and the one-sided confidence of its bound.
    """
    order = np.argsort(-confidence, kind="stable")
    ranked, right = confidence[order], np.cumsum(correct[order], dtype=np.int64)
    count = np.arange(1, len(order) + 1, dtype=np.int64)
    lower = precision_lower_bound(right, count, params.confidence)
    last_of_ties = np.append(ranked[1:] < ranked[:-1], True)
    passing = np.flatnonzero((lower >= params.target_precision) & last_of_ties)
    if not len(passing):
        return Threshold(None, 0.0, None)
    last = passing[-1]
    return Threshold(
        confidence=float(ranked[last]),
        coverage=float(count[last] / len(order)),
        precision=float(right[last] / count[last]),
    )


def precision_lower_bound(
    right: NDArray[np.int64], count: NDArray[np.int64], confidence: float
) -> NDArray[np.float64]:
    """One-sided lower Clopper-Pearson bound on a share of ``right`` in ``count``."""
    bound = betaincinv(np.maximum(right, 1), count - right + 1, 1 - confidence)
    return np.asarray(np.where(right > 0, bound, 0.0))
