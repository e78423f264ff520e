"""Image branch: ridge classification on a sum of Gaussian kernels, by the Nyström method."""

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, Final, Self

import numpy as np
from numpy.typing import NDArray

from rakuten.params import ImageBranchParams

_ROWS: Final = 1024
"""Rows at a time: what is computed of them stays small."""

_PCA_ROWS: Final = 8192
_JITTER: Final = 1e-4
"""Added to the landmarks' kernel, which copies among them would make singular."""

_NAMES: Final = ("blocks", "mean", "projection", "landmarks", "widths", "weights")


@dataclass
class ImageBranch:
    """Scores of shape (n, classes) from image vectors.

    Each block of a vector is centred, projected on its principal components and compared with
    landmark photos by a Gaussian kernel of its own; the scores are linear in the mean of these
    kernels (Williams and Seeger, 2001; Gönen and Alpaydın, 2011, section 3.2).

    Attributes:
        blocks: shape (blocks, 2): lengths of each block before and after projection.
        mean: centre of the vectors, shape (dimension,).
        projection: the blocks' projections, each of its two lengths, flat, one after another.
        landmarks: projected landmarks, shape (landmarks, sum of the second lengths).
        widths: divisor of the squared distance in each block, shape (blocks,).
        weights: shape (landmarks, classes).
    """

    blocks: NDArray[np.int64]
    mean: NDArray[np.float32]
    projection: NDArray[np.float32]
    landmarks: NDArray[np.float32]
    widths: NDArray[np.float64]
    weights: NDArray[np.float32]

    def __post_init__(self) -> None:
        # Scores are sums of large terms that nearly cancel: double precision keeps them
        # equal to 1e-6 whatever the batch size.
        flat = np.split(self.projection, np.cumsum(self.blocks.prod(axis=1))[:-1])
        self._projections = [
            part.reshape(shape).astype(np.float64)
            for part, shape in zip(flat, self.blocks.tolist(), strict=True)
        ]
        self._stops = np.cumsum(self.blocks, axis=0)[:-1].T
        self._landmarks = self._scaled(self.landmarks)
        self._norms = [(part**2).sum(axis=1) for part in self._landmarks]
        self._weights = self.weights.astype(np.float64)

    def scores(self, vectors: NDArray[np.float32]) -> NDArray[np.float64]:
        """Scores of shape (n, classes) for vectors of shape (n, dimension)."""
        return self.kernel(self.project(vectors)) @ self._weights

    def project(self, vectors: NDArray[np.float32]) -> NDArray[np.float32]:
        """Principal components of every block, shape (n, sum of their numbers)."""
        centred = vectors.astype(np.float64) - self.mean
        parts = np.split(centred, self._stops[0], axis=1)
        projected = [part @ axes for part, axes in zip(parts, self._projections, strict=True)]
        return np.concatenate(projected, axis=1).astype(np.float32)

    def kernel(self, projected: NDArray[np.float32]) -> NDArray[np.float64]:
        """Similarity of projected vectors to each landmark, 0 to 1, shape (n, landmarks)."""
        total = np.zeros((len(projected), len(self.landmarks)))
        for mine, theirs, norms in zip(
            self._scaled(projected), self._landmarks, self._norms, strict=True
        ):
            # exp(-|a - b|²), in place: these arrays are the largest of the program.
            exponent = mine @ theirs.T
            exponent *= 2
            exponent -= (mine**2).sum(axis=1)[:, None]
            exponent -= norms
            np.minimum(exponent, 0, out=exponent)
            total += np.exp(exponent, out=exponent)
        total /= len(self.blocks)
        return total

    def _scaled(self, projected: NDArray[np.float32]) -> list[NDArray[np.float64]]:
        parts = np.split(projected.astype(np.float64), self._stops[1], axis=1)
        return [
            np.ascontiguousarray(part / np.sqrt(width))
            for part, width in zip(parts, self.widths, strict=True)
        ]

    def get_arrays(self) -> dict[str, NDArray[Any]]:
        """The branch as plain arrays."""
        return {name: getattr(self, name) for name in _NAMES}

    @classmethod
    def from_arrays(cls, arrays: dict[str, NDArray[Any]]) -> Self:
        """Restore what :meth:`get_arrays` gave."""
        return cls(*(arrays[name] for name in _NAMES))


def fit_image_branch(
    vectors: NDArray[np.float32],
    rows: NDArray[np.int64],
    codes: NDArray[np.int64],
    folds: NDArray[np.int64],
    *,
    classes: int,
    params: ImageBranchParams,
    seed: int,
    blocks: Sequence[int] = (),
    threads: int = 1,
    weights: NDArray[np.float64] | None = None,
) -> tuple[ImageBranch, NDArray[np.float64]]:
    """Train on the chosen rows and predict each by a model that has not seen its fold.

    Projections and landmarks see no labels and come from a sample of all the rows; where
    there are no more rows than landmarks, the kernel is exact. The ridge solution without a
    fold comes from the other folds' normal equations, so folds cost little.

    Args:
        vectors: vectors of a whole catalogue (may be a memory map), shape (all, dimension).
        rows: row numbers in ``vectors`` to train on, shape (n,).
        codes: class position of each of them, shape (n,).
        folds: fold number of each of them, shape (n,).
        classes: number of classes.
        params: the branch's parameters.
        seed: seed of the choice of landmarks.
        blocks: lengths of the parts of a vector that are compared one by one
            (:attr:`rakuten.features.encoder.ImageEncoder.blocks`); none: the vector as a whole.
        threads: folds that are worked on at the same time; the result does not depend on it.
        weights: how much the error of each row counts, shape (n,); None: each counts once.

    Returns:
        The branch, and out-of-fold scores of shape (n, classes).
    """
    order = np.random.default_rng(seed).permutation(len(rows))
    sample = vectors[rows[np.sort(order[:_PCA_ROWS])]]
    branch = _unlabelled_branch(sample, blocks or (vectors.shape[1],), params)
    projected = np.concatenate([branch.project(vectors[rows[part]]) for part in _parts(len(rows))])
    branch.landmarks = projected[np.sort(order[: params.landmarks])]
    branch.__post_init__()
    penalty = branch.kernel(branch.landmarks)
    penalty.flat[:: len(penalty) + 1] += _JITTER
    penalty *= params.ridge
    counted = np.ones(len(rows)) if weights is None else weights
    task = _Ridge(branch, projected, codes, folds, np.sqrt(counted), classes)
    solved, out_of_fold = task.solve(penalty, threads)
    branch.weights = solved.astype(np.float32)
    branch.__post_init__()
    return branch, out_of_fold


def _unlabelled_branch(
    sample: NDArray[np.float32], blocks: Sequence[int], params: ImageBranchParams
) -> ImageBranch:
    """Projections and kernel widths from a sample; landmarks and weights are still to come."""
    from scipy.linalg import eigh  # training only: serving starts faster

    mean = sample.mean(axis=0, dtype=np.float64).astype(np.float32)
    axes, widths = [], []
    for part in np.split(sample, np.cumsum(blocks)[:-1], axis=1):
        centred = part.astype(np.float64) - part.mean(axis=0, dtype=np.float64)
        values, vectors = eigh(centred.T @ centred / len(part), driver="evd")
        count = min(params.components, *part.shape)
        axes.append(vectors[:, ::-1][:, :count].astype(np.float32))
        # Two photos are twice the variance apart, on average and squared.
        spread = 2 * float(values[::-1][:count].sum())
        widths.append(spread / params.gamma if spread > 0 else 1.0)
    return ImageBranch(
        blocks=np.array([block.shape for block in axes], dtype=np.int64),
        mean=mean,
        projection=np.concatenate([block.ravel() for block in axes]),
        landmarks=np.zeros((0, sum(block.shape[1] for block in axes)), dtype=np.float32),
        widths=np.array(widths),
        weights=np.zeros((0, 0), dtype=np.float32),
    )


@dataclass(frozen=True)
class _Ridge:
    """Rows to learn from; ``roots`` are the square roots of their weights, shape (n,)."""

    branch: ImageBranch
    projected: NDArray[np.float32]
    codes: NDArray[np.int64]
    folds: NDArray[np.int64]
    roots: NDArray[np.float64]
    classes: int

    def solve(
        self, penalty: NDArray[np.float64], threads: int
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Weights from all folds, and scores of each fold by the weights from the others."""
        rows = [np.flatnonzero(self.folds == fold) for fold in np.unique(self.folds)]
        out_of_fold = np.empty((len(self.codes), self.classes))
        with ThreadPoolExecutor(threads) as pool:
            equations = list(pool.map(self._normal_equations, rows))
            left, right = penalty.copy(), np.zeros((len(penalty), self.classes))
            for gram, target in equations:
                left += gram
                right += target

            def answer(fold: int) -> None:
                gram, target = equations[fold]
                weights = _solve(left - gram, right - target)
                for part in _parts(len(rows[fold])):
                    mine = rows[fold][part]
                    out_of_fold[mine] = self.branch.kernel(self.projected[mine]) @ weights

            list(pool.map(answer, range(len(rows))))
        return _solve(left, right), out_of_fold

    def _normal_equations(
        self, mine: NDArray[np.int64]
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        size = len(self.branch.landmarks)
        gram, right = np.zeros((size, size)), np.zeros((size, self.classes))
        for part in _parts(len(mine)):
            rows = mine[part]
            roots = self.roots[rows, None]
            kernel = self.branch.kernel(self.projected[rows])
            kernel *= roots
            target = np.where(self.codes[rows, None] == np.arange(self.classes), 1.0, -1.0)
            gram += kernel.T @ kernel
            right += kernel.T @ (roots * target)
        return gram, right


def _solve(left: NDArray[np.float64], right: NDArray[np.float64]) -> NDArray[np.float64]:
    from scipy.linalg import solve

    # The transpose of a symmetric matrix is itself, in the order that LAPACK overwrites.
    solved = solve(left.T, right, assume_a="pos", overwrite_a=True)
    return np.asarray(solved)


def _parts(count: int) -> Iterator[slice]:
    return (slice(start, start + _ROWS) for start in range(0, count, _ROWS))
