"""From calibrated confidence to a decision: taken automatically, or sent to a person."""

from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from rakuten.params import DecisionParams

_STEPS: Final = 100
"""Thresholds that are tested: whole per cents of coverage."""


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
    confidence: NDArray[np.float64],
    correct: NDArray[np.bool_],
    params: DecisionParams,
    weights: NDArray[np.float64] | None = None,
) -> Threshold:
    """Lowest threshold at which precision surely meets the target, however many were tried.

    Taking the lowest of all thresholds whose bound passes would look many times and keep the
    luckiest. Fixed-sequence testing (Angelopoulos et al., Learn then Test, 2021) keeps the
    promise for the one chosen: thresholds are lowered while the lower Clopper-Pearson bound
    (1934) of the answers above them meets the target, up to the first failure. The sequence
    starts where the confidences themselves, which do not know what was right, predict that
    the target is met most surely.

    Args:
        confidence: probability of the chosen type of each out-of-fold row, shape (n,).
        correct: whether the chosen type was right, shape (n,).
        params: target precision and the one-sided confidence of its bound.
        weights: how much each row counts, shape (n,); None: each counts once. The bound is that
            of as many equal rows as the weights are worth (Kish, 1965): heavy rows are no more
            evidence than they are.
    """
    if not len(confidence):
        return _NEVER
    order = np.argsort(-confidence, kind="stable")
    ranked = confidence[order]
    counted = np.ones(len(order)) if weights is None else weights[order]
    last = _last_rows(ranked)
    mass = np.cumsum(counted)[last]
    right = np.cumsum(counted * correct[order])[last]
    worth = mass / np.cumsum(counted**2)[last]
    bound = precision_lower_bound(right * worth, mass * worth, params.confidence)
    passes = bound >= params.target_precision
    predicted = np.cumsum(counted * ranked)[last] / mass
    start = int(np.argmax((predicted - params.target_precision) * np.sqrt(mass * worth)))
    reached = _lowest_in_sequence(passes, start)
    if reached < 0:
        return _NEVER
    return Threshold(
        confidence=float(ranked[last[reached]]),
        coverage=float(mass[reached] / counted.sum()),
        precision=float(right[reached] / mass[reached]),
    )


_NEVER: Final = Threshold(None, 0.0, None)


def precision_lower_bound(
    right: NDArray[Any], count: NDArray[Any], confidence: float
) -> NDArray[np.float64]:
    """One-sided lower Clopper-Pearson bound on a share of ``right`` in ``count``, whole or not."""
    from scipy.special import betaincinv  # training only: serving starts faster

    bound = betaincinv(np.where(right > 0, right, 1), count - right + 1, 1 - confidence)
    return np.asarray(np.where(right > 0, bound, 0.0))


def _last_rows(ranked: NDArray[np.float64]) -> NDArray[np.int64]:
    """Last row of each per cent of coverage; rows of equal confidence are taken together."""
    rows = len(ranked)
    wanted = -(-np.arange(1, _STEPS + 1) * rows // _STEPS)
    return np.searchsorted(-ranked, -ranked[wanted - 1], side="right").astype(np.int64) - 1


def _lowest_in_sequence(passes: NDArray[np.bool_], start: int) -> int:
    """Last step that passes in one go from ``start``, or -1."""
    failures = np.flatnonzero(~passes[start:])
    end = start + int(failures[0]) if len(failures) else len(passes)
    return end - 1 if end > start else -1
