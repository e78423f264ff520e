"""Text branch: hashed TF-IDF and one linear support vector classifier per product type."""

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, Final, Self

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from rakuten.features.vectoriser import Block, Document, HashedTfidf, WeightedRows
from rakuten.kernel.linear import Fitted, QuantisedLinear, fit_linear
from rakuten.params import TextBranchParams

TITLE: Final = 0
"""Position of the title in a document; the description follows it."""


@dataclass
class TextBranch:
    """Scores of shape (n, classes) from cleaned text; a higher score is a likelier type."""

    vectoriser: HashedTfidf
    linear: QuantisedLinear

    def scores(self, documents: Sequence[Document]) -> NDArray[np.float64]:
        """Signed distances to each type's plane, shape (n, classes)."""
        return self.row_scores(self.vectoriser.weigh(documents))

    def row_scores(self, rows: WeightedRows) -> NDArray[np.float64]:
        """Scores of documents that the vectoriser has weighed, shape (n, classes)."""
        return rows.map(self.linear.scores)

    def get_arrays(self) -> dict[str, NDArray[Any]]:
        """The linear part as plain arrays: 8-bit levels, and a scale for each column."""
        return {
            "levels": self.linear.levels[:, : self.linear.classes],
            "scales": self.linear.scales.astype(np.float16),
            "intercepts": self.linear.intercepts,
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
            QuantisedLinear.restore(arrays["levels"], arrays["scales"], arrays["intercepts"]),
        )


def make_vectoriser(params: TextBranchParams, threads: int = 1) -> HashedTfidf:
    """An unfitted vectoriser of cleaned (title, description) pairs with the branch's settings."""
    blocks = (
        Block(None, "word", 1, 2, params.words_weight),
        Block(None, "char_wb", 2, 5, params.characters_weight),
        Block(TITLE, "word", 1, 2, params.title_words_weight),
        Block(TITLE, "char_wb", 2, 5, params.title_characters_weight),
    )
    return HashedTfidf(
        tuple(block for block in blocks if block.weight > 0),
        hash_bits=params.hash_bits,
        min_df=params.min_df,
        max_columns=params.max_columns,
        clean=False,
        threads=threads,
    )


def fit_text_branch(
    documents: Sequence[Document],
    codes: NDArray[np.int64],
    folds: NDArray[np.int64],
    *,
    classes: int,
    params: TextBranchParams,
    threads: int,
    seed: int = 0,
    weights: NDArray[np.float64] | None = None,
) -> tuple[TextBranch, NDArray[np.float64]]:
    """Train on all rows and predict each row by a model that has not seen its fold.

    The vectoriser, which sees no labels, is fitted once on all rows, each counted once. Of the
    given regularisations the one with the best out-of-fold weighted F1 is taken.

    Args:
        documents: cleaned (title, description) of each row.
        codes: class position of each row, shape (n,).
        folds: fold number of each row, shape (n,).
        classes: number of classes, including any that have no row here.
        params: the branch's parameters.
        threads: classifiers that are fitted at the same time; the result does not depend
            on it.
        seed: seed of the order in which the solver visits rows.
        weights: how much each row counts, shape (n,); None: each counts once.

    Returns:
        The branch, and out-of-fold scores of shape (n, classes).
    """
    from sklearn.metrics import f1_score  # training only: serving starts faster

    vectoriser = make_vectoriser(params, threads)
    counted = np.ones(len(codes)) if weights is None else weights
    task = _Task(vectoriser.fit_transform(documents), codes, counted, classes, seed)
    best, out_of_fold = -1.0, np.zeros((len(codes), classes))
    regularisation = params.regularisation[0]
    for candidate in params.regularisation:
        scores = task.out_of_fold(candidate, folds, threads)
        score = float(
            f1_score(
                codes,
                scores.argmax(axis=1),
                average="weighted",
                zero_division=0,
                sample_weight=counted,
            )
        )
        if score > best:
            best, out_of_fold, regularisation = score, scores, candidate
    fitted = task.fit(np.arange(len(codes)), regularisation, threads)
    vectoriser.threads = 1
    linear = QuantisedLinear.of(fitted.coefficients, fitted.intercepts)
    return TextBranch(vectoriser, linear), out_of_fold


@dataclass(frozen=True)
class _Task:
    matrix: sp.csr_matrix
    codes: NDArray[np.int64]
    weights: NDArray[np.float64]
    classes: int
    seed: int

    def fit(self, rows: NDArray[np.int64], regularisation: float, threads: int) -> Fitted:
        fitted = fit_linear(
            self.matrix,
            rows,
            self.codes[rows],
            classes=self.classes,
            cost=regularisation,
            seed=self.seed,
            row_costs=self.weights[rows].astype(np.float32),
            threads=threads,
        )
        # A type without rows keeps the score of a sure "no".
        absent = np.bincount(self.codes[rows], minlength=self.classes) == 0
        fitted.coefficients[:, absent] = 0.0
        fitted.intercepts[absent] = -1.0
        return fitted

    def out_of_fold(
        self, regularisation: float, folds: NDArray[np.int64], threads: int
    ) -> NDArray[np.float64]:
        scores = np.zeros((len(self.codes), self.classes))

        def fit_fold(fold: int) -> None:
            fitted = self.fit(np.flatnonzero(folds != fold), regularisation, 1)
            linear = QuantisedLinear.of(fitted.coefficients, fitted.intercepts)
            for rows in _slices(np.flatnonzero(folds == fold)):
                scores[rows] = linear.scores(self.matrix[rows])

        with ThreadPoolExecutor(threads) as pool:
            list(pool.map(fit_fold, np.unique(folds).tolist()))
        return scores


def _slices(rows: NDArray[np.int64], size: int = 4096) -> Iterator[NDArray[np.int64]]:
    for start in range(0, len(rows), size):
        yield rows[start : start + size]
