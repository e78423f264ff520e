"""Image encoder without a network: shape, texture, colour and layout descriptors by OpenCV."""

from typing import Any, Final

import cv2
import numpy as np
from numpy.typing import NDArray

from rakuten.features.encoder import ImageEncoder
from rakuten.features.texture import PATTERNS, pattern_histograms

SIDE: Final = 64
_SMALL: Final = 32
"""Side at which colours are looked at."""

_LAYOUT: Final = 12
_BINS: Final = (6, 8, 8)
_CELLS: Final = 4
_COARSE: Final = 2
_FOREGROUND: Final = 36
"""Difference in red, green or blue beyond which a pixel is not of the border's colour."""

_CHUNK: Final = 16
"""Pictures at a time: the working arrays stay in the processor's cache."""


class DescriptorEncoder(ImageEncoder):
    """Six descriptors side by side, each a block of the vector.

    - Histograms of oriented gradients (Dalal and Triggs, 2005; 9 orientations, 8-pixel cells
      in 16-pixel blocks that do not overlap) of the picture and of its foreground.
    - Histograms of uniform local binary patterns (Ojala et al., 2002) on 2 × 2 cells of the
      picture and 4 × 4 of its foreground, square-rooted (Hellinger).
    - The picture in CIELAB at 12 × 12 pixels, and its joint CIELAB histogram, square-rooted.

    The foreground is the bounding box of what differs from the border's median colour,
    stretched to the picture's size: product photos mostly have a plain background.
    """

    name = "descriptor"
    version = "2"
    input_size = SIDE

    def __init__(self) -> None:
        self._hog: Any = cv2.HOGDescriptor((SIDE, SIDE), (16, 16), (16, 16), (8, 8), 9)
        gradients = int(self._hog.getDescriptorSize())
        texture = _CELLS**2 * PATTERNS
        self.blocks = (
            gradients,
            gradients,
            _COARSE**2 * PATTERNS,
            texture,
            _LAYOUT**2 * 3,
            int(np.prod(_BINS)),
        )
        self.dimension = sum(self.blocks)

    def encode_pixels(self, pixels: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Encode RGB pictures of shape (n, 64, 64, 3) as float32 of shape (n, dimension)."""
        vectors = np.empty((len(pixels), self.dimension), dtype=np.float32)
        for start in range(0, len(pixels), _CHUNK):
            part = slice(start, start + _CHUNK)
            self._describe(pixels[part], vectors[part])
        return vectors

    def _describe(self, pictures: NDArray[np.uint8], vectors: NDArray[np.float32]) -> None:
        shape, front_shape, texture, front_texture, layout, colour = np.split(
            vectors, np.cumsum(self.blocks)[:-1], axis=1
        )
        grey = np.empty((2, *pictures.shape[:3]), dtype=np.uint8)
        for row, (picture, box) in enumerate(
            zip(pictures, foreground_boxes(pictures).tolist(), strict=True)
        ):
            top, bottom, left, right = box
            front = cv2.resize(picture[top:bottom, left:right], (SIDE, SIDE))
            shape[row] = self._hog.compute(picture)
            front_shape[row] = self._hog.compute(front)
            cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY, dst=grey[0, row])
            cv2.cvtColor(front, cv2.COLOR_RGB2GRAY, dst=grey[1, row])
            small = _small_lab(picture)
            layout[row] = _layout(small)
            colour[row] = _colour_histogram(small)
        np.sqrt(pattern_histograms(grey[0], _COARSE), out=texture)
        np.sqrt(pattern_histograms(grey[1], _CELLS), out=front_texture)


def foreground_boxes(pictures: NDArray[np.uint8]) -> NDArray[np.int64]:
    """Bounding box of what differs from the border's median colour, in each picture.

    Args:
        pictures: RGB pictures of shape (n, side, side, 3).

    Returns:
        Shape (n, 4): top, bottom, left, right; the whole picture where nothing stands out.
    """
    count, side = pictures.shape[:2]
    edges = [pictures[:, 0], pictures[:, -1], pictures[:, :, 0], pictures[:, :, -1]]
    border = np.sort(np.concatenate(edges, axis=1)[:, ::2], axis=1)
    # Whole lines at a time: loops over three channels are several times slower.
    lines = pictures.reshape(count, side, side * 3)
    background = np.tile(border[:, border.shape[1] // 2], side)[:, None]
    difference = np.maximum(lines, background) - np.minimum(lines, background)
    found = difference > _FOREGROUND
    by_row = np.asarray(found.any(axis=2))
    by_column = np.asarray(found.any(axis=1).reshape(count, side, 3).any(axis=2))
    boxes = np.empty((count, 4), dtype=np.int64)
    for start, occupied in ((0, by_row), (2, by_column)):
        boxes[:, start] = occupied.argmax(axis=1)
        boxes[:, start + 1] = side - occupied[:, ::-1].argmax(axis=1)
    return boxes


def _small_lab(picture: NDArray[np.uint8]) -> NDArray[np.uint8]:
    shrunk = cv2.resize(picture, (_SMALL, _SMALL), interpolation=cv2.INTER_AREA)
    return np.asarray(cv2.cvtColor(shrunk, cv2.COLOR_RGB2LAB), dtype=np.uint8)


def _layout(lab: NDArray[np.uint8]) -> NDArray[np.float32]:
    shrunk = cv2.resize(lab, (_LAYOUT, _LAYOUT), interpolation=cv2.INTER_AREA)
    return np.asarray(shrunk.ravel() / 255, dtype=np.float32)


def _colour_histogram(lab: NDArray[np.uint8]) -> NDArray[np.float32]:
    counts = cv2.calcHist([lab], [0, 1, 2], None, list(_BINS), [0, 256] * 3).ravel()
    return np.asarray(np.sqrt(counts / lab[..., 0].size), dtype=np.float32)
