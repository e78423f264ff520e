"""Tests of one column keep their error rate, and effects mean what they say."""

import tracemalloc
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import stats

from rakuten.monitoring.embeddings import PERMUTATIONS, compare_embeddings
from rakuten.monitoring.two_sample import (
    Comparison,
    adjust_holm,
    compare_categories,
    compare_numbers,
    compare_proportions,
)

Sample = Callable[[np.random.Generator, int], NDArray[Any]]


def _embed(window: NDArray[Any], reference: NDArray[Any]) -> Comparison:
    return compare_embeddings(window, reference, seed=7)


@pytest.mark.parametrize(
    ("compare", "sample", "times", "exact"),
    [
        (compare_numbers, lambda rng, n: rng.gamma(2, size=n), 600, True),
        (compare_numbers, lambda rng, n: rng.poisson(4, size=n).astype(float), 600, False),
        (compare_categories, lambda rng, n: rng.integers(12, size=n).astype(str), 600, True),
        (compare_categories, lambda rng, n: rng.geometric(0.3, size=n).astype(str), 600, True),
        (compare_proportions, lambda rng, n: (rng.random(n) < 0.3).astype(float), 400, False),
        (_embed, lambda rng, n: rng.normal(size=(n, 6)), 200, True),
        (_embed, lambda rng, n: rng.standard_t(2, size=(n, 3)), 200, True),
    ],
    ids=["numbers", "ties", "even", "rare", "proportions", "embeddings", "heavy-tails"],
)
def test_error_rate_without_a_difference(
    compare: Callable[[NDArray[Any], NDArray[Any]], Comparison],
    sample: Sample,
    times: int,
    exact: bool,
) -> None:
    """At most 5 % of p-values lie under 0.05, and about as many where the test claims so."""
    rng = np.random.default_rng(1)
    found = [compare(sample(rng, 120), sample(rng, 200)).p_value for _ in range(times)]
    low = sum(p < 0.05 for p in found)
    assert low <= stats.binom.ppf(0.999, times, 0.05)
    if exact:
        assert low >= stats.binom.ppf(0.001, times, 0.05)


def test_a_shift_of_numbers_is_measured_in_deviations_of_the_reference() -> None:
    rng = np.random.default_rng(0)
    reference = rng.normal(10, 4, 20_000)
    found = compare_numbers(rng.normal(12, 4, 20_000), reference)
    assert found.p_value < 1e-10
    assert found.effect == pytest.approx(0.5, abs=0.04)


def test_numbers_that_were_constant_have_an_effect_too() -> None:
    found = compare_numbers(np.repeat([0.0, 5.0], 100), np.zeros(300))
    assert found.p_value < 1e-10
    assert found.effect > 0.5


def test_a_difference_of_shares_keeps_its_sign() -> None:
    found = compare_proportions(np.repeat([0.0, 1.0], [450, 50]), np.repeat([0.0, 1.0], [700, 300]))
    assert found.effect == pytest.approx(-0.2)
    assert found.p_value < 1e-10


@pytest.mark.parametrize("distance", [0.1, 0.2, 0.4])
def test_total_variation_is_corrected_for_chance(distance: float) -> None:
    """Of 24 types the raw one is 0.13 on average where the true one is 0.1, and 0.11 for 0."""
    rng = np.random.default_rng(3)
    mix = np.full(24, 1 / 24)
    other = mix * (1 + 2 * distance * np.repeat([1, -1], 12))
    effects = [
        compare_categories(
            rng.choice(24, 500, p=other).astype(str), rng.choice(24, 1000, p=mix).astype(str)
        ).effect
        for _ in range(40)
    ]
    assert 0.7 * distance < np.mean(effects) < 1.05 * distance


def test_chance_alone_has_hardly_a_total_variation() -> None:
    rng = np.random.default_rng(4)
    samples = [rng.integers(24, size=1500).astype(str) for _ in range(30)]
    effects = [compare_categories(both[:500], both[500:]).effect for both in samples]
    assert np.mean(effects) < 0.05


def test_a_category_that_the_reference_never_had_counts() -> None:
    reference = np.repeat(["a", "b"], [500, 500])
    found = compare_categories(np.repeat(["a", "b", "new"], [200, 200, 100]), reference)
    assert found.effect == pytest.approx(0.2, abs=0.02)
    assert found.p_value < 1e-10


def test_categories_too_rare_to_test_are_no_difference() -> None:
    reference = np.repeat(["a", "b"], [499, 1])
    assert compare_categories(np.repeat("a", 200), reference).p_value == pytest.approx(1.0)


def test_embeddings_that_moved_are_found_and_measured() -> None:
    rng = np.random.default_rng(5)
    reference = rng.normal(size=(800, 16))
    effects = []
    for shift in (0.1, 0.3, 0.9):
        found = compare_embeddings(rng.normal(shift, size=(400, 16)), reference, seed=0)
        assert found.p_value == 1 / (1 + PERMUTATIONS)
        effects.append(found.effect)
    assert effects == sorted(effects)
    assert effects[-1] > 3 * effects[0]


def test_embeddings_that_gather_near_a_point_are_found() -> None:
    """What words that training never saw do: the mean stays, the cloud gets a core."""
    rng = np.random.default_rng(6)
    reference = rng.normal(size=(800, 16))
    window = rng.normal(size=(400, 16))
    window[:100] *= 0.1
    found = compare_embeddings(window, reference, seed=0)
    assert found.p_value == 1 / (1 + PERMUTATIONS)
    assert found.effect > 0.05


def test_embeddings_that_are_all_the_same_are_measured_too() -> None:
    same, other = np.zeros((200, 4)), np.ones((100, 4))
    found = compare_embeddings(other, same, seed=0)
    assert found.p_value == 1 / (1 + PERMUTATIONS)
    assert found.effect >= 1


def test_a_huge_window_takes_no_more_memory_than_a_large_one() -> None:
    rng = np.random.default_rng(8)
    reference, window = rng.normal(size=(2000, 8)), rng.normal(0.3, size=(100_000, 8))
    tracemalloc.start()
    try:
        found = compare_embeddings(window, reference, seed=0)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert found.p_value == 1 / (1 + PERMUTATIONS)
    assert peak < 80 * 2**20


def test_holm_is_that_of_the_paper() -> None:
    """Ordered 0.005, 0.01, 0.03, 0.04 become ×4, ×3, ×2, ×1 and never fall."""
    found = adjust_holm(np.array([0.01, 0.04, 0.03, 0.005]))
    assert found == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert adjust_holm(np.array([0.9, 0.8])).max() == 1
    assert len(adjust_holm(np.array([]))) == 0
