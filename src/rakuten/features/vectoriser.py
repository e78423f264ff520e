"""Hashed n-gram TF-IDF by a compiled kernel: no vocabulary, plain arrays only."""

import inspect
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Final, Literal, Self, TypeVar

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from rakuten.kernel.library import Block as KernelBlock
from rakuten.kernel.text import HashedRows, stack_rows, trace_ngrams

Document = str | Sequence[str]
"""A text, or one text for each field: title and description."""

Result = TypeVar("Result")

CHUNK: Final = 1024
"""Documents that one call of the kernel takes."""


@dataclass(frozen=True)
class Block:
    """One family of n-grams: of which field, of what, from how many to how many, how heavy.

    Field None is all of them, one after another.
    ``word`` are runs of letters and digits, ``char_wb`` characters within words that white
    space ends, with a blank before and after, as in scikit-learn. A block weighs its
    ``weight`` in every document that has any of it, however long the text.
    """

    field: int | None
    analyser: Literal["word", "char_wb"]
    low: int
    high: int
    weight: float = 1.0


WORDS_AND_CHARACTERS: Final = (Block(0, "word", 1, 2), Block(0, "char_wb", 2, 5))
"""What works on noisy listings with a linear classifier, for documents of one field."""


@dataclass(frozen=True)
class WeightedRows:
    """Weighted n-grams of n documents where the kernel left them, in parts of :data:`CHUNK`."""

    parts: Sequence[HashedRows]
    columns: int

    @cached_property
    def matrix(self) -> sp.csr_matrix:
        """The rows as a float32 matrix of shape (n, columns)."""
        return stack_rows(self.parts, self.columns)

    def map(self, work: Callable[[HashedRows], NDArray[np.float64]]) -> NDArray[np.float64]:
        """What a function makes of each part, one under another."""
        if len(self.parts) == 1:
            return work(self.parts[0])
        return np.concatenate([work(part) for part in self.parts])


class HashedTfidf:
    """TF-IDF of hashed n-grams.

    Counts are dampened to ``1 + log(count)`` and weighted by the smoothed inverse document
    frequency ``log((1 + n) / (1 + df)) + 1`` (both as in scikit-learn); each block is
    l2-normalised by itself and then weighted, so that a long description does not drown
    the title. Columns that training did not see often enough are dropped: the columns of
    the output are the others, in order.

    Args:
        blocks: families of n-grams, each with columns of its own.
        hash_bits: each block hashes into ``2**hash_bits`` columns.
        min_df: documents of the training set that a column must occur in.
        max_columns: with more columns than this the rarest are dropped: ``min_df`` is raised
            until they fit. None: keep them all.
        clean: bring texts into normal form (:mod:`rakuten.text`) first; False where they are.
        threads: chunks of documents that are worked on at the same time; the result does
            not depend on it.
    """

    def __init__(
        self,
        blocks: Sequence[Block] = WORDS_AND_CHARACTERS,
        *,
        hash_bits: int = 20,
        min_df: int = 1,
        max_columns: int | None = None,
        clean: bool = True,
        threads: int = 1,
    ) -> None:
        self.blocks = blocks
        self.hash_bits = hash_bits
        self.min_df = min_df
        self.max_columns = max_columns
        self.clean = clean
        self.threads = threads

    def fit(self, documents: Sequence[Document], y: Any = None) -> Self:  # noqa: ARG002 - scikit-learn's form
        """Learn which columns occur and how rare they are; memory does not grow with them.

        Raises:
            ValueError: there are no documents, or a document is not text.
        """
        frequency = np.zeros(self._hashed_columns, dtype=np.int32)
        for rows in self._map(self._count, documents):
            rows.add_frequencies(frequency)
        return self._learn(frequency, len(documents))

    def fit_transform(
        self,
        documents: Sequence[Document],
        y: Any = None,  # noqa: ARG002 - scikit-learn's form
        **_: Any,
    ) -> sp.csr_matrix:
        """Fit and return the weighted matrix, hashing the documents once."""
        counted = list(self._map(self._count, documents))
        frequency = np.zeros(self._hashed_columns, dtype=np.int32)
        for rows in counted:
            rows.add_frequencies(frequency)
        self._learn(frequency, len(documents))
        with ThreadPoolExecutor(self.threads) as pool:
            list(pool.map(lambda rows: rows.weigh(self._places, self.idf_), counted))
        return stack_rows(counted, len(self.idf_))

    def transform(self, documents: Sequence[Document]) -> sp.csr_matrix:
        """Weighted float32 matrix of shape (n, columns kept in training).

        Raises:
            sklearn.exceptions.NotFittedError: it is not fitted.
            ValueError: a document is not text, or has not the fields of the blocks.
        """
        return self.weigh(documents).matrix

    def weigh(self, documents: Sequence[Document]) -> WeightedRows:
        """The same rows as :meth:`transform` gives, not copied.

        Raises:
            As :meth:`transform` does.
        """
        self._require_fitted()
        return WeightedRows(list(self._map(self._weighted, documents)), len(self.idf_))

    def ngrams(self, document: Document) -> Iterator[tuple[int, int | None, int, int]]:
        """The n-grams of a document in normal form: (column, field, start, length).

        Those that training did not keep are left out. Field None is that of
        :func:`join_fields`. A start of -1, or an end past the text, is the blank that a word
        stands between.
        """
        texts = [document] if isinstance(document, str) else document
        for number, block in enumerate(self.blocks):
            text = join_fields(texts) if block.field is None else texts[block.field]
            for hashed, start, length in trace_ngrams(
                text, _kernel_block(block, 0), number, self.hash_bits
            ):
                if (column := int(self._places[hashed])) >= 0:
                    yield column, block.field, start, length

    def get_arrays(self) -> dict[str, NDArray[Any]]:
        """What was learned, as plain arrays: kept hashed columns in order, and their idf."""
        return {"columns": self.columns_, "idf": self.idf_}

    def set_arrays(self, arrays: dict[str, NDArray[Any]]) -> Self:
        """Restore what :meth:`get_arrays` gave."""
        self.columns_ = arrays["columns"].astype(np.int32)
        self.idf_ = arrays["idf"].astype(np.float32)
        self._places = np.full(self._hashed_columns, -1, dtype=np.int32)
        self._places[self.columns_] = np.arange(len(self.columns_), dtype=np.int32)
        return self

    # The conventions of scikit-learn's estimators, without its base classes: importing those
    # takes longer than everything that answering needs.

    def get_params(self, deep: bool = True) -> dict[str, Any]:  # noqa: ARG002 - scikit-learn's form
        """Settings by name."""
        return {name: getattr(self, name) for name in _SETTINGS}

    def set_params(self, **settings: Any) -> Self:
        """Change settings.

        Raises:
            ValueError: there is no such setting.
        """
        for name, value in settings.items():
            if name not in _SETTINGS:
                raise ValueError(f"{type(self).__name__} has no setting {name!r}")
            setattr(self, name, value)
        return self

    def __repr__(self) -> str:
        settings = ", ".join(f"{name}={value!r}" for name, value in self.get_params().items())
        return f"{type(self).__name__}({settings})"

    def __sklearn_tags__(self) -> Any:
        from sklearn.utils import InputTags, Tags, TargetTags, TransformerTags

        return Tags(
            estimator_type=None,
            target_tags=TargetTags(required=False),
            transformer_tags=TransformerTags(),
            input_tags=InputTags(string=True, two_d_array=False),
        )

    def _require_fitted(self) -> None:
        if not hasattr(self, "idf_"):
            from sklearn.exceptions import NotFittedError

            raise NotFittedError(f"This {type(self).__name__} is not fitted yet; call fit first.")

    @property
    def _hashed_columns(self) -> int:
        return len(self.blocks) << self.hash_bits

    def _learn(self, frequency: NDArray[np.int32], documents: int) -> Self:
        if not documents:
            raise ValueError("there are no documents to fit on")
        columns = np.flatnonzero(frequency >= self._least_frequency(frequency))
        idf = np.log((1 + documents) / (1.0 + frequency[columns])) + 1
        return self.set_arrays({"columns": columns, "idf": idf})

    def _least_frequency(self, frequency: NDArray[np.int32]) -> int:
        if self.max_columns is None:
            return self.min_df
        columns = np.bincount(frequency)  # how many columns occur in so many documents
        as_frequent = np.cumsum(columns[::-1])[::-1]  # … or in more
        fitting = np.flatnonzero(as_frequent <= self.max_columns)
        return max(self.min_df, int(fitting[0]) if len(fitting) else len(columns))

    def _map(
        self, work: Callable[[Sequence[Document]], Result], documents: Sequence[Document]
    ) -> Iterator[Result]:
        if isinstance(documents, str):
            raise ValueError("documents are a sequence of texts, not one text")
        chunks = [documents[start : start + CHUNK] for start in range(0, len(documents), CHUNK)]
        if len(chunks) < 2 or self.threads < 2:
            yield from map(work, chunks)
            return
        with ThreadPoolExecutor(self.threads) as pool:
            yield from pool.map(work, chunks)

    def _count(self, documents: Sequence[Document]) -> HashedRows:
        return self._rows(documents)

    def _weighted(self, documents: Sequence[Document]) -> HashedRows:
        return self._rows(documents, places=self._places, idf=self.idf_)

    def _rows(self, documents: Sequence[Document], **weights: Any) -> HashedRows:
        named = [block.field for block in self.blocks if block.field is not None]
        columns = _columns(documents, max(named, default=0) + 1)
        if len(named) < len(self.blocks):
            columns.append([join_fields(texts) for texts in zip(*columns, strict=True)])
        blocks = [
            _kernel_block(block, len(columns) - 1 if block.field is None else block.field)
            for block in self.blocks
        ]
        return HashedRows(columns, blocks, self.hash_bits, clean=self.clean, **weights)


_SETTINGS: Final = tuple(inspect.signature(HashedTfidf).parameters)


def join_fields(texts: Sequence[str]) -> str:
    """The texts of a document one after another, without those that are empty."""
    return " ".join(filter(None, texts))


def _columns(documents: Sequence[Document], fields: int) -> list[Sequence[str]]:
    """The texts of each field."""
    plain = [document for document in documents if isinstance(document, str)]
    columns: list[Sequence[str]] = (
        [plain] if len(plain) == len(documents) else list(zip(*documents, strict=True))
    )
    if len(columns) < fields:
        raise ValueError(f"documents have {len(columns)} fields, the blocks need {fields}")
    return columns


def _kernel_block(block: Block, column: int) -> KernelBlock:
    characters = int(block.analyser == "char_wb")
    return KernelBlock(column, characters, block.low, block.high, block.weight)
