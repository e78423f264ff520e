"""How far a score may be off: exact intervals of shares, bootstrap intervals of F1."""

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray
from scipy.special import betaincinv

MIN_ROWS: Final = 100
"""On fewer rows than this counts are given, and nothing is claimed."""

DRAWS: Final = 1000
"""Bootstrap resamples behind an interval."""

SEED: Final = 20
"""Seed of every bootstrap: the same answers give the same intervals."""

_TAIL: Final = 0.025
_CHUNK: Final = 100

Interval = tuple[float, float]
"""Lower and upper end of a 95 % interval."""


def exact_interval(right: int, count: int) -> Interval:
    """Two-sided 95 % Clopper-Pearson interval (1934) of a share; wide where ``count`` is small."""
    lower = betaincinv(right, count - right + 1, _TAIL) if right else 0.0
    upper = betaincinv(right + 1, count - right, 1 - _TAIL) if right < count else 1.0
    return float(lower), float(upper)


def share_interval(right: int, count: int) -> Interval | None:
    """The exact interval of a share, or None under ``MIN_ROWS``."""
    return exact_interval(right, count) if count >= MIN_ROWS else None


def percentile_interval(draws: NDArray[np.float64]) -> Interval:
    """Middle 95 % of bootstrap draws, shape (draws,)."""
    lower, upper = np.percentile(draws, [100 * _TAIL, 100 * (1 - _TAIL)])
    return float(lower), float(upper)


def score_interval(draws: NDArray[np.float64], correct: int, count: int) -> Interval | None:
    """95 % interval of a score from its bootstrap draws; None under ``MIN_ROWS``.

    Where all rows are right, or all wrong, every resample is the same and claims certainty;
    the exact interval of the share that is right takes its place.
    """
    if correct in (0, count) or count < MIN_ROWS:
        return share_interval(correct, count)
    return percentile_interval(draws)


@dataclass(frozen=True)
class F1Draws:
    """Scores of resampled answers: shape (draws,), and (draws, types) for ``per_type``.

    A type that a resample does not hold has NaN there.
    """

    codes: NDArray[np.int64]
    per_type: NDArray[np.float64]
    weighted: NDArray[np.float64]
    macro: NDArray[np.float64]


def resample_f1(
    truth: NDArray[np.int64],
    predicted: NDArray[np.int64],
    *,
    draws: int = DRAWS,
    seed: int = SEED,
) -> F1Draws:
    """Bootstrap F1 over rows (Efron, 1979), without touching the rows.

    F1 depends on the confusion counts alone, and drawing n rows with replacement draws those
    counts from a multinomial distribution: a resample costs the number of non-empty cells
    of the confusion matrix, however many rows there are.

    Args:
        truth: true types, shape (n,), n at least 1.
        predicted: answered types, shape (n,).
        draws: resamples.
        seed: seed of the resampling.
    """
    rows = len(truth)
    codes, positions = np.unique(np.concatenate([truth, predicted]), return_inverse=True)
    cells, counts = np.unique(positions[:rows] * len(codes) + positions[rows:], return_counts=True)
    actual, answer = np.divmod(cells, len(codes))
    rng = np.random.default_rng(seed)
    parts = []
    for start in range(0, draws, _CHUNK):
        drawn = rng.multinomial(counts.sum(), counts / rows, size=min(_CHUNK, draws - start))
        hits = _sum_by(drawn[:, actual == answer], actual[actual == answer], len(codes))
        support = _sum_by(drawn, actual, len(codes))
        answered = _sum_by(drawn, answer, len(codes))
        parts.append(np.stack([hits, support, answered]))
    hits, support, answered = np.concatenate(parts, axis=1)
    total = support + answered
    f1 = np.where(total > 0, 2 * hits / np.maximum(total, 1), np.nan)
    return F1Draws(
        codes=codes,
        per_type=f1,
        weighted=np.nansum(f1 * support, axis=1) / rows,
        macro=np.nanmean(f1, axis=1),
    )


def _sum_by(values: NDArray[np.int64], group: NDArray[np.int64], groups: int) -> NDArray[np.int64]:
    """Sum the columns of each group: (draws, columns) → (draws, groups)."""
    sums = np.zeros((len(values), groups), dtype=np.int64)
    if len(group):
        order = np.argsort(group, kind="stable")
        found, starts = np.unique(group[order], return_index=True)
        sums[:, found] = np.add.reduceat(values[:, order], starts, axis=1)
    return sums
