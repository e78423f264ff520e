"""The numbers of a photo are those of the formulas, whatever the batch and the picture's side."""

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from rakuten.features.image_statistics import STATISTICS, image_statistics

SIDE = 64


def plain(*colour: int, side: int = SIDE) -> NDArray[np.uint8]:
    return np.full((side, side, 3), colour, dtype=np.uint8)


def noise(seed: int = 0, side: int = SIDE) -> NDArray[np.uint8]:
    return np.random.default_rng(seed).integers(0, 256, (side, side, 3), dtype=np.uint8)


def measured(picture: NDArray[np.uint8]) -> dict[str, float]:
    return dict(zip(STATISTICS, image_statistics(picture[None])[0].tolist(), strict=True))


def test_the_numbers_are_those_of_their_formulas() -> None:
    picture = noise()
    red, green, blue = np.moveaxis(picture.astype(np.float64), 2, 0)
    luma = np.round(0.299 * red + 0.587 * green + 0.114 * blue)
    red_green, yellow_blue = red - green, (red + green) / 2 - blue
    padded = np.pad(luma, 1, mode="reflect")
    laplacian = padded[:-2, 1:-1] + padded[2:, 1:-1] + padded[1:-1, :-2] + padded[1:-1, 2:]
    found = measured(picture)
    assert found["brightness"] == pytest.approx(luma.mean() / 255, abs=1e-4)
    assert found["contrast"] == pytest.approx(luma.std() / 255, abs=1e-4)
    assert found["colourfulness"] == pytest.approx(
        np.hypot(red_green.std(), yellow_blue.std())
        + 0.3 * np.hypot(red_green.mean(), yellow_blue.mean()),
        rel=1e-5,
    )
    assert found["sharpness"] == pytest.approx((laplacian - 4 * luma).std(), rel=1e-3)
    assert found["white_share"] == pytest.approx((picture.min(axis=2) >= 240).mean(), abs=1e-6)


@pytest.mark.parametrize(
    ("picture", "expected"),
    [
        (plain(255, 255, 255), (1, 0, 0, 0, 1)),
        (plain(0, 0, 0), (0, 0, 0, 0, 0)),
        (plain(240, 240, 239), (240 / 255, 0, 0.3, 0, 0)),
        (plain(255, 0, 0), (76 / 255, 0, 0.3 * np.hypot(255, 127.5), 0, 0)),
    ],
    ids=["white", "black", "nearly white", "red"],
)
def test_plain_pictures_have_known_numbers(
    picture: NDArray[np.uint8], expected: tuple[float, ...]
) -> None:
    assert image_statistics(picture[None])[0] == pytest.approx(expected, abs=1e-3)


def test_a_blurred_picture_is_less_sharp_and_a_grey_one_less_colourful() -> None:
    picture = noise()
    blurred = np.asarray(cv2.GaussianBlur(picture, (7, 7), 0), dtype=np.uint8)
    assert measured(blurred)["sharpness"] < measured(picture)["sharpness"] / 5
    grey = np.repeat(picture[:, :, :1], 3, axis=2)
    assert measured(grey)["colourfulness"] == 0
    assert measured(picture)["colourfulness"] > 50


def test_the_numbers_do_not_depend_on_the_batch() -> None:
    pictures = np.stack([noise(seed) for seed in range(9)])
    together = image_statistics(pictures)
    alone = np.concatenate([image_statistics(picture[None]) for picture in pictures])
    assert np.array_equal(together, alone)
    assert together.dtype == np.float32


def test_larger_pictures_of_the_same_scene_have_the_same_numbers() -> None:
    small = np.asarray(cv2.GaussianBlur(noise(), (9, 9), 0), dtype=np.uint8)
    large = np.asarray(np.kron(small, np.ones((4, 4, 1), dtype=np.uint8)), dtype=np.uint8)
    assert image_statistics(large[None])[0] == pytest.approx(
        image_statistics(small[None])[0], abs=1e-4
    )


def test_no_pictures_have_no_numbers() -> None:
    empty = np.empty((0, SIDE, SIDE, 3), dtype=np.uint8)
    assert image_statistics(empty).shape == (0, len(STATISTICS))
