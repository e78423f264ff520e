"""Bootstrap intervals over products, for scores of rows that may repeat a product."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Weights = NDArray[np.float64]
Statistic = Callable[[Weights], float]
"""A score of all rows, each counted as often as its weight says."""


@dataclass(frozen=True)
class Estimate:
    """A score with the bounds of its two-sided 90 % interval, each a one-sided 95 % bound."""

    value: float
    lower: float
    upper: float


def bootstrap(
    statistic: Statistic,
    products: NDArray[np.int64],
    *,
    resamples: int = 1000,
    seed: int = 0,
) -> Estimate:
    """Percentile bootstrap (Efron, 1979) of a score, products drawn with replacement.

    All rows of a product are drawn together: rows of repeated splits are no independent
    evidence. A difference of two answers on the same rows is paired by this.

    Args:
        statistic: score of the rows under given weights of shape (n,).
        products: number of each row's product, shape (n,).
        resamples: how many times to draw.
        seed: seed of the draws.
    """
    values = [statistic(weights) for weights in draws(products, resamples, seed)]
    lower, upper = np.quantile(values, (0.05, 0.95))
    return Estimate(statistic(np.ones(len(products))), float(lower), float(upper))


def weighted_f1(truth: NDArray[np.int64], predicted: NDArray[np.int64], weights: Weights) -> float:
    """F1 of each class weighted by its support, rows counted by weight."""
    classes = int(max(truth.max(), predicted.max())) + 1
    support = np.bincount(truth, weights, classes)
    answers = np.bincount(predicted, weights, classes)
    hits = np.bincount(truth, weights * (truth == predicted), classes)
    f1 = 2 * hits / np.maximum(support + answers, np.finfo(float).tiny)
    return float(support @ f1 / support.sum())


def weighted_calibration_error(
    confidence: NDArray[np.float64],
    correct: NDArray[np.bool_],
    weights: Weights,
    *,
    bins: int = 15,
    order: NDArray[np.int64] | None = None,
) -> float:
    """Expected calibration error over bins of equal mass, rows counted by weight.

    ``order`` sorts the confidence; whoever asks for many weights need not sort each time.
    """
    if order is None:
        order = np.argsort(confidence, kind="stable")
    mass = np.cumsum(weights[order])
    place = np.minimum((mass - weights[order] / 2) * bins / mass[-1], bins - 1).astype(np.int64)
    gap = (confidence - correct)[order] * weights[order]
    return float(np.abs(np.bincount(place, gap, bins)).sum() / mass[-1])


def draws(products: NDArray[np.int64], resamples: int, seed: int) -> Iterator[Weights]:
    """Weights of the rows, shape (n,), for each time that products are drawn with replacement."""
    _, place = np.unique(products, return_inverse=True)
    count = int(place.max()) + 1
    rng = np.random.default_rng(seed)
    for _ in range(resamples):
        yield np.bincount(rng.integers(0, count, count), minlength=count).astype(np.float64)[place]
