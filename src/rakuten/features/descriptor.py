"""Image encoder without a network: gradient, layout and colour descriptors by OpenCV."""

from typing import Any, Final

import cv2
import numpy as np
from numpy.typing import NDArray

from rakuten.features.encoder import ImageEncoder

SIDE: Final = 64
_LAYOUT: Final = 12
_BINS: Final = (6, 8, 8)
_BLOCK_SCALES: Final = (1.5, 1.0, 0.8)
"""Weights of gradient, layout and colour: first values, picked by hand from a few tried."""


class DescriptorEncoder(ImageEncoder):
    """Histogram of oriented gradients, 12 × 12 CIELAB layout and a joint CIELAB histogram.

    Gradients: Dalal and Triggs (2005), 9 orientations, 8-pixel cells, 16-pixel blocks.
    The colour histogram is square-rooted (Hellinger). Each block is scaled by a constant of
    its own, so that Euclidean distances weigh them alike.
    """

    name = "descriptor"
    version = "1"
    input_size = SIDE

    def __init__(self) -> None:
        self._hog: Any = cv2.HOGDescriptor((SIDE, SIDE), (16, 16), (8, 8), (8, 8), 9)
        self._hog_length = int(self._hog.getDescriptorSize())
        self.dimension = self._hog_length + _LAYOUT * _LAYOUT * 3 + int(np.prod(_BINS))

    def encode_pixels(self, pixels: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Encode RGB pictures of shape (n, 64, 64, 3) as float32 of shape (n, dimension)."""
        vectors = np.empty((len(pixels), self.dimension), dtype=np.float32)
        for picture, vector in zip(pixels, vectors, strict=True):
            self._describe(picture, vector)
        return vectors

    def _describe(self, picture: NDArray[np.uint8], vector: NDArray[np.float32]) -> None:
        gradient, layout, colour = _BLOCK_SCALES
        lab8 = cv2.cvtColor(picture, cv2.COLOR_RGB2LAB)
        small = cv2.resize(
            lab8.astype(np.float32), (_LAYOUT, _LAYOUT), interpolation=cv2.INTER_AREA
        )
        histogram = cv2.calcHist([lab8], [0, 1, 2], None, list(_BINS), [0, 256] * 3).ravel()
        start, stop = self._hog_length, self._hog_length + small.size
        # Divisors bring each block's root mean square distance between photos near its weight.
        vector[:start] = self._hog.compute(picture).ravel() * (gradient / 6.5)
        vector[start:stop] = (small.ravel() - 128.0) * (layout / 850.0)
        vector[stop:] = np.sqrt(histogram / histogram.sum()) * (colour / 0.65)
