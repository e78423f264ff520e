"""Loading of the compiled library, and its types as C sees them."""

import ctypes
from collections.abc import Sequence
from ctypes import (
    POINTER,
    c_char_p,
    c_float,
    c_int32,
    c_int64,
    c_uint8,
    c_uint32,
    c_uint64,
    c_void_p,
)
from functools import cache
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from rakuten.errors import ConfigurationError, ContractError

LIBRARY: Final = Path(__file__).with_name("_kernel.so")
ABI: Final = 3
"""Must equal RK_ABI in kernel.h: Python and the compiled library agree on every argument."""

COUNTS: Final = ("raw_length", "raw_upper", "markup", "length", "digits", "words")
"""Columns of what :func:`rakuten.kernel.text.clean_texts` counts (kernel.h, RK_COUNTS)."""

LANES: Final = 16
"""Classes that are trained and scored together (linear.c)."""

_NO_MEMORY, _TOO_LARGE = 1, 2


class Texts(ctypes.Structure):
    """``rk_texts``: UTF-8 of all texts one after another, and where each begins."""

    _fields_ = (("bytes", c_void_p), ("offsets", c_void_p))

    @classmethod
    def of(cls, texts: Sequence[str]) -> "Texts":
        """Encode texts; the structure keeps what it points at alive."""
        encoded = [text.encode("utf-8", "surrogatepass") for text in texts]
        offsets = np.zeros(len(encoded) + 1, dtype=np.int64)
        np.cumsum(np.fromiter(map(len, encoded), np.int64, len(encoded)), out=offsets[1:])
        joined = b"".join(encoded)
        found = cls(ctypes.cast(ctypes.c_char_p(joined), c_void_p), offsets.ctypes.data)
        found.kept = (joined, offsets)
        return found


class Block(ctypes.Structure):
    """``rk_block``: one family of n-grams."""

    _fields_ = (
        ("field", c_int32),
        ("characters", c_int32),
        ("low", c_int32),
        ("high", c_int32),
        ("weight", c_float),
    )


class Matrix(ctypes.Structure):
    """``rk_matrix``: rows in compressed sparse row form, in memory of the library."""

    _fields_ = (
        ("rows", c_int64),
        ("entries", c_int64),
        ("capacity", c_int64),
        ("ends", c_void_p),
        ("columns", c_void_p),
        ("values", c_void_p),
    )


class Weights(ctypes.Structure):
    """``rk_weights``: hashed column → column, and idf of each column."""

    _fields_ = (("places", c_void_p), ("idf", c_void_p))


class Rows(ctypes.Structure):
    """``rk_rows``: sparse rows that NumPy owns."""

    _fields_ = (("ends", c_void_p), ("columns", c_void_p), ("values", c_void_p))

    @classmethod
    def of(
        cls, ends: NDArray[np.int64], columns: NDArray[np.int32], values: NDArray[np.float32]
    ) -> "Rows":
        """Point at three arrays; the structure keeps them alive."""
        found = cls(address(ends), address(columns), address(values))
        found.kept = (ends, columns, values)
        return found


class Training(ctypes.Structure):
    """``rk_training``: how a classifier is trained."""

    _fields_ = (
        ("cost", c_float),
        ("tolerance", c_float),
        ("most_passes", c_int32),
        ("seed", c_uint64),
    )


def address(array: NDArray[Any]) -> int:
    """Address of a contiguous array's first item."""
    if not array.flags.c_contiguous:
        raise ValueError("the kernel takes contiguous arrays")
    return int(array.ctypes.data)


def check(status: int) -> None:
    """Turn a status of the library into an error.

    Raises:
        MemoryError: it could not get the memory it needs.
        ContractError: a text is longer than 64 MiB.
    """
    if status == _NO_MEMORY:
        raise MemoryError("the kernel could not get the memory it needs")
    if status == _TOO_LARGE:
        raise ContractError("A text is longer than 64 MiB.", hint="cut it before it comes here")


@cache
def library() -> Any:
    """The compiled library, loaded once.

    Raises:
        ConfigurationError: it was not built, or for other sources than these.
    """
    hint = "build it: make setup, or pip install --no-deps -e . in the project folder"
    try:
        loaded = ctypes.CDLL(str(LIBRARY))
    except OSError as error:
        raise ConfigurationError(
            f"The compiled kernel {LIBRARY} does not load: {error}.", hint=hint
        ) from error
    if loaded.rk_abi() != ABI:
        raise ConfigurationError(
            f"The compiled kernel {LIBRARY} belongs to other sources (interface "
            f"{loaded.rk_abi()}, expected {ABI}).",
            hint=hint,
        )
    _declare(loaded)
    return loaded


def _declare(loaded: Any) -> None:
    quick = ctypes.PyDLL(loaded._name)  # to let go of the interpreter takes longer than these
    loaded.rk_free, loaded.rk_matrix_free = quick.rk_free, quick.rk_matrix_free
    loaded.rk_free.argtypes = (c_void_p,)
    loaded.rk_free.restype = None
    loaded.rk_clean.argtypes = (POINTER(Texts), c_int64, POINTER(POINTER(c_uint8)), *[c_void_p] * 2)
    loaded.rk_vectorise.argtypes = (
        *(POINTER(Texts), c_int32, c_int64, c_int32),
        *(POINTER(Block), c_int32, c_int32, POINTER(Weights), POINTER(Matrix)),
    )
    loaded.rk_trace.argtypes = (
        *(c_char_p, c_int64, POINTER(Block), c_int32, c_int32),
        *(POINTER(POINTER(c_uint32)), POINTER(POINTER(c_int32)), POINTER(c_int64)),
    )
    loaded.rk_weigh.argtypes = (POINTER(Matrix), POINTER(Block), c_int32, POINTER(Weights))
    loaded.rk_weigh.restype = None
    loaded.rk_frequencies.argtypes = (POINTER(Matrix), c_void_p)
    loaded.rk_frequencies.restype = None
    loaded.rk_matrix_free.argtypes = (POINTER(Matrix),)
    loaded.rk_matrix_free.restype = None
    loaded.rk_fit.argtypes = (
        *(POINTER(Rows), c_void_p, c_void_p, c_void_p, c_int64, c_int64, c_int32),
        *(POINTER(Training), c_void_p, POINTER(c_int32), POINTER(c_float)),
    )
    loaded.rk_scores.argtypes = (POINTER(Rows), c_int64, *[c_void_p] * 3, c_int32, c_void_p)
    loaded.rk_scores.restype = None
    loaded.rk_buckets.argtypes = (c_int64, c_int32, c_void_p, c_void_p)
    loaded.rk_buckets.restype = None
    loaded.rk_project.argtypes = (
        *(POINTER(Rows), c_int64, c_int32),
        *(c_void_p, c_int32, c_void_p),
    )
    loaded.rk_project.restype = None
