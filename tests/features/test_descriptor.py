"""Any picture has a finite vector of its own, the same in any batch and at any place."""

import io

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from rakuten.features.descriptor import SIDE, DescriptorEncoder, foreground_boxes

Pixels = NDArray[np.uint8]
ENCODER = DescriptorEncoder()


def scenes(count: int, seed: int = 0) -> Pixels:
    """Coloured boxes with a grain on white, each at a place of its own."""
    rng = np.random.default_rng(seed)
    pictures = np.full((count, SIDE, SIDE, 3), 255, dtype=np.uint8)
    for picture in pictures:
        top, left = rng.integers(4, 20, 2)
        height, width = rng.integers(16, 36, 2)
        box = picture[top : top + height, left : left + width]
        box[:] = rng.integers(0, 160, 3) + rng.integers(0, 40, box.shape)
    return pictures


def blocks_of(pictures: Pixels) -> list[NDArray[np.float32]]:
    return np.split(ENCODER.encode_pixels(pictures), np.cumsum(ENCODER.blocks)[:-1], axis=1)


def jpeg(picture: Image.Image) -> bytes:
    buffer = io.BytesIO()
    picture.save(buffer, "JPEG", quality=95)
    return buffer.getvalue()


def test_the_blocks_make_up_the_vector() -> None:
    assert sum(ENCODER.blocks) == ENCODER.dimension
    assert ENCODER.encode_pixels(scenes(3)).shape == (3, ENCODER.dimension)


def test_no_pictures_give_no_vectors() -> None:
    assert ENCODER.encode_pixels(scenes(0)).shape == (0, ENCODER.dimension)


@pytest.mark.parametrize("batch", [1, 15, 16, 17, 40])
def test_the_vector_is_the_same_whatever_the_batch(batch: int) -> None:
    pictures = scenes(40)
    parts = [
        ENCODER.encode_pixels(pictures[start : start + batch]) for start in range(0, 40, batch)
    ]
    assert np.array_equal(np.concatenate(parts), ENCODER.encode_pixels(pictures))


def test_the_number_of_threads_does_not_matter() -> None:
    before = cv2.getNumThreads()
    found = []
    try:
        for threads in (1, 4):
            cv2.setNumThreads(threads)
            found.append(ENCODER.encode_pixels(scenes(20)))
    finally:
        cv2.setNumThreads(before)
    assert np.array_equal(found[0], found[1])


@pytest.mark.parametrize("shade", [0, 128, 255])
def test_a_blank_photo_is_finite_and_not_all_zero(shade: int) -> None:
    vector = ENCODER.encode_pixels(np.full((1, SIDE, SIDE, 3), shade, dtype=np.uint8))
    assert np.isfinite(vector).all()
    assert vector.any()


@pytest.mark.parametrize("size", [(1, 1), (1, 900), (900, 1), (2000, 8), (500, 500)])
@pytest.mark.parametrize("mode", ["L", "RGB"])
def test_any_size_and_grey_photos_are_finite(size: tuple[int, int], mode: str) -> None:
    vector = ENCODER.encode([jpeg(Image.new(mode, size, 90 if mode == "L" else (90, 20, 5)))])
    assert np.isfinite(vector).all()


def test_noise_is_finite_and_bounded() -> None:
    noise = np.random.default_rng(0).integers(0, 256, (20, SIDE, SIDE, 3), dtype=np.uint8)
    vectors = ENCODER.encode_pixels(noise)
    assert vectors.min() >= 0
    assert vectors.max() <= 1


def test_the_foreground_is_found_on_a_background_of_any_colour() -> None:
    picture = np.full((1, SIDE, SIDE, 3), (200, 220, 180), dtype=np.uint8)
    picture[0, 10:40, 22:51] = (20, 40, 60)
    assert foreground_boxes(picture).tolist() == [[10, 40, 22, 51]]
    faint = picture.copy()
    faint[0, 10:40, 22:51] = (190, 210, 170)
    assert foreground_boxes(faint).tolist() == [[0, SIDE, 0, SIDE]]


def test_a_product_that_moves_keeps_its_foreground_blocks() -> None:
    pictures = np.full((2, SIDE, SIDE, 3), 255, dtype=np.uint8)
    thing = np.random.default_rng(0).integers(0, 160, (24, 30, 3), dtype=np.uint8)
    pictures[0, 6:30, 8:38] = thing
    pictures[1, 30:54, 26:56] = thing
    shape, front_shape, _, front_texture, _, colour = blocks_of(pictures)
    assert np.array_equal(front_shape[0], front_shape[1])
    assert np.array_equal(front_texture[0], front_texture[1])
    assert np.abs(colour[0] - colour[1]).max() < 0.2
    assert np.abs(shape[0] - shape[1]).max() > 0.1


def test_colour_changes_the_colour_blocks_and_not_the_shape_of_a_silhouette() -> None:
    pictures = np.full((2, SIDE, SIDE, 3), 255, dtype=np.uint8)
    pictures[0, 16:48, 20:44] = (200, 0, 0)
    pictures[1, 16:48, 20:44] = (0, 0, 200)
    shape, _, _, _, layout, colour = blocks_of(pictures)
    assert np.abs(shape[0] - shape[1]).max() < 0.2
    assert np.abs(layout[0] - layout[1]).max() > 0.1
    assert np.abs(colour[0] - colour[1]).max() > 0.2


def test_the_vector_of_a_version_does_not_change() -> None:
    """Vectors are kept between runs by this version: another vector needs another version."""
    y, x = np.mgrid[0:SIDE, 0:SIDE]
    disc = np.where((x - 30) ** 2 + (y - 34) ** 2 < 400, 40, 250)
    picture = np.stack([x * 4 % 256, (y * 3 + x) % 256, disc], axis=-1).astype(np.uint8)
    blocks = [block[0] for block in blocks_of(picture[None])]
    sums = [float(block.sum()) for block in blocks]
    moments = [float(block @ np.arange(len(block)) / len(block)) for block in blocks]
    assert DescriptorEncoder.version == "2"
    assert np.allclose(sums, [51.591, 51.591, 5.699, 20.499, 226.161, 5.972], rtol=1e-3)
    assert np.allclose(moments, [25.804, 25.804, 2.404, 9.770, 117.180, 3.520], rtol=1e-3)
