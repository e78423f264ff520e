"""Text branch: hashed TF-IDF and one linear support vector classifier per product type."""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray
from sklearn.svm import LinearSVC

from rakuten.features.vectoriser import Document, HashedTfidf
from rakuten.params import TextBranchParams


@dataclass
class TextBranch:
    """Scores of shape (n, classes) from cleaned text; a higher score is a likelier type."""

    vectoriser: HashedTfidf
    coefficients: NDArray[np.float32]
    intercepts: NDArray[np.float32]

    def scores(self, documents: Sequence[Document]) -> NDArray[np.float64]:
        """Signed distances to each type's plane, shape (n, classes)."""
        return self.matrix_scores(self.vectoriser.transform(documents))

    def matrix_scores(self, matrix: sp.csr_matrix) -> NDArray[np.float64]:
        """Scores of documents that the vectoriser has transformed, shape (n, classes)."""
        return _scores(matrix, self.coefficients, self.intercepts)

    def get_arrays(self) -> dict[str, NDArray[Any]]:
        """The linear part as plain arrays; coefficients are halved to 16 bits."""
        return {
            "coefficients": self.coefficients.astype(np.float16),
            "intercepts": self.intercepts,
        }

    @classmethod
    def from_arrays(
        cls,
        arrays: dict[str, NDArray[Any]],
        vectoriser: dict[str, NDArray[Any]],
        params: TextBranchParams,
    ) -> Self:
        """Restore what :meth:`get_arrays` of the branch and of its vectoriser gave."""
        return cls(
            make_vectoriser(params).set_arrays(vectoriser),
            arrays["coefficients"].astype(np.float32),
            arrays["intercepts"],
        )


def make_vectoriser(params: TextBranchParams) -> HashedTfidf:
    """An unfitted vectoriser with the branch's settings."""
    return HashedTfidf(
        hash_bits=params.hash_bits,
        title_words_weight=params.title_words_weight,
        title_characters_weight=params.title_characters_weight,
        description_words_weight=params.description_words_weight,
    )


def fit_text_branch(
    documents: Sequence[Document],
    codes: NDArray[np.int64],
    folds: NDArray[np.int64],
    *,
    classes: int,
    params: TextBranchParams,
    threads: int,
) -> tuple[TextBranch, NDArray[np.float64]]:
    """Train on all rows and predict each row by a model that has not seen its fold.

    The vectoriser, which sees no labels, is fitted once on all rows.

    Args:
        documents: cleaned (title, description) of each row.
        codes: class position of each row, shape (n,).
        folds: fold number of each row, shape (n,).
        classes: number of classes, including any that have no row here.
        params: the branch's parameters.
        threads: classes that are fitted at the same time.

    Returns:
        The branch, and out-of-fold scores of shape (n, classes).
    """
    vectoriser = make_vectoriser(params)
    matrix = vectoriser.fit_transform(documents)
    out_of_fold = np.zeros((len(codes), classes))
    fit = _Solver(classes, params.regularisation, threads)
    for fold in np.unique(folds):
        inside = folds != fold
        out_of_fold[~inside] = _scores(matrix[~inside], *fit(matrix[inside], codes[inside]))
    coefficients, intercepts = fit(matrix, codes)
    # Rounded as they will be saved, so that a branch answers alike before and after saving.
    coefficients = coefficients.astype(np.float16).astype(np.float32)
    return TextBranch(vectoriser, coefficients, intercepts), out_of_fold


def _scores(
    matrix: sp.csr_matrix, coefficients: NDArray[np.float32], intercepts: NDArray[np.float32]
) -> NDArray[np.float64]:
    return np.asarray(matrix @ coefficients + intercepts, dtype=np.float64)


@dataclass(frozen=True)
class _Solver:
    classes: int
    regularisation: float
    threads: int

    def __call__(
        self, matrix: sp.csr_matrix, codes: NDArray[np.int64]
    ) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        coefficients = np.zeros((matrix.shape[1], self.classes), dtype=np.float32)
        # A type without rows keeps the score of a sure "no".
        intercepts = np.full(self.classes, -1.0, dtype=np.float32)
        matrix = matrix.astype(
            np.float64
        )  # liblinear's own precision: converted once, not per class
        present = np.unique(codes)
        if len(present) == 1:
            intercepts[present[0]] = 1.0
        if len(present) == 1 or not matrix.shape[1]:
            return coefficients, intercepts

        def fit_one(code: int) -> None:
            # The primal solver: the dual one draws from a random state that all threads
            # share, so its answer would differ from run to run.
            model = LinearSVC(C=self.regularisation, dual=False, tol=1e-3)
            model.fit(matrix, codes == code)
            coefficients[:, code] = model.coef_[0]
            intercepts[code] = model.intercept_[0]

        with ThreadPoolExecutor(max_workers=self.threads) as pool:
            list(pool.map(fit_one, present.tolist()))
        return coefficients, intercepts
