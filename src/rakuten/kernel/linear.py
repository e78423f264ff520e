"""Linear classifiers on sparse rows: training by dual coordinate descent, scoring in 8 bits."""

import ctypes
from concurrent.futures import ThreadPoolExecutor
from ctypes import c_float, c_int32
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from rakuten.kernel.library import LANES, Rows, Training, address, check, library
from rakuten.kernel.text import HashedRows


@dataclass(frozen=True)
class Fitted:
    """One-vs-rest classifiers: coefficients (columns, classes), intercepts (classes,).

    ``passes`` over the rows were made until no projected gradient was above ``violation``.
    """

    coefficients: NDArray[np.float32]
    intercepts: NDArray[np.float32]
    passes: int
    violation: float


def fit_linear(
    matrix: sp.csr_matrix,
    chosen: NDArray[np.int64],
    codes: NDArray[np.int64],
    *,
    classes: int,
    cost: float,
    tolerance: float = 0.1,
    most_passes: int = 200,
    seed: int = 0,
    row_costs: NDArray[np.float32] | None = None,
    threads: int = 1,
) -> Fitted:
    """Fit an L2-regularised, L2-loss support vector machine a class.

    The result depends on the seed, not on the number of threads.

    Args:
        matrix: float32 rows of shape (all, columns).
        chosen: positions of the n rows to train on.
        codes: class position of each of them, shape (n,).
        classes: number of classes.
        cost: ``C``, the cost of a violated margin.
        tolerance: largest projected gradient at which training stops.
        most_passes: limit of passes over the rows.
        seed: seed of the order of rows.
        row_costs: factor of the cost of each chosen row, shape (n,).
        threads: groups of classes that are trained at the same time.
    """
    rows = _rows(matrix)
    chosen = np.ascontiguousarray(chosen, dtype=np.int64)
    labels = np.ascontiguousarray(codes, dtype=np.int32)
    costs = None if row_costs is None else np.ascontiguousarray(row_costs, dtype=np.float32)
    columns = matrix.shape[1]
    training = Training(cost, tolerance, most_passes, seed)

    def fit_group(first: int) -> tuple[NDArray[np.float32], int, float]:
        weights = _aligned(columns + 1, LANES)
        passes, violation = c_int32(), c_float()
        check(
            library().rk_fit(
                *(ctypes.byref(rows), address(chosen), address(labels)),
                *(None if costs is None else address(costs), len(chosen), columns, first),
                *(ctypes.byref(training), address(weights)),
                *(ctypes.byref(passes), ctypes.byref(violation)),
            )
        )
        return weights[:, : classes - first], passes.value, violation.value

    with ThreadPoolExecutor(threads) as pool:
        groups = list(pool.map(fit_group, range(0, classes, LANES)))
    weights = np.concatenate([found for found, _, _ in groups], axis=1)
    return Fitted(
        coefficients=weights[:-1],
        intercepts=weights[-1],
        passes=max(passes for _, passes, _ in groups),
        violation=max(violation for _, _, violation in groups),
    )


@dataclass(frozen=True)
class QuantisedLinear:
    """Linear scores with 8-bit weights: ``scales[j] * levels[j, k]`` of column j and class k.

    ``levels`` has shape (columns, classes rounded up to LANES), ``scales`` (columns,),
    ``intercepts`` (classes,).
    """

    levels: NDArray[np.int8]
    scales: NDArray[np.float32]
    intercepts: NDArray[np.float32]

    @classmethod
    def of(
        cls, coefficients: NDArray[np.float32], intercepts: NDArray[np.float32]
    ) -> "QuantisedLinear":
        """Round coefficients to 127 levels of each column's largest."""
        columns, classes = coefficients.shape
        largest = np.abs(coefficients).max(axis=1, initial=0.0)
        # Half precision is what scales are saved in.
        scales = (largest / 127).astype(np.float16)
        step = np.where(scales > 0, scales, 1).astype(np.float32)[:, None]
        levels = np.clip(np.rint(coefficients / step), -127, 127).astype(np.int8)
        return cls.restore(levels, scales, intercepts)

    @classmethod
    def restore(
        cls, levels: NDArray[np.int8], scales: NDArray[Any], intercepts: NDArray[np.float32]
    ) -> "QuantisedLinear":
        """From what is saved: levels of shape (columns, classes), scales in half precision."""
        columns, classes = levels.shape
        padded = np.zeros((columns, _padded(classes)), dtype=np.int8)
        padded[:, :classes] = levels
        return cls(padded, scales.astype(np.float32), intercepts.astype(np.float32))

    @property
    def classes(self) -> int:
        """Number of classes."""
        return len(self.intercepts)

    def scores(self, rows: sp.csr_matrix | HashedRows) -> NDArray[np.float64]:
        """Scores of shape (n, classes); a row's do not depend on the others."""
        width, (view, count) = self.levels.shape[1], _view(rows)
        found = np.empty((count, width), dtype=np.float32)
        library().rk_scores(ctypes.byref(view), count, *self._addresses, width, address(found))
        return found[:, : self.classes].astype(np.float64)

    @cached_property
    def _padded(self) -> NDArray[np.float32]:
        """Intercepts, and zeros for the lanes that no class uses."""
        return np.pad(self.intercepts, (0, self.levels.shape[1] - self.classes))

    @cached_property
    def _addresses(self) -> tuple[int, int, int]:
        return address(self.levels), address(self.scales), address(self._padded)

    def coefficients(self, columns: NDArray[np.int64]) -> NDArray[np.float32]:
        """Coefficients of some columns, shape (len(columns), classes)."""
        return self.scales[columns, None] * self.levels[columns, : self.classes]


def signed_buckets(columns: int, buckets: int) -> tuple[NDArray[np.int32], NDArray[np.int8]]:
    """Bucket and sign of each column, as :func:`project` folds them; a power of two of buckets."""
    places, signs = np.empty(columns, dtype=np.int32), np.empty(columns, dtype=np.int8)
    library().rk_buckets(columns, buckets, address(places), address(signs))
    return places, signs


def project(rows: HashedRows, weights: NDArray[np.float32]) -> NDArray[np.float64]:
    """Fold columns into signed buckets, and multiply.

    Args:
        rows: n rows.
        weights: shape (buckets, width).

    Returns:
        Shape (n, width); a row's numbers do not depend on the others.
    """
    buckets, width = weights.shape
    view, count = _view(rows)
    found = np.empty((count, width))
    library().rk_project(
        ctypes.byref(view), count, buckets, address(weights), width, address(found)
    )
    return found


def _padded(classes: int) -> int:
    return -(-classes // LANES) * LANES


def _view(rows: sp.csr_matrix | HashedRows) -> tuple[Rows, int]:
    if isinstance(rows, HashedRows):
        return rows.view(), len(rows)
    return _rows(rows), rows.shape[0]


def _rows(matrix: sp.csr_matrix) -> Rows:
    return Rows.of(
        np.ascontiguousarray(matrix.indptr, dtype=np.int64),
        np.ascontiguousarray(matrix.indices, dtype=np.int32),
        np.ascontiguousarray(matrix.data, dtype=np.float32),
    )


def _aligned(*shape: int) -> NDArray[np.float32]:
    """Zeros that begin at a multiple of 64 bytes, as the kernel's vectors must."""
    size = int(np.prod(shape))
    memory = np.zeros(size + LANES, dtype=np.float32)
    start = -(memory.ctypes.data // 4) % LANES
    return memory[start : start + size].reshape(shape)
