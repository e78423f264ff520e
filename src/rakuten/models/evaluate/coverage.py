"""What other thresholds would give: precision of automatic answers against their share."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from rakuten.models.evaluate.intervals import MIN_ROWS, Interval, exact_interval


@dataclass(frozen=True)
class CoveragePoint:
    """What answering everything from ``threshold`` on gives."""

    threshold: float
    automatic: int
    correct: int
    coverage: float
    precision: float
    precision_interval: Interval


def coverage_curve(
    confidence: NDArray[np.float64], correct: NDArray[np.bool_], *, points: int = 101
) -> list[CoveragePoint]:
    """Points of the curve at about evenly spaced coverage, the strictest threshold first.

    Rows of equal confidence are answered together, so every point is a threshold that can be
    set. Points start at ``MIN_ROWS`` automatic answers: fewer say nothing about precision.
    """
    order = np.argsort(-confidence, kind="stable")
    ranked, right = confidence[order], np.cumsum(correct[order])
    ends = np.flatnonzero(np.append(ranked[1:] < ranked[:-1], len(ranked) > 0))
    ends = ends[ends + 1 >= MIN_ROWS]
    if not len(ends):
        return []
    wanted = np.linspace(ends[0], ends[-1], points)
    chosen = np.unique(ends[np.searchsorted(ends, wanted)])
    return [
        CoveragePoint(
            threshold=float(ranked[end]),
            automatic=int(end + 1),
            correct=int(right[end]),
            coverage=float((end + 1) / len(ranked)),
            precision=float(right[end] / (end + 1)),
            precision_interval=exact_interval(int(right[end]), int(end + 1)),
        )
        for end in chosen
    ]
