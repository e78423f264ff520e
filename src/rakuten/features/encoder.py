"""The seam between photos and vectors: what an encoder is, and how many photos go through it."""

from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from rakuten.errors import ConfigurationError, ImageError
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

    blocks: tuple[int, ...] = ()
    """Lengths of the parts of a vector that are best compared one by one; none: the whole."""

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
    """Vectors of a chunk of photos: ``status`` ok, missing or unreadable, zeros where not ok."""

    vectors: NDArray[np.float32]
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
    vectors = np.zeros((len(pictures), encoder.dimension), dtype=np.float32)
    if decoded:
        usable = np.array([state == "ok" for state in status])
        vectors[usable] = encoder.encode_pixels(encoder._stack(decoded))
    return EncodedImages(vectors, status)


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
