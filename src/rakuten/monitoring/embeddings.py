"""Two samples of embeddings: maximum mean discrepancy with a permutation test."""

from typing import Final

import numpy as np
from numpy.typing import NDArray

from rakuten.monitoring.two_sample import Comparison

PERMUTATIONS: Final = 4999
"""At most; the smallest p-value is 1 / 5,000."""

_ENOUGH: Final = 50
"""Permutations as extreme as the window after which nothing can come of it (Besag and Clifford,
1991, count so too)."""

MOST_ROWS: Final = 4_000
"""Rows that are looked at on each side; of more, a seeded sample."""

_FREQUENCIES: Final = 128
_BATCH: Final = 250
_MEDIAN_ROWS: Final = 500


def compare_embeddings(
    window: NDArray[np.float64], reference: NDArray[np.float64], *, seed: int
) -> Comparison:
    """Maximum mean discrepancy of a Gaussian kernel (Gretton et al., 2012).

    The kernel's width is the median distance within the reference; the kernel is approximated
    by random Fourier features (Rahimi and Recht, 2007; Zhao and Meng, 2015), in which the
    permutation test stays exact. Effect: the discrepancy, less what chance alone gives, over the
    reference's own spread in the same features; 0 for no difference, and about the distance of
    the means in standard deviations.

    Args:
        window: embeddings of shape (n, d).
        reference: embeddings of shape (m, d).
        seed: of the features and of the permutations.
    """
    rng = np.random.default_rng(seed)
    window, reference = _some(window, rng), _some(reference, rng)
    features = _features(np.concatenate([window, reference]), _width(reference, rng), rng)
    features -= features.mean(axis=0)
    size, total = len(window), len(features)
    # With a mean of 0 overall, the means of both samples lie in opposite directions.
    scale = (1 / size + 1 / (total - size)) ** 2
    observed = scale * float((features[:size].sum(axis=0, dtype=np.float64) ** 2).sum())
    chance = np.empty(0)
    while len(chance) < PERMUTATIONS and (chance >= observed).sum() < _ENOUGH:
        count = min(_BATCH, PERMUTATIONS - len(chance))
        order = rng.random((count, total), dtype=np.float32).argpartition(size, axis=1)
        chosen = np.zeros((count, total), dtype=np.float32)
        np.put_along_axis(chosen, order[:, :size], 1, axis=1)
        sums = (chosen @ features).astype(np.float64)
        chance = np.append(chance, scale * (sums**2).sum(axis=1))
    spread = float(features[size:].var(axis=0, dtype=np.float64).sum())
    excess = max(0.0, observed - float(chance.mean()))
    return Comparison(
        test="maximum mean discrepancy",
        statistic=observed,
        p_value=float((1 + (chance >= observed).sum()) / (1 + len(chance))),
        effect_name="discrepancy / spread",
        effect=float(np.sqrt(excess / spread)) if spread else float(excess > 0),
    )


def _some(rows: NDArray[np.float64], rng: np.random.Generator) -> NDArray[np.float64]:
    return rows if len(rows) <= MOST_ROWS else rows[rng.permutation(len(rows))[:MOST_ROWS]]


def _width(reference: NDArray[np.float64], rng: np.random.Generator) -> float:
    """Median distance between rows of the reference; 1 where most are the same."""
    some = reference[rng.permutation(len(reference))[:_MEDIAN_ROWS]]
    squares = (some**2).sum(axis=1)
    distances = np.maximum(0, squares[:, None] + squares - 2 * some @ some.T)
    return float(np.sqrt(np.median(distances[np.triu_indices(len(some), 1)]))) or 1.0


def _features(
    rows: NDArray[np.float64], width: float, rng: np.random.Generator
) -> NDArray[np.float32]:
    """Random Fourier features, shape (n, 2 · frequencies), of length 1."""
    angles = rows @ (rng.normal(size=(rows.shape[1], _FREQUENCIES)) / width)
    found: NDArray[np.float64] = np.hstack([np.cos(angles), np.sin(angles)]) / _FREQUENCIES**0.5
    return found.astype(np.float32)
