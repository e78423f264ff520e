"""Image branch: kernel ridge classification by the Nyström method on an encoder's vectors."""

from dataclasses import dataclass
from typing import Any, Self

import numpy as np
import scipy.linalg
from numpy.typing import NDArray
from sklearn.decomposition import PCA

from rakuten.params import ImageBranchParams

_ROWS = 4096
_PCA_ROWS = 8192


@dataclass
class ImageBranch:
    """Scores of shape (n, classes) from image vectors.

    A vector is centred, projected on its principal components and compared with landmark
    photos by a Gaussian kernel (Williams and Seeger, 2001); the scores are linear in that.
    """

    mean: NDArray[np.float32]
    projection: NDArray[np.float32]
    landmarks: NDArray[np.float32]
    width: NDArray[np.float64]
    weights: NDArray[np.float32]

    def __post_init__(self) -> None:
        # Scores are sums of large terms that nearly cancel: double precision keeps them
        # equal to 1e-6 whatever the batch size.
        self._projection = self.projection.astype(np.float64)
        self._landmarks = self.landmarks.astype(np.float64)
        self._norms = (self._landmarks**2).sum(axis=1)
        self._weights = self.weights.astype(np.float64)

    def scores(self, vectors: NDArray[np.float32]) -> NDArray[np.float64]:
        """Scores of shape (n, classes) for vectors of shape (n, dimension)."""
        return self.kernel(vectors) @ self._weights

    def kernel(self, vectors: NDArray[np.float32]) -> NDArray[np.float64]:
        """Similarity to each landmark, shape (n, landmarks)."""
        reduced = (vectors.astype(np.float64) - self.mean) @ self._projection
        squared = (reduced**2).sum(axis=1)[:, None] + self._norms - 2 * reduced @ self._landmarks.T
        return np.asarray(np.exp(-np.maximum(squared, 0.0) / self.width[0]))

    def get_arrays(self) -> dict[str, NDArray[Any]]:
        """The branch as plain arrays."""
        return {
            "mean": self.mean,
            "projection": self.projection,
            "landmarks": self.landmarks,
            "width": self.width,
            "weights": self.weights,
        }

    @classmethod
    def from_arrays(cls, arrays: dict[str, NDArray[Any]]) -> Self:
        """Restore what :meth:`get_arrays` gave."""
        names = ("mean", "projection", "landmarks", "width", "weights")
        return cls(*(arrays[name] for name in names))


def fit_image_branch(
    vectors: NDArray[np.float32],
    rows: NDArray[np.int64],
    codes: NDArray[np.int64],
    folds: NDArray[np.int64],
    *,
    classes: int,
    params: ImageBranchParams,
    seed: int,
) -> tuple[ImageBranch, NDArray[np.float64]]:
    """Train on the chosen rows and predict each by a model that has not seen its fold.

    Projection and landmarks see no labels and come from a sample of all the rows; the
    ridge solution of each fold comes from the other folds' normal equations, so folds cost
    next to nothing.

    Args:
        vectors: vectors of a whole catalogue (may be a memory map), shape (all, dimension).
        rows: row numbers in ``vectors`` to train on, shape (n,).
        codes: class position of each of them, shape (n,).
        folds: fold number of each of them, shape (n,).
        classes: number of classes.
        params: the branch's parameters.
        seed: seed of the choice of landmarks.

    Returns:
        The branch, and out-of-fold scores of shape (n, classes).
    """
    order = np.random.default_rng(seed).permutation(len(rows))
    sample = np.asarray(vectors[rows[np.sort(order[:_PCA_ROWS])]])
    mean, projection = _principal_components(sample, params.components)
    chosen = np.sort(order[: params.landmarks])
    reduced = (np.asarray(vectors[rows[chosen]], dtype=np.float64) - mean) @ projection
    spread = float((reduced**2).sum(axis=1).mean()) or 1.0
    branch = ImageBranch(
        mean=mean,
        projection=projection,
        landmarks=reduced.astype(np.float32),
        width=np.array([spread / params.gamma]),
        weights=np.zeros((len(chosen), classes), dtype=np.float32),
    )
    whitening = _inverse_root(branch.kernel(vectors[rows[chosen]]))
    features = np.empty((len(rows), whitening.shape[1]), dtype=np.float32)
    for start in range(0, len(rows), _ROWS):
        part = slice(start, start + _ROWS)
        features[part] = branch.kernel(np.asarray(vectors[rows[part]])) @ whitening
    weights, out_of_fold = _ridge(features, codes, folds, classes, params.ridge)
    branch.weights = (whitening @ weights).astype(np.float32)
    branch.__post_init__()
    return branch, out_of_fold


def _principal_components(
    sample: NDArray[np.float32], components: int
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    pca = PCA(min(components, *sample.shape), svd_solver="covariance_eigh")
    pca.fit(sample.astype(np.float64))
    return pca.mean_.astype(np.float32), pca.components_.T.astype(np.float32)


def _inverse_root(kernel: NDArray[np.float64]) -> NDArray[np.float64]:
    values, axes = scipy.linalg.eigh(kernel, driver="evd")
    kept = values > values[-1] * 1e-7
    return np.asarray(axes[:, kept] / np.sqrt(values[kept]))


def _ridge(
    features: NDArray[np.float32],
    codes: NDArray[np.int64],
    folds: NDArray[np.int64],
    classes: int,
    ridge: float,
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    size = features.shape[1]
    grams: dict[int, tuple[NDArray[np.float64], NDArray[np.float64]]] = {}
    for fold in np.unique(folds).tolist():
        part = features[folds == fold].astype(np.float64)
        targets = np.where(codes[folds == fold][:, None] == np.arange(classes), 1.0, -1.0)
        grams[fold] = (part.T @ part, part.T @ targets)
    gram = np.sum([g for g, _ in grams.values()], axis=0) + ridge * np.eye(size)
    right = np.sum([r for _, r in grams.values()], axis=0)
    out_of_fold = np.empty((len(codes), classes))
    for fold, (fold_gram, fold_right) in grams.items():
        weights = scipy.linalg.solve(gram - fold_gram, right - fold_right, assume_a="pos")
        out_of_fold[folds == fold] = features[folds == fold] @ weights
    return scipy.linalg.solve(gram, right, assume_a="pos"), out_of_fold
