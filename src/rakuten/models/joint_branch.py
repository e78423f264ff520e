"""Joint branch: text and photo seen together, for what neither says alone."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Final, Self

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from rakuten.features.vectoriser import Document, HashedTfidf
from rakuten.models.image_branch import ImageBranch, fit_image_branch
from rakuten.params import ImageBranchParams, JointBranchParams

_BUCKETS: Final = 2048
_SAMPLE_ROWS: Final = 8192
_NEGLIGIBLE: Final = 1e-9
_CHUNK: Final = 2048
_BUCKET_FACTOR: Final = np.uint32(2654435761)
_SIGN_FACTOR: Final = np.uint32(2246822519)
"""Odd factors of multiplicative hashing (Knuth's golden ratio; a prime of xxHash)."""


@dataclass(frozen=True)
class Reduction:
    """Principal components, divided by their root mean square length and times a weight."""

    mean: NDArray[np.float32]
    projection: NDArray[np.float32]

    @cached_property
    def _axes(self) -> NDArray[np.float64]:
        """The projection in double precision, made once: for a single product it costs most."""
        return self.projection.astype(np.float64)

    def get_arrays(self) -> dict[str, NDArray[Any]]:
        """The reduction as plain arrays."""
        return {"mean": self.mean, "projection": self.projection}

    def apply(self, inputs: NDArray[np.float32]) -> NDArray[np.float32]:
        """Reduce rows of shape (n, inputs) to (n, components)."""
        # Double precision: the result is the same whatever the batch.
        centred = inputs.astype(np.float64) - self.mean
        return np.asarray(centred @ self._axes, dtype=np.float32)


@dataclass
class JointBranch:
    """Scores of shape (n, classes) of products that bring both text and photo.

    Text (n-grams folded into few signed buckets) and photo are reduced and set side by side;
    a Gaussian kernel of that is the product of one of text and one of photo, so a landmark
    speaks for products that resemble it in both. A branch of its own text or photo weighs
    each without regard to the other.
    """

    text: Reduction
    image: Reduction
    kernel: ImageBranch

    def scores(self, matrix: sp.csr_matrix, vectors: NDArray[np.float32]) -> NDArray[np.float64]:
        """Scores from the text vectoriser's rows and the image encoder's, shape (n, classes)."""
        return self.kernel.scores(_side_by_side(self.text, self.image, matrix, vectors))

    def get_arrays(self) -> dict[str, NDArray[Any]]:
        """The branch as plain arrays."""
        reductions = {"text": self.text, "image": self.image}
        arrays: dict[str, NDArray[Any]] = {
            f"{name}_{part}": values
            for name, reduction in reductions.items()
            for part, values in reduction.get_arrays().items()
        }
        return arrays | {f"kernel_{n}": values for n, values in self.kernel.get_arrays().items()}

    @classmethod
    def from_arrays(cls, arrays: dict[str, NDArray[Any]]) -> Self:
        """Restore what :meth:`get_arrays` gave."""
        text, image = (
            Reduction(arrays[f"{name}_mean"], arrays[f"{name}_projection"])
            for name in ("text", "image")
        )
        prefix = "kernel_"
        kernel = {n.removeprefix(prefix): a for n, a in arrays.items() if n.startswith(prefix)}
        return cls(text, image, ImageBranch.from_arrays(kernel))


def fit_joint_branch(
    vectoriser: HashedTfidf,
    documents: Sequence[Document],
    vectors: NDArray[np.float32],
    rows: NDArray[np.int64],
    codes: NDArray[np.int64],
    folds: NDArray[np.int64],
    *,
    classes: int,
    params: JointBranchParams,
    seed: int,
    threads: int = 1,
    weights: NDArray[np.float64] | None = None,
) -> tuple[JointBranch, NDArray[np.float64]]:
    """Train on rows with text and photo, and predict each by a model without its fold.

    Reductions and landmarks see no labels. Time is linear in the rows; only the reduced
    rows are held in memory.

    Args:
        vectoriser: the text branch's, fitted.
        documents: cleaned (title, description) of each row that is trained on.
        vectors: image vectors of a whole catalogue (may be a memory map).
        rows: row numbers in ``vectors`` of those rows, shape (n,).
        codes: class position of each, shape (n,).
        folds: fold number of each, shape (n,).
        classes: number of classes.
        params: the branch's parameters.
        seed: seed of the samples that reductions and landmarks come from.
        threads: folds that are worked on at the same time; the result does not depend on it.
        weights: how much the error of each row counts, shape (n,); None: each counts once.

    Returns:
        The branch, and out-of-fold scores of shape (n, classes).
    """
    order = np.random.default_rng(seed).permutation(len(rows))
    sample = np.sort(order[:_SAMPLE_ROWS])
    folded = fold_columns(vectoriser.transform([documents[row] for row in sample.tolist()]))
    text = _reduction(folded, params.components, params.text_weight)
    image = _reduction(np.asarray(vectors[rows[sample]]), params.components, 1.0)
    reduced = np.concatenate(
        [
            _side_by_side(
                text,
                image,
                vectoriser.transform([documents[row] for row in part.tolist()]),
                np.asarray(vectors[rows[part]]),
            )
            for part in _parts(len(rows))
        ]
    )
    kernel, out_of_fold = fit_image_branch(
        reduced,
        np.arange(len(rows)),
        codes,
        folds,
        classes=classes,
        params=ImageBranchParams(
            components=reduced.shape[1],
            landmarks=params.landmarks,
            gamma=params.gamma,
            ridge=params.ridge,
        ),
        seed=seed,
        threads=threads,
        weights=weights,
    )
    return JointBranch(text, image, kernel), out_of_fold


def fold_columns(matrix: sp.csr_matrix) -> NDArray[np.float32]:
    """Add columns into few buckets with signs (count sketch, Charikar et al., 2002).

    Inner products are kept in expectation, and there is nothing to learn or store.

    Args:
        matrix: rows of the vectoriser, shape (n, columns).

    Returns:
        Array of shape (n, 2048).
    """
    column = matrix.indices.astype(np.uint32) + np.uint32(1)
    bucket = (column * _BUCKET_FACTOR) >> np.uint32(33 - _BUCKETS.bit_length())
    negative = (column * _SIGN_FACTOR) >> np.uint32(31) == 1
    row = np.repeat(np.arange(matrix.shape[0]), np.diff(matrix.indptr))
    sums = np.bincount(
        row * _BUCKETS + bucket,
        weights=np.where(negative, -matrix.data, matrix.data),
        minlength=matrix.shape[0] * _BUCKETS,
    )
    return sums.reshape(matrix.shape[0], _BUCKETS).astype(np.float32)


def _reduction(sample: NDArray[np.float32], components: int, weight: float) -> Reduction:
    from scipy.linalg import eigh  # training only: serving starts faster

    mean = sample.mean(axis=0, dtype=np.float64)
    centred = sample.astype(np.float64) - mean
    tall = sample.shape[0] > sample.shape[1]
    # The smaller of both products has the same eigenvalues.
    gram = centred.T @ centred if tall else centred @ centred.T
    last = len(gram) - 1
    first = max(len(gram) - components, 0)
    values, axes = eigh(gram, subset_by_index=(first, last))
    kept = values > max(values[-1], np.finfo(float).tiny) * _NEGLIGIBLE
    values, axes = values[kept], axes[:, kept]
    if not tall:
        axes = centred.T @ (axes / np.sqrt(values))
    length = np.sqrt(values.sum() / len(sample)) if len(values) else 1.0
    return Reduction(mean.astype(np.float32), (axes * (weight / length)).astype(np.float32))


def _side_by_side(
    text: Reduction, image: Reduction, matrix: sp.csr_matrix, vectors: NDArray[np.float32]
) -> NDArray[np.float32]:
    return np.hstack([text.apply(fold_columns(matrix)), image.apply(vectors)])


def _parts(rows: int) -> Iterator[NDArray[np.int64]]:
    for start in range(0, rows, _CHUNK):
        yield np.arange(start, min(start + _CHUNK, rows))
