"""Small embeddings of text and photo, kept with each prediction so that drift can be seen later."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Final, Self

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from rakuten.features.vectoriser import Document, HashedTfidf, WeightedRows
from rakuten.kernel.linear import project, signed_buckets

DIMENSION: Final = 32
"""Numbers per embedding; fewer where the training rows span fewer directions."""

SAMPLE_ROWS: Final = 8192
"""Training rows that a projection is learned from, which bounds memory at any catalogue's size."""

DECIMALS: Final = 4
"""Embeddings are rounded to this many decimals: enough for drift, and short in a JSON row."""

_BUCKETS: Final = 4096
_NEGLIGIBLE: Final = 1e-4
_ROUNDING: Final = 1e-9


@dataclass(frozen=True)
class Projection:
    """Linear map to few numbers, each of mean 0 and standard deviation 1 on its learning rows.

    ``weights`` has shape (inputs, d), ``offset`` (d,). Both hold single-precision values in
    double precision, so that a saved projection is the same and sums do not depend on the batch.
    """

    weights: NDArray[np.float64]
    offset: NDArray[np.float64]

    def apply(self, inputs: NDArray[Any] | sp.csr_matrix) -> NDArray[np.float64]:
        """Embed rows of shape (n, inputs) as (n, d)."""
        return self.finish(np.asarray(inputs @ self.weights))

    @cached_property
    def single_weights(self) -> NDArray[np.float32]:
        """The weights in the precision that they were saved in."""
        return np.ascontiguousarray(self.weights, dtype=np.float32)

    def finish(self, product: NDArray[np.float64]) -> NDArray[np.float64]:
        """What is left to do after the multiplication."""
        return np.round(product - self.offset, DECIMALS)


@dataclass(frozen=True)
class Embedder:
    """One projection per branch that was trained, None for the others."""

    text: Projection | None
    image: Projection | None

    def embed_text(self, rows: WeightedRows | None) -> NDArray[np.float64] | None:
        """Embed the vectoriser's rows, shape (n, d); None without a text projection."""
        if self.text is None or rows is None:
            return None
        weights = self.text.single_weights
        # As apply(fold_columns(rows.matrix)), without a matrix in between.
        return self.text.finish(rows.map(lambda part: project(part, weights)))

    def embed_images(self, vectors: NDArray[np.float32]) -> NDArray[np.float64] | None:
        """Embed the encoder's vectors, shape (n, d); None without an image projection."""
        return None if self.image is None else self.image.apply(vectors.astype(np.float64))

    def get_arrays(self) -> dict[str, NDArray[np.float32]]:
        """The projections as plain arrays."""
        return {
            f"{name}_{part}": getattr(projection, part).astype(np.float32)
            for name, projection in (("text", self.text), ("image", self.image))
            if projection is not None
            for part in ("weights", "offset")
        }

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, NDArray[Any]]) -> Self:
        """Restore what :meth:`get_arrays` gave."""
        text, image = (
            Projection(
                np.ascontiguousarray(arrays[f"{name}_weights"], dtype=np.float64),
                np.ascontiguousarray(arrays[f"{name}_offset"], dtype=np.float64),
            )
            if f"{name}_weights" in arrays
            else None
            for name in ("text", "image")
        )
        return cls(text, image)


def fold_columns(matrix: sp.csr_matrix) -> sp.csr_matrix:
    """Fold any number of columns into 4,096 by a signed hash of the column's number.

    Inner products survive in expectation (Weinberger et al., 2009), whatever the vectoriser
    makes its columns from. Entries of one bucket stay apart: a product adds them up.
    """
    buckets, signs = signed_buckets(matrix.shape[1], _BUCKETS)
    values = matrix.data.astype(np.float64) * signs[matrix.indices]
    return sp.csr_matrix(
        (values, buckets[matrix.indices], matrix.indptr), (matrix.shape[0], _BUCKETS)
    )


def fit_text_projection(
    vectoriser: HashedTfidf,
    documents: Sequence[Document],
    rows: NDArray[np.int64],
    *,
    seed: int,
) -> Projection | None:
    """Learn the leading directions of the vectoriser's folded columns (latent semantic analysis).

    Args:
        vectoriser: a fitted vectoriser.
        documents: cleaned texts.
        rows: positions of those that have text; a sample of them is looked at.
        seed: seed of the sample and of the decomposition.

    Returns:
        The projection, or None where the rows do not differ.
    """
    chosen = _sample(rows, seed)
    return _fit(fold_columns(vectoriser.transform([documents[row] for row in chosen])), seed)


def fit_image_projection(
    vectors: NDArray[np.float32], rows: NDArray[np.int64], *, seed: int
) -> Projection | None:
    """Learn the principal components of an encoder's vectors.

    Args:
        vectors: vectors of a whole catalogue (may be a memory map), shape (all, dimension).
        rows: positions of the training rows that have a photo; a sample of them is looked at.
        seed: seed of the sample and of the decomposition.

    Returns:
        The projection, or None where the rows do not differ.
    """
    return _fit(np.asarray(vectors[_sample(rows, seed)], dtype=np.float64), seed)


def _sample(rows: NDArray[np.int64], seed: int) -> NDArray[np.int64]:
    return np.sort(np.random.default_rng(seed).permutation(rows)[:SAMPLE_ROWS])


def _fit(inputs: NDArray[np.float64] | sp.csr_matrix, seed: int) -> Projection | None:
    """Leading right singular vectors (Halko et al., 2011), scaled to unit variance."""
    from sklearn.utils.extmath import randomized_svd  # training only: serving starts faster

    # A sparse matrix stays sparse: its mean is small, and the offset removes it afterwards.
    centred = inputs if sp.issparse(inputs) else inputs - inputs.mean(axis=0)
    count = min(DIMENSION, *inputs.shape)
    _, _, directions = randomized_svd(centred, count, n_iter=4, random_state=seed)
    largest = np.abs(directions).argmax(axis=1)
    directions = directions.T * np.sign(directions[np.arange(len(directions)), largest])
    values = np.asarray(inputs @ directions)
    spread = values.std(axis=0)
    # Beyond the rank of the rows, or where all rows are equal, there is only rounding.
    kept = spread > np.maximum(_NEGLIGIBLE * spread.max(), _ROUNDING * np.abs(values).max())
    if not kept.any():
        return None
    weights = _single(directions[:, kept] / spread[kept])
    return Projection(weights, _single(np.asarray(inputs @ weights).mean(axis=0)))


def _single(values: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.ascontiguousarray(values.astype(np.float32), dtype=np.float64)
