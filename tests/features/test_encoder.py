"""A photo becomes the same vector in any batch; a bad photo becomes zeros and says so."""

import io
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from rakuten.errors import ConfigurationError, ImageError
from rakuten.features.encoder import (
    EncodedImages,
    ImageEncoder,
    Picture,
    create_encoder,
    encode_each,
    encode_stream,
)
from rakuten.features.image_statistics import image_statistics
from rakuten.imaging import decode_image
from tests.features.photos import photo


@pytest.fixture(scope="module")
def encoder() -> ImageEncoder:
    return create_encoder("descriptor")


def together(parts: list[EncodedImages]) -> tuple[NDArray[np.float32], list[str]]:
    vectors = np.concatenate([part.vectors for part in parts])
    return vectors, [state for part in parts for state in part.status]


def test_vectors_have_the_dimension_that_the_encoder_names(encoder: ImageEncoder) -> None:
    vectors = encoder.encode([photo(0), photo(1)])
    assert vectors.shape == (2, encoder.dimension)
    assert vectors.dtype == np.float32
    assert np.isfinite(vectors).all()
    assert encoder.dimension > 1000


def test_no_photos_give_no_vectors(encoder: ImageEncoder) -> None:
    assert encoder.encode([]).shape == (0, encoder.dimension)
    assert encode_each(encoder, []).vectors.shape == (0, encoder.dimension)


def test_a_photo_has_the_same_vector_in_any_batch(encoder: ImageEncoder) -> None:
    photos = [photo(number) for number in range(9)]
    batch = encoder.encode(photos)
    assert np.array_equal(batch, np.concatenate([encoder.encode([data]) for data in photos]))
    assert np.array_equal(batch[::-1], encoder.encode(photos[::-1]))


def test_two_encoders_agree(encoder: ImageEncoder) -> None:
    other = create_encoder("descriptor")
    assert (other.name, other.version) == (encoder.name, encoder.version)
    assert np.array_equal(other.encode([photo(3)]), encoder.encode([photo(3)]))


def test_bytes_and_path_of_a_photo_give_the_same_vector(
    encoder: ImageEncoder, tmp_path: Path
) -> None:
    path = tmp_path / "photo.jpg"
    path.write_bytes(photo(1))
    assert np.array_equal(encoder.encode([path]), encoder.encode([photo(1)]))


def test_a_photo_lies_nearer_to_its_copy_than_to_another(encoder: ImageEncoder) -> None:
    original, resized, other = encoder.encode([photo(1), photo(1, side=200), photo(2)])
    copy = float(np.linalg.norm(original - resized))
    assert copy < 0.5 * float(np.linalg.norm(original - other))


@pytest.mark.parametrize("colour", ["black", "white", "red"])
def test_a_plain_picture_has_a_finite_vector(encoder: ImageEncoder, colour: str) -> None:
    buffer = io.BytesIO()
    Image.new("RGB", (50, 50), colour).save(buffer, "PNG")
    assert np.isfinite(encoder.encode([buffer.getvalue()])).all()


def test_encoding_strictly_raises_on_a_bad_photo(encoder: ImageEncoder) -> None:
    with pytest.raises(ImageError):
        encoder.encode([photo(0), b"not a photo"])


def test_each_photo_has_a_status_and_zeros_where_it_is_not_ok(
    encoder: ImageEncoder, tmp_path: Path
) -> None:
    cut = photo(2)[:200]
    pictures: list[Picture] = [
        photo(0),
        None,
        b"",
        b"<html>",
        tmp_path / "absent.jpg",
        tmp_path,
        cut,
        photo(1),
    ]
    found = encode_each(encoder, pictures)
    assert found.status == [
        "ok",
        "missing",
        *["unreadable"] * 2,
        "missing",
        *["unreadable"] * 2,
        "ok",
    ]
    assert not found.vectors[1:7].any()
    assert not found.statistics[1:7].any()
    assert np.array_equal(found.vectors[[0, 7]], encoder.encode([photo(0), photo(1)]))
    pixels = np.stack([decode_image(photo(n), encoder.input_size) for n in (0, 1)])
    assert np.array_equal(found.statistics[[0, 7]], image_statistics(pixels))


def test_a_batch_without_any_photo_is_all_zeros(encoder: ImageEncoder) -> None:
    found = encode_each(encoder, [None, None])
    assert found.status == ["missing", "missing"]
    assert found.vectors.shape == (2, encoder.dimension)
    assert not found.vectors.any()


@pytest.mark.parametrize("threads", [1, 3])
def test_a_stream_gives_the_same_rows_in_order(encoder: ImageEncoder, threads: int) -> None:
    kinds: list[Picture] = [photo(number) for number in range(7)]
    pictures = [*kinds, None, b"broken"] * 20
    vectors, status = together(list(encode_stream(encoder, pictures, threads=threads)))
    expected = encode_each(encoder, pictures)
    assert status == expected.status
    assert np.array_equal(vectors, expected.vectors)


def test_an_unknown_encoder_is_a_configuration_error() -> None:
    with pytest.raises(ConfigurationError, match="no image encoder 'resnet'"):
        create_encoder("resnet")
