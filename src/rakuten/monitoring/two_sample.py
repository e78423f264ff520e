"""Two samples of one column: how sure it is that they differ, and by how much."""

from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from scipy import stats

LEAST_EXPECTED: Final = 5
"""Expected count under which categories are pooled for the chi-square test (Cochran, 1954)."""


@dataclass(frozen=True)
class Comparison:
    """A statistic, the probability of one as large without a difference, and an effect size."""

    test: str
    statistic: float
    p_value: float
    effect_name: str
    effect: float


def compare_numbers(window: NDArray[Any], reference: NDArray[Any]) -> Comparison:
    """Kolmogorov-Smirnov test; effect: Wasserstein distance in the reference's standard deviations.

    Where the reference is constant, the standard deviation is that of both samples together.
    With ties the test errs on the side of no difference.
    """
    found = stats.ks_2samp(window, reference, method="asymp")
    distance = float(stats.wasserstein_distance(window, reference))
    spread = float(np.std(reference)) or float(np.std(np.concatenate([window, reference])))
    return Comparison(
        test="Kolmogorov-Smirnov",
        statistic=float(found.statistic),
        p_value=float(found.pvalue),
        effect_name="Wasserstein distance / standard deviation",
        effect=distance / spread if spread else 0.0,
    )


def compare_proportions(window: NDArray[Any], reference: NDArray[Any]) -> Comparison:
    """Fisher's exact test of two shares of ones; effect: their difference, with its sign."""
    ones = [int(window.sum()), int(reference.sum())]
    table = [[ones[0], len(window) - ones[0]], [ones[1], len(reference) - ones[1]]]
    difference = float(window.mean() - reference.mean())
    return Comparison(
        test="Fisher exact",
        statistic=difference,
        p_value=float(stats.fisher_exact(table).pvalue),
        effect_name="difference of shares",
        effect=difference,
    )


def compare_categories(window: NDArray[Any], reference: NDArray[Any]) -> Comparison:
    """Pearson's chi-square test; effect: total variation beyond what chance alone gives.

    Samples of the same mix have a total variation above 0, more so the more categories there
    are. The effect is the root of what the squared distance exceeds its squared expectation by.
    """
    names, places = np.unique(np.concatenate([window, reference]), return_inverse=True)
    counts = np.array(
        [
            np.bincount(part, minlength=len(names))
            for part in (places[: len(window)], places[len(window) :])
        ]
    )
    pooled = _pool_rare(counts)
    if pooled.shape[1] < 2:
        statistic, p_value = 0.0, 1.0
    else:
        found = stats.chi2_contingency(pooled, correction=False)
        statistic, p_value = float(found.statistic), float(found.pvalue)
    return Comparison(
        test="chi-square",
        statistic=statistic,
        p_value=p_value,
        effect_name="total variation beyond chance",
        effect=_excess_variation(counts),
    )


def _pool_rare(counts: NDArray[Any]) -> NDArray[Any]:
    """Join rare categories, rarest first, until each expects enough in the smaller sample."""
    total = counts.sum(axis=0)
    expected = total * counts.sum(axis=1).min() / total.sum()
    order = np.argsort(expected, kind="stable")
    sums = expected[order].cumsum()
    rare = int((expected < LEAST_EXPECTED).sum())
    if not rare:
        return counts
    if sums[rare - 1] < LEAST_EXPECTED:
        rare += 1  # what is rare together is joined to the next
    joined = counts[:, order[:rare]].sum(axis=1, keepdims=True)
    return np.hstack([joined, counts[:, order[rare:]]])


def _excess_variation(counts: NDArray[Any]) -> float:
    sizes = counts.sum(axis=1)
    shares = counts / sizes[:, None]
    distance = np.abs(shares[0] - shares[1]).sum() / 2
    pooled = counts.sum(axis=0) / sizes.sum()
    # The mean of |N(0, s²)| is s·√(2/π).
    deviations = np.sqrt(pooled * (1 - pooled) * (1 / sizes).sum())
    chance = np.sqrt(2 / np.pi) * deviations.sum() / 2
    return float(np.sqrt(max(0.0, distance**2 - chance**2)))


def adjust_holm(p_values: NDArray[np.float64]) -> NDArray[np.float64]:
    """P-values adjusted for their number by Holm's (1979) step-down method, same order."""
    order = np.argsort(p_values, kind="stable")
    steps = len(p_values) - np.arange(len(p_values))
    adjusted = np.empty(len(p_values))
    adjusted[order] = np.minimum(1, np.maximum.accumulate(steps * p_values[order]))
    return adjusted
