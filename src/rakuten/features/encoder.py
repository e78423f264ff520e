"""The seam between photos and vectors: what an encoder is, and how many photos go through it."""

import time
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL.Image import Resampling

from rakuten.errors import ConfigurationError, ImageError
from rakuten.features.image_statistics import STATISTICS, image_statistics
from rakuten.features.vector_cache import VectorCache
from rakuten.imaging import content_hash, decode_image, map_chunks, read_image
from rakuten.params import OnnxParams

Picture = bytes | Path | None
"""A photo's bytes, the path of its file, or None where there is none."""


class ImageEncoder(ABC):
    """Turns photos into vectors of fixed length, the same vector whatever the batch."""

    name: str
    version: str
    dimension: int
    input_size: int
    """Side in pixels of the square RGB picture that the encoder looks at."""
    resample: Resampling = Resampling.BILINEAR
    """How photos are brought to that size."""
    batch: int = 64
    """Photos that are best encoded at a time."""
    libraries: tuple[str, ...] = ("numpy", "opencv-python-headless")
    """Packages that the vectors depend on, besides the decoder."""

    @property
    def row_length(self) -> int:
        """Numbers of a photo that are made and kept together: its vector and its statistics."""
        return self.dimension + len(STATISTICS)

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

    def decode(self, data: bytes) -> NDArray[np.uint8]:
        """Decode a photo's bytes to what the encoder looks at.

        Raises:
            ImageError: they are not a usable picture.
        """
        return decode_image(data, self.input_size, self.resample)

    def encode(self, pictures: Sequence[bytes | Path]) -> NDArray[np.float32]:
        """Decode and encode photos, shape (n, dimension).

        Raises:
            ImageError: one of them is not a usable picture.
        """
        return self.encode_pixels(self._stack([self.decode(_read(p)) for p in pictures]))

    def describe(self) -> dict[str, Any]:
        """What a manifest says of the encoder: enough to make it again from its files."""
        return {"name": self.name, "version": self.version, "dimension": self.dimension}

    def files(self) -> Mapping[str, Path]:
        """File name → content that has to lie beside the manifest."""
        return {}

    def _stack(self, decoded: Sequence[NDArray[np.uint8]]) -> NDArray[np.uint8]:
        if not decoded:
            return np.empty((0, self.input_size, self.input_size, 3), dtype=np.uint8)
        return np.stack(decoded)


@dataclass(frozen=True)
class EncodedImages:
    """A chunk of photos: ``status`` ok, missing or unreadable, all numbers zero where not ok.

    ``vectors`` has shape (n, dimension); ``statistics`` has the columns of
    :data:`rakuten.features.image_statistics.STATISTICS`. The seconds are those of all threads;
    reading, hashing and looking up belong to decoding.
    """

    vectors: NDArray[np.float32]
    statistics: NDArray[np.float32]
    status: list[str]
    decode_seconds: float = 0.0
    encode_seconds: float = 0.0


def encode_each(
    encoder: ImageEncoder, pictures: Sequence[Picture], *, cache: VectorCache | None = None
) -> EncodedImages:
    """Encode photos of which some may be absent or broken; one row each, in order.

    Photos that the cache knows are neither decoded nor encoded.
    """
    numbers = np.zeros((len(pictures), encoder.row_length), dtype=np.float32)
    status = ["ok"] * len(pictures)
    new: dict[int, str] = {}
    decoded: list[NDArray[np.uint8]] = []
    start = time.perf_counter()
    for row, picture in enumerate(pictures):
        try:
            data = _read(picture)
            photo = content_hash(data) if cache else ""
            known = cache.get(photo) if cache else None
            if known is None:
                decoded.append(encoder.decode(data))
                new[row] = photo
            else:
                numbers[row] = known
        except ImageError as error:
            status[row] = "missing" if error.reason == "missing" else "unreadable"
    between = time.perf_counter()
    if new:
        rows = list(new)
        pixels = encoder._stack(decoded)
        numbers[rows] = np.hstack([encoder.encode_pixels(pixels), image_statistics(pixels)])
        if cache:
            cache.put({photo: numbers[row] for row, photo in new.items()})
    vectors, statistics = np.split(numbers, [encoder.dimension], axis=1)
    return EncodedImages(
        vectors,
        statistics,
        status,
        decode_seconds=between - start if any(pictures) else 0.0,
        encode_seconds=time.perf_counter() - between if new else 0.0,
    )


def encode_stream(
    encoder: ImageEncoder,
    pictures: Sequence[Picture],
    *,
    threads: int,
    cache: VectorCache | None = None,
) -> Iterator[EncodedImages]:
    """Encode many photos chunk by chunk in threads; memory stays flat."""
    return map_chunks(
        lambda chunk: encode_each(encoder, chunk, cache=cache),
        pictures,
        threads=threads,
        chunk=encoder.batch,
    )


def encode_batch(
    encoder: ImageEncoder,
    pictures: Sequence[Picture],
    *,
    threads: int,
    cache: VectorCache | None = None,
) -> EncodedImages:
    """Encode photos that fit into memory together; without any it costs next to nothing."""
    if not any(pictures):
        return encode_each(encoder, pictures)
    chunks = list(encode_stream(encoder, pictures, threads=threads, cache=cache))
    return EncodedImages(
        vectors=np.concatenate([chunk.vectors for chunk in chunks]),
        statistics=np.concatenate([chunk.statistics for chunk in chunks]),
        status=[state for chunk in chunks for state in chunk.status],
        decode_seconds=sum(chunk.decode_seconds for chunk in chunks),
        encode_seconds=sum(chunk.encode_seconds for chunk in chunks),
    )


def create_encoder(
    name: str, *, onnx: OnnxParams | None = None, weights: Path | None = None
) -> ImageEncoder:
    """Make an encoder by its name.

    Args:
        name: descriptor or onnx.
        onnx: how photos are shown to the network (onnx alone).
        weights: the network's file (onnx alone).

    Raises:
        ConfigurationError: there is no encoder of that name, or its network cannot be used.
        MissingExtraError: it needs a package that is not installed.
    """
    if name == "descriptor":
        from rakuten.features.descriptor import DescriptorEncoder

        return DescriptorEncoder()
    if name == "onnx" and onnx is not None and weights is not None:
        from rakuten.features.onnx_encoder import OnnxEncoder

        return OnnxEncoder(weights, onnx)
    raise ConfigurationError(f"There is no image encoder '{name}'.", hint="known: descriptor, onnx")


def _read(picture: Picture) -> bytes:
    if picture is None:
        raise ImageError("missing", "There is no image.")
    return picture if isinstance(picture, bytes) else read_image(picture)
