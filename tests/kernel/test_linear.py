"""The kernel's classifiers are liblinear's, whatever the threads, and survive 8 bits."""

from functools import partial

import numpy as np
import pytest
import scipy.sparse as sp
from numpy.typing import NDArray
from sklearn.svm import LinearSVC

from rakuten.kernel.linear import QuantisedLinear, fit_linear

ROWS, COLUMNS = 400, 300


def problem(classes: int, seed: int = 0) -> tuple[sp.csr_matrix, NDArray[np.int64]]:
    """Sparse rows whose class is that of the largest of some hidden linear scores."""
    rng = np.random.default_rng(seed)
    matrix = sp.random(ROWS, COLUMNS, density=0.05, format="csr", random_state=seed)
    matrix = matrix.astype(np.float32)
    hidden = matrix @ rng.normal(size=(COLUMNS, classes)) + rng.normal(size=(ROWS, classes)) * 0.1
    return matrix, np.asarray(hidden).argmax(axis=1)


@pytest.mark.parametrize("classes", [2, 5, 16, 17, 40])
def test_it_finds_the_optimum_that_liblinear_finds(classes: int) -> None:
    matrix, codes = problem(classes)
    rows = np.arange(ROWS)
    found = fit_linear(matrix, rows, codes, classes=classes, cost=0.7, tolerance=1e-5)
    scores = matrix @ found.coefficients + found.intercepts
    for code in range(classes):
        if not 0 < (codes == code).sum() < ROWS:
            continue
        expected = LinearSVC(C=0.7, tol=1e-6, max_iter=20_000, random_state=0)
        expected.fit(matrix, codes == code)
        assert np.allclose(scores[:, code], expected.decision_function(matrix), atol=2e-3)


def test_only_the_chosen_rows_are_learned_from() -> None:
    matrix, codes = problem(5)
    rows = np.random.default_rng(1).permutation(ROWS)[:150]
    part = fit_linear(matrix, rows, codes[rows], classes=5, cost=1.0)
    alone = fit_linear(matrix[rows], np.arange(150), codes[rows], classes=5, cost=1.0)
    assert np.array_equal(part.coefficients, alone.coefficients)
    assert np.array_equal(part.intercepts, alone.intercepts)


def test_a_row_that_costs_twice_counts_as_two() -> None:
    matrix, codes = problem(4)
    rows = np.arange(ROWS)
    costs = np.where(rows < 100, 2.0, 1.0).astype(np.float32)
    fit = partial(fit_linear, matrix, classes=4, cost=0.5, tolerance=1e-5)
    weighted = fit(rows, codes, row_costs=costs)
    repeated = np.concatenate([rows, rows[:100]])
    twice = fit(repeated, codes[repeated])
    assert np.allclose(weighted.coefficients, twice.coefficients, atol=2e-3)


def test_threads_do_not_change_a_bit_and_the_seed_does() -> None:
    matrix, codes = problem(40)
    rows = np.arange(ROWS)
    first, again, other = (
        fit_linear(matrix, rows, codes, classes=40, cost=1.0, seed=seed, threads=threads)
        for seed, threads in ((1, 1), (1, 3), (2, 1))
    )
    assert np.array_equal(first.coefficients, again.coefficients)
    assert not np.array_equal(first.coefficients, other.coefficients)


def test_a_class_group_does_not_depend_on_the_number_of_classes() -> None:
    matrix, codes = problem(16)
    rows = np.arange(ROWS)
    few = fit_linear(matrix, rows, codes, classes=16, cost=1.0)
    many = fit_linear(matrix, rows, codes, classes=33, cost=1.0)
    assert np.array_equal(few.coefficients, many.coefficients[:, :16])


@pytest.mark.parametrize("rows", [0, 1])
def test_hardly_any_rows_are_accepted(rows: int) -> None:
    matrix, codes = problem(3)
    found = fit_linear(matrix, np.arange(rows), codes[:rows], classes=3, cost=1.0)
    assert np.isfinite(found.coefficients).all()


def test_empty_rows_and_no_columns_are_accepted() -> None:
    empty = sp.csr_matrix((6, 4), dtype=np.float32)
    found = fit_linear(empty, np.arange(6), np.array([0, 0, 0, 0, 1, 1]), classes=2, cost=10.0)
    assert not found.coefficients.any()
    assert found.intercepts[0] > found.intercepts[1]
    none = sp.csr_matrix((6, 0), dtype=np.float32)
    found = fit_linear(none, np.arange(6), np.zeros(6, dtype=np.int64), classes=2, cost=1.0)
    assert found.coefficients.shape == (0, 2)


def test_training_stops_at_the_limit_of_passes_and_says_how_far_it_came() -> None:
    matrix, codes = problem(5)
    rows = np.arange(ROWS)
    early = fit_linear(matrix, rows, codes, classes=5, cost=100.0, tolerance=1e-6, most_passes=3)
    assert early.passes == 3
    assert early.violation > 1e-6
    done = fit_linear(matrix, rows, codes, classes=5, cost=1.0, tolerance=0.01)
    assert done.violation <= 0.01


def test_eight_bits_keep_the_answers() -> None:
    matrix, codes = problem(20)
    found = fit_linear(matrix, np.arange(ROWS), codes, classes=20, cost=1.0)
    exact = matrix @ found.coefficients + found.intercepts
    rounded = QuantisedLinear.of(found.coefficients, found.intercepts).scores(matrix)
    assert np.abs(rounded - exact).max() < 0.02
    assert (rounded.argmax(axis=1) == exact.argmax(axis=1)).mean() > 0.99


def test_a_row_scores_alike_alone_and_among_others() -> None:
    matrix, codes = problem(7)
    found = fit_linear(matrix, np.arange(ROWS), codes, classes=7, cost=1.0)
    linear = QuantisedLinear.of(found.coefficients, found.intercepts)
    together = linear.scores(matrix)
    alone = np.concatenate([linear.scores(matrix[row]) for row in range(ROWS)])
    assert np.array_equal(together, alone)
