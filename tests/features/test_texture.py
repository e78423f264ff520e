"""Texture histograms agree with local binary patterns computed pixel by pixel."""

import numpy as np
import pytest
from numpy.typing import NDArray

from rakuten.features.texture import PATTERNS, pattern_histograms

SIDE = 16
RING = ((0, 1), (1, 1), (1, 0), (1, -1), (0, -1), (-1, -1), (-1, 0), (-1, 1))


def noise(count: int) -> NDArray[np.uint8]:
    return np.random.default_rng(0).integers(0, 256, (count, SIDE, SIDE), dtype=np.uint8)


def slow_histogram(picture: NDArray[np.uint8], cells: int) -> NDArray[np.float64]:
    """The definition, one pixel at a time."""
    uniform = [c for c in range(256) if _changes(c) <= 2]
    counts = np.zeros((cells, cells, PATTERNS))
    for y in range(1, SIDE - 1):
        for x in range(1, SIDE - 1):
            code = 0
            for bit, (down, right) in enumerate(RING):
                brighter = int(picture[y + down, x + right]) - int(picture[y, x]) > 2
                code |= brighter << bit
            place = uniform.index(code) if code in uniform else PATTERNS - 1
            counts[y * cells // SIDE, x * cells // SIDE, place] += 1
    return np.asarray(counts.ravel() * cells**2 / (SIDE - 2) ** 2)


def _changes(code: int) -> int:
    bits = [code >> n & 1 for n in range(8)]
    return sum(bits[n] != bits[n - 1] for n in range(8))


@pytest.mark.parametrize("cells", [1, 2, 4])
def test_histograms_are_those_of_the_definition(cells: int) -> None:
    pictures = noise(3)
    pictures[1] = np.minimum(pictures[1], 6) + 249
    expected = np.stack([slow_histogram(picture, cells) for picture in pictures])
    assert np.allclose(pattern_histograms(pictures, cells), expected, atol=1e-6)


def test_a_picture_does_not_touch_its_neighbours_in_the_batch() -> None:
    pictures = noise(5)
    alone = np.concatenate([pattern_histograms(picture[None], 4) for picture in pictures])
    assert np.array_equal(pattern_histograms(pictures, 4), alone)


def test_faint_noise_on_white_is_no_texture() -> None:
    blank = np.full((1, SIDE, SIDE), 255, dtype=np.uint8)
    faint = blank - (noise(1) % 3)
    assert np.array_equal(pattern_histograms(faint, 2), pattern_histograms(blank, 2))


def test_shares_of_the_whole_picture_add_up_to_one() -> None:
    assert np.allclose(pattern_histograms(noise(4), 1).sum(axis=1), 1)
    assert np.allclose(pattern_histograms(noise(4), 4).sum(axis=1), 16)
