"""Texts in: normal forms with their counts, or rows of hashed n-grams out."""

import ctypes
from collections.abc import Sequence
from ctypes import c_int32, c_int64, c_uint8, c_uint32

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from rakuten.kernel.library import (
    COUNTS,
    Block,
    Matrix,
    Rows,
    Texts,
    Weights,
    address,
    check,
    library,
)


def clean_texts(texts: Sequence[str]) -> tuple[list[str], NDArray[np.int32]]:
    """Normal form of each text, and counts of shape (n, len(COUNTS)).

    Raises:
        ContractError: a text is longer than 64 MiB.
    """
    found, count = Texts.of(texts), len(texts)
    ends = np.zeros(count + 1, dtype=np.int64)
    counts = np.zeros((count, len(COUNTS)), dtype=np.int32)
    cleaned = ctypes.POINTER(c_uint8)()
    native = library()
    check(
        native.rk_clean(
            ctypes.byref(found), count, ctypes.byref(cleaned), address(ends), address(counts)
        )
    )
    try:
        joined = ctypes.string_at(cleaned, int(ends[-1])) if ends[-1] else b""
    finally:
        native.rk_free(cleaned)
    limits = ends.tolist()
    return [
        joined[start:end].decode() for start, end in zip(limits, limits[1:], strict=False)
    ], counts


class HashedRows:
    """Rows of hashed n-grams in memory of the library, freed with this object."""

    def __init__(
        self,
        fields: Sequence[Sequence[str]],
        blocks: Sequence[Block],
        bits: int,
        *,
        clean: bool,
        places: NDArray[np.int32] | None = None,
        idf: NDArray[np.float32] | None = None,
    ) -> None:
        """Count the n-grams of documents; with ``places`` and ``idf`` weigh them too.

        Args:
            fields: for each field its text in every document.
            blocks: families of n-grams.
            bits: each block hashes into ``2**bits`` columns, one block after another.
            clean: whether texts are raw, not in normal form.
            places: hashed column → column or -1, shape (len(blocks) * 2**bits,).
            idf: weight of each column.
        """
        self._matrix = Matrix()
        self._bits = bits
        self._blocks = (Block * len(blocks))(*blocks)
        texts = (Texts * len(fields))()
        kept = [Texts.of(field) for field in fields]
        for number, found in enumerate(kept):
            texts[number] = found
        weights = None if places is None or idf is None else _weights(places, idf)
        check(
            library().rk_vectorise(
                *(texts, len(fields), len(fields[0]), int(clean)),
                *(self._blocks, len(blocks), bits, weights, ctypes.byref(self._matrix)),
            )
        )

    def __del__(self) -> None:
        if self._matrix.ends:  # there is nothing to free where nothing was made
            library().rk_matrix_free(ctypes.byref(self._matrix))

    def __len__(self) -> int:
        return int(self._matrix.rows)

    def view(self) -> Rows:
        """The rows as other functions of the library take them; valid as long as this object."""
        return Rows(self._matrix.ends, self._matrix.columns, self._matrix.values)

    @property
    def entries(self) -> int:
        """Number of entries of all rows."""
        return int(self._matrix.entries)

    def add_frequencies(self, frequency: NDArray[np.int32]) -> None:
        """Add in how many rows each hashed column occurs."""
        library().rk_frequencies(ctypes.byref(self._matrix), address(frequency))

    def weigh(self, places: NDArray[np.int32], idf: NDArray[np.float32]) -> None:
        """Turn counts of hashed columns into weights of columns, in place."""
        library().rk_weigh(
            ctypes.byref(self._matrix), self._blocks, self._bits, _weights(places, idf)
        )

    def copy_into(
        self, values: NDArray[np.float32], columns: NDArray[np.int32], ends: NDArray[np.int64]
    ) -> None:
        """Copy values and columns, shape (entries,) each, and the end of each row."""
        matrix = self._matrix
        if not matrix.entries:
            ends[:] = 0
            return
        for target, source in (
            (values, matrix.values),
            (columns, matrix.columns),
            (ends, matrix.ends + ends.itemsize),  # the first is where the first row begins
        ):
            ctypes.memmove(address(target), source, target.nbytes)


def trace_ngrams(text: str, block: Block, number: int, bits: int) -> list[tuple[int, int, int]]:
    """N-grams of a text in normal form as they occur: (hashed column, start, length).

    A start of -1, or an end past the text, is the blank that a word stands between.
    """
    encoded = text.encode("utf-8", "surrogatepass")
    columns, spans, count = ctypes.POINTER(c_uint32)(), ctypes.POINTER(c_int32)(), c_int64()
    native, ref = library(), ctypes.byref
    check(
        native.rk_trace(
            *(encoded, len(encoded), ref(block), number, bits),
            *(ref(columns), ref(spans), ref(count)),
        )
    )
    try:
        found = columns[: count.value] if count.value else []
        flat = spans[: 2 * count.value] if count.value else []
    finally:
        native.rk_free(columns)
        native.rk_free(spans)
    return list(zip(found, flat[::2], flat[1::2], strict=True))


def stack_rows(parts: Sequence[HashedRows], columns: int) -> sp.csr_matrix:
    """The rows of all parts one under another, a float32 matrix of shape (n, columns)."""
    entries, rows = sum(part.entries for part in parts), sum(map(len, parts))
    values = np.empty(entries, dtype=np.float32)
    indices = np.empty(entries, dtype=np.int32)
    ends = np.zeros(rows + 1, dtype=np.int64)
    entry, row = 0, 1
    for part in parts:
        own, its_rows = slice(entry, entry + part.entries), slice(row, row + len(part))
        part.copy_into(values[own], indices[own], ends[its_rows])
        ends[its_rows] += entry
        entry, row = own.stop, its_rows.stop
    if entries <= np.iinfo(np.int32).max:  # SciPy wants both alike, or looks through them
        ends = ends.astype(np.int32)
    return sp.csr_matrix((values, indices, ends), shape=(rows, columns))


def _weights(places: NDArray[np.int32], idf: NDArray[np.float32]) -> object:
    found = Weights(address(places), address(idf))
    found.kept = (places, idf)
    return ctypes.pointer(found)
