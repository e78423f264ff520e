"""The seam between photos and vectors: what an encoder is, and how many photos go through it."""

from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from rakuten.errors import ConfigurationError, ImageError
from rakuten.features.image_statistics import STATISTICS, image_statistics
from rakuten.imaging import decode_image, map_chunks, read_image

Picture = bytes | Path | None
"""A photo's bytes, the path of its file, or None where there is none."""


class ImageEncoder(ABC):
    """Turns photos into vectors of fixed length, the same vector whatever the batch."""

    name: str
    version: str
    dimension: int
    input_size: int
    """Side in pixels of the square RGB picture that the encoder looks at."""

    @abstractmethod
    def encode_pixels(self, pixels: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Encode decoded pictures.

        Args:
            pixels: uint8 array of shape (n, input_size, input_size, 3), RGB.

        Returns:
            float32 array of shape (n, dimension).
        """

    def encode(self, pictures: Sequence[bytes | Path]) -> NDArray[np.float32]:
        """Decode and encode photos, shape (n, dimension).

        Raises:
            ImageError: one of them is not a usable picture.
        """
        return self.encode_pixels(self._stack([_load(p, self.input_size) for p in pictures]))

    def _stack(self, decoded: Sequence[NDArray[np.uint8]]) -> NDArray[np.uint8]:
        if not decoded:
            return np.empty((0, self.input_size, self.input_size, 3), dtype=np.uint8)
        return np.stack(decoded)


@dataclass(frozen=True)
class EncodedImages:
    """A chunk of photos: ``status`` ok, missing or unreadable, all numbers zero where not ok.

    ``vectors`` has shape (n, dimension); ``statistics`` has the columns of
    :data:`rakuten.features.image_statistics.STATISTICS`.
    """

    vectors: NDArray[np.float32]
    statistics: NDArray[np.float32]
    status: list[str]


def encode_each(encoder: ImageEncoder, pictures: Sequence[Picture]) -> EncodedImages:
    """Encode photos of which some may be absent or broken; one row each, in order."""
    decoded: list[NDArray[np.uint8]] = []
    status: list[str] = []
    for picture in pictures:
        try:
            decoded.append(_load(picture, encoder.input_size))
            status.append("ok")
        except ImageError as error:
            status.append("missing" if error.reason == "missing" else "unreadable")
    # A photo's vector and its statistics are one row of numbers, to be kept together.
    length = encoder.dimension + len(STATISTICS)
    numbers = np.zeros((len(pictures), length), dtype=np.float32)
    if decoded:
        usable = np.array([state == "ok" for state in status])
        pixels = encoder._stack(decoded)
        numbers[usable] = np.hstack([encoder.encode_pixels(pixels), image_statistics(pixels)])
    vectors, statistics = np.split(numbers, [encoder.dimension], axis=1)
    return EncodedImages(vectors, statistics, status)


def encode_stream(
    encoder: ImageEncoder, pictures: Sequence[Picture], *, threads: int
) -> Iterator[EncodedImages]:
    """Encode many photos chunk by chunk in threads; memory stays flat."""
    return map_chunks(lambda chunk: encode_each(encoder, chunk), pictures, threads=threads)


def create_encoder(name: str) -> ImageEncoder:
    """Make the encoder that ``params.yaml`` or a model's manifest names.

    Raises:
        ConfigurationError: there is no encoder of that name.
    """
    if name == "descriptor":
        from rakuten.features.descriptor import DescriptorEncoder

        return DescriptorEncoder()
    raise ConfigurationError(f"There is no image encoder '{name}'.", hint="known: descriptor")


def _load(picture: Picture, size: int) -> NDArray[np.uint8]:
    if picture is None:
        raise ImageError("missing", "There is no image.")
    return decode_image(picture if isinstance(picture, bytes) else read_image(picture), size)
