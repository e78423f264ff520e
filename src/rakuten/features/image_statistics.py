"""What a photo looks like in five numbers, from the small pixels that an encoder decodes anyway."""

from math import hypot
from typing import Any, Final

import cv2
import numpy as np
from numpy.typing import NDArray

STATISTICS: Final = ("brightness", "contrast", "colourfulness", "sharpness", "white_share")
"""Names of the numbers, in the order of their columns."""

_SIDE: Final = 64
"""Pictures are measured at this side, so that sharpness means the same for every encoder."""

_WHITE: Final = (240, 240, 240)
_WHITEST: Final = (255, 255, 255)


def image_statistics(pixels: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Measure pictures; a picture's numbers do not depend on its batch.

    Brightness and contrast are mean and standard deviation of luma (Rec. 601) on a scale of 0
    to 1. Colourfulness is that of Hasler and Süsstrunk (2003), 0 for a grey picture and about
    100 for a gaudy one. Sharpness is the standard deviation of the Laplacian of luma on a scale
    of 0 to 255 (Pech-Pacheco et al., 2000, take its square). White share is the share of pixels
    with all three channels at 240 or more: the studio background.

    Args:
        pixels: RGB pictures of shape (n, side, side, 3).

    Returns:
        float32 array of shape (n, 5), columns as in :data:`STATISTICS`.
    """
    measured = [_measure(picture) for picture in pixels]
    return np.array(measured, dtype=np.float32).reshape(len(pixels), len(STATISTICS))


def _measure(picture: NDArray[np.uint8]) -> tuple[float, ...]:
    if picture.shape[0] != _SIDE:
        shrunk = cv2.resize(picture, (_SIDE, _SIDE), interpolation=cv2.INTER_AREA)
        picture = np.asarray(shrunk, dtype=np.uint8)
    luma = cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY)
    brightness, contrast = _moments(luma)
    _, sharpness = _moments(cv2.Laplacian(luma, cv2.CV_16S))
    red, green, blue = cv2.split(picture)
    offset, spread = _moments(cv2.subtract(red, green, dtype=cv2.CV_16S))
    yellow = cv2.add(red, green, dtype=cv2.CV_16S)
    offset_2, spread_2 = _moments(cv2.subtract(yellow, cv2.add(blue, blue, dtype=cv2.CV_16S)))
    colourfulness = hypot(spread, spread_2 / 2) + 0.3 * hypot(offset, offset_2 / 2)
    white = cv2.countNonZero(cv2.inRange(picture, _WHITE, _WHITEST)) / _SIDE**2
    return brightness / 255, contrast / 255, colourfulness, sharpness, white


def _moments(plane: Any) -> tuple[float, float]:
    """Mean and standard deviation of all pixels."""
    mean, deviation = cv2.meanStdDev(plane)
    return float(mean[0, 0]), float(deviation[0, 0])
