"""Texture of grey pictures: histograms of uniform local binary patterns, many at a time."""

from functools import cache
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

PATTERNS: Final = 59
"""58 uniform patterns (at most two changes around the circle) and one bin for the others."""

_TOLERANCE: Final = 2
"""A neighbour is brighter if by more grey levels than this: compression noise is not."""

_RING: Final = ((0, 1), (1, 1), (1, 0), (1, -1), (0, -1), (-1, -1), (-1, 0), (-1, 1))
"""The eight neighbours (row, column) in circular order."""


def _pattern_bins() -> NDArray[np.uint8]:
    """Histogram bin of each of the 256 patterns."""
    bins = np.full(256, PATTERNS - 1, dtype=np.uint8)
    turned = [(code >> 1) | ((code & 1) << 7) for code in range(256)]
    uniform = [code for code in range(256) if (code ^ turned[code]).bit_count() <= 2]
    bins[uniform] = np.arange(len(uniform), dtype=np.uint8)
    return bins


_BINS: Final = _pattern_bins()


def pattern_histograms(grey: NDArray[np.uint8], cells: int) -> NDArray[np.float32]:
    """Share of each pattern in each of ``cells`` × ``cells`` cells.

    Source: Ojala, Pietikäinen and Mäenpää (2002), radius 1, without interpolation.

    Args:
        grey: pictures of shape (n, side, side).
        cells: cells along each side; must divide it.

    Returns:
        float32 array of shape (n, cells * cells * 59); the outermost pixels are left out.
    """
    side = grey.shape[1]
    length = cells * cells * PATTERNS
    offset = _cell_offsets(side, cells)
    codes = _patterns(grey)
    bins = cv2.LUT(codes.reshape(-1, side), _BINS).reshape(codes.shape)
    counts = np.empty((len(grey), length), dtype=np.float32)
    for picture, row in zip(bins, counts, strict=True):
        places = (picture + offset).ravel()
        row[:] = np.bincount(places, minlength=length + PATTERNS)[:length]
    return counts * np.float32(cells**2 / (side - 2) ** 2)


@cache
def _cell_offsets(side: int, cells: int) -> NDArray[np.uint16]:
    """Place of each pixel's cell in the vector; one place beyond it for the outermost pixels."""
    cell = np.arange(side) // (side // cells)
    offset = (cell[:, None] * cells + cell) * PATTERNS
    for edge in (offset[0], offset[-1], offset[:, 0], offset[:, -1]):
        edge[:] = cells * cells * PATTERNS
    return offset.astype(np.uint16)


def _patterns(grey: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """One byte a pixel, a bit a neighbour that is brighter; wrong on the outermost pixels."""
    side = grey.shape[1]
    # Neighbours are shifts of the flat array, which run over whole batches without strides.
    flat = np.ascontiguousarray(grey).ravel()
    reach = side + 1
    centre = flat[reach:-reach]
    # Stays in 8 bits: where the centre is nearly white nothing can be brighter by enough.
    limit = np.minimum(centre, 255 - _TOLERANCE) + np.uint8(_TOLERANCE)
    codes = np.zeros(grey.shape, dtype=np.uint8)
    inner = codes.ravel()[reach:-reach]
    for bit, (down, right) in enumerate(_RING):
        shift = reach + down * side + right
        brighter = (flat[shift : shift + len(centre)] > limit).view(np.uint8)
        brighter <<= bit
        inner |= brighter
    return codes
