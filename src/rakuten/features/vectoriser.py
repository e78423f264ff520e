"""Hashed n-gram TF-IDF of title and description: no vocabulary, plain arrays only."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.feature_extraction.text import HashingVectorizer
from sklearn.preprocessing import normalize

Document = tuple[str, str]
"""A cleaned title and a cleaned description."""


@dataclass(frozen=True)
class Block:
    """One family of n-grams: which text, which analyser, which lengths, which weight."""

    field: int
    analyser: str
    lengths: tuple[int, int]
    weight: float

    def hasher(self, bits: int) -> HashingVectorizer:
        """A stateless hasher of this block's n-grams into ``2**bits`` columns."""
        return HashingVectorizer(
            analyzer=self.analyser,
            ngram_range=self.lengths,
            n_features=1 << bits,
            alternate_sign=False,
            norm=None,
            lowercase=False,
            token_pattern=r"(?u)\b\w+\b",  # noqa: S106 - words, not a secret
            dtype=np.float32,
        )


class HashedTfidf(TransformerMixin, BaseEstimator):  # type: ignore[misc]
    """Blocks of hashed n-grams, weighted by smoothed inverse document frequency.

    Counts are dampened to ``1 + log(count)``; each block is l2-normalised by itself and
    then weighted, so that a long description does not drown the title. Only columns seen
    in training are kept: the columns of the output are those, in order.

    Args:
        hash_bits: each block hashes into ``2**hash_bits`` columns.
        title_words_weight: weight of words and word pairs of the title.
        title_characters_weight: weight of 2 to 5 characters within words of the title.
        description_words_weight: weight of words and word pairs of the description.
    """

    def __init__(
        self,
        hash_bits: int = 18,
        title_words_weight: float = 1.0,
        title_characters_weight: float = 1.0,
        description_words_weight: float = 0.7,
    ) -> None:
        self.hash_bits = hash_bits
        self.title_words_weight = title_words_weight
        self.title_characters_weight = title_characters_weight
        self.description_words_weight = description_words_weight

    @property
    def blocks(self) -> tuple[Block, ...]:
        """The families of n-grams, in the order of their columns."""
        return (
            Block(0, "word", (1, 2), self.title_words_weight),
            Block(0, "char_wb", (2, 5), self.title_characters_weight),
            Block(1, "word", (1, 2), self.description_words_weight),
        )

    def fit(self, documents: Sequence[Document], y: Any = None) -> Self:  # noqa: ARG002 - scikit-learn's form
        """Learn which columns occur and how rare they are."""
        self._fit_counts(documents)
        return self

    def fit_transform(
        self,
        documents: Sequence[Document],
        y: Any = None,  # noqa: ARG002 - scikit-learn's form
        **_: Any,
    ) -> sp.csr_matrix:
        """Fit and return the weighted matrix, hashing the documents once."""
        return self._weigh(self._fit_counts(documents))

    def transform(self, documents: Sequence[Document]) -> sp.csr_matrix:
        """Weighted float32 matrix of shape (n, columns seen in training)."""
        return self._weigh([self._count(block, documents) for block in self.blocks])

    def get_arrays(self) -> dict[str, NDArray[Any]]:
        """What was learned, as plain arrays."""
        arrays: dict[str, NDArray[Any]] = {}
        for number, (columns, idf) in enumerate(zip(self.columns_, self.idf_, strict=True)):
            arrays[f"columns_{number}"] = columns
            arrays[f"idf_{number}"] = idf
        return arrays

    def set_arrays(self, arrays: dict[str, NDArray[Any]]) -> Self:
        """Restore what :meth:`get_arrays` gave."""
        numbers = range(len(self.blocks))
        self.columns_ = [arrays[f"columns_{number}"] for number in numbers]
        self.idf_ = [arrays[f"idf_{number}"] for number in numbers]
        return self

    def _fit_counts(self, documents: Sequence[Document]) -> list[sp.csr_matrix]:
        counts = [self._count(block, documents) for block in self.blocks]
        self.columns_, self.idf_ = [], []
        for matrix in counts:
            frequency = np.bincount(matrix.indices, minlength=matrix.shape[1])
            columns = np.flatnonzero(frequency).astype(np.int32)
            self.columns_.append(columns)
            idf = np.log((1 + matrix.shape[0]) / (1 + frequency[columns])) + 1
            self.idf_.append(idf.astype(np.float32))
        return counts

    def _count(self, block: Block, documents: Iterable[Document]) -> sp.csr_matrix:
        texts = [document[block.field] for document in documents]
        return block.hasher(self.hash_bits).transform(texts)

    def _weigh(self, counts: list[sp.csr_matrix]) -> sp.csr_matrix:
        parts = []
        learned = zip(self.blocks, counts, self.columns_, self.idf_, strict=True)
        for block, matrix, columns, idf in learned:
            position = np.full(1 << self.hash_bits, -1, dtype=np.int32)
            position[columns] = np.arange(len(columns), dtype=np.int32)
            where = position[matrix.indices]
            known = where >= 0
            ends = np.concatenate(([0], np.cumsum(known)))[matrix.indptr]
            data = (1 + np.log(matrix.data[known])) * idf[where[known]]
            weighted = sp.csr_matrix(
                (data.astype(np.float32), where[known], ends), shape=(matrix.shape[0], len(columns))
            )
            if len(columns):  # normalize refuses a block that no document has
                weighted = normalize(weighted, copy=False) * np.float32(block.weight)
            parts.append(weighted)
        return sp.hstack(parts, format="csr", dtype=np.float32)
