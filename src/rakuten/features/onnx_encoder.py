"""Image encoder by a pretrained network: any backbone as ONNX, run by onnxruntime on the CPU."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from threading import BoundedSemaphore
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from PIL.Image import Resampling

from rakuten.errors import ConfigurationError, MissingExtraError, ModelError
from rakuten.features.encoder import ImageEncoder
from rakuten.features.weights import read_weights
from rakuten.params import OnnxParams
from rakuten.settings import processor_limit

WEIGHTS: Final = "image_encoder.onnx"
"""Name of the network's file beside a manifest."""

_FORM: Final = "1"
"""Goes up when this module shows photos to the network in another way."""

_MEANING: Final = ("sha256", "input_size", "mean", "std", "resample", "output", "pooling")
"""Parameters that change a vector."""

_FLOATS: Final = {"tensor(float)": np.float32, "tensor(float16)": np.float16}


class OnnxEncoder(ImageEncoder):
    """Vectors of a frozen network, scaled to unit length.

    A photo is stretched to a square, nothing is cut off. Each run of the network has one
    thread, so that a vector does not depend on how many there are; callers run several at a
    time, of which at most one a processor is let through.
    """

    name = "onnx"
    libraries = ("numpy", "onnxruntime", "opencv-python-headless")

    def __init__(self, weights: Path, params: OnnxParams) -> None:
        """Load a network and try it on a plain picture.

        Raises:
            ConfigurationError: the file has another hash or is no network of this kind.
            DataNotFoundError: it cannot be read.
            MissingExtraError: onnxruntime is not installed.
        """
        self._weights, self._params = weights, params
        self.input_size = params.input_size
        self.resample = Resampling[params.resample.upper()]
        self.version = _version(params)
        self._session = _open_session(weights, params.sha256)
        self._input = _picture_input(self._session, weights, params.input_size)
        self.batch = self._input.batch or params.batch_size
        self._scale = (1 / (255 * np.array(params.std))).astype(np.float32)
        self._shift = (-np.array(params.mean) / np.array(params.std)).astype(np.float32)
        _require_output(self._session, weights, params.output)
        self._slots = BoundedSemaphore(processor_limit())
        self.dimension = self._try()

    def encode_pixels(self, pixels: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Encode RGB pictures of shape (n, side, side, 3) as float32 of shape (n, dimension).

        Raises:
            ModelError: the network gave numbers that are not finite.
        """
        vectors = np.empty((len(pixels), self.dimension), dtype=np.float32)
        for start in range(0, len(pixels), self.batch):
            part = slice(start, start + self.batch)
            vectors[part] = _unit_length(self._pool(self._run(pixels[part])))
        if not np.isfinite(vectors).all():
            raise ModelError(f"{self._weights} gives numbers that are not finite for a picture.")
        return vectors

    def describe(self) -> dict[str, Any]:
        """Name, version, dimension, and all parameters but the path on this machine."""
        return {**super().describe(), "onnx": self._params.model_dump(exclude={"path"})}

    def files(self) -> Mapping[str, Path]:
        """The network's file."""
        return {WEIGHTS: self._weights}

    def _run(self, pixels: NDArray[np.uint8]) -> NDArray[Any]:
        pictures = pixels * self._scale + self._shift
        if not self._input.channels_last:
            pictures = pictures.transpose(0, 3, 1, 2)
        feed = {self._input.name: np.ascontiguousarray(pictures, dtype=self._input.dtype)}
        with self._slots:
            return np.asarray(self._session.run([self._params.output], feed)[0])

    def _pool(self, output: NDArray[Any]) -> NDArray[np.float32]:
        if self._params.pooling == "cls":
            output = output[:, 0]
        elif self._params.pooling == "mean":
            output = output.mean(axis=1, dtype=np.float32)
        return output.reshape(len(output), -1).astype(np.float32)

    def _try(self) -> int:
        """Dimension of a vector, found by a run on a grey picture."""
        grey = np.full((1, self.input_size, self.input_size, 3), 128, dtype=np.uint8)
        try:
            output = self._run(grey)
        except Exception as error:  # the boundary to onnxruntime: its errors have no base of theirs
            reason = str(error).split("\n")[0]
            raise ConfigurationError(
                f"{self._weights} does not run on a picture of side {self.input_size}: {reason}",
                hint="features.onnx.input_size must be the side that the network was exported for",
            ) from error
        found = "×".join(map(str, output.shape))
        name, pooling = self._params.output, self._params.pooling
        flat = output.ndim >= 2 and output.size == output.shape[0] * output.shape[1]
        fits = flat if pooling == "none" else output.ndim == 3
        if not fits or len(output) != 1 or output.dtype not in (np.float32, np.float16):
            wanted = "1 × numbers" if pooling == "none" else "1 × tokens × numbers"
            raise ConfigurationError(
                f"{self._weights}: for one picture, the output {name} is {output.dtype} of shape "
                f"{found}; pooling '{pooling}' takes floats of shape {wanted}.",
                hint="set features.onnx.output and features.onnx.pooling to fit "
                "(docs/image-encoders.md)",
            )
        vector = self._pool(output)
        if not np.isfinite(vector).all() or not vector.any():
            raise ConfigurationError(
                f"{self._weights}: the output {name} is all zero or not finite for a grey picture."
            )
        return int(vector.shape[1])


@dataclass(frozen=True)
class _PictureInput:
    """How a network takes pictures; ``batch`` is 1 if it takes them one by one, else None."""

    name: str
    channels_last: bool
    dtype: Any
    batch: int | None


def _version(params: OnnxParams) -> str:
    meaning = {"form": _FORM, **params.model_dump(include=set(_MEANING))}
    return hashlib.sha256(json.dumps(meaning, sort_keys=True).encode()).hexdigest()[:16]


def _open_session(weights: Path, sha256: str) -> Any:
    try:
        import onnxruntime
    except ModuleNotFoundError as error:
        raise MissingExtraError("onnxruntime", "deep", "The image encoder 'onnx'") from error
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.inter_op_num_threads = 1
    options.use_deterministic_compute = True
    options.log_severity_level = 3  # errors; they come as exceptions too
    content = read_weights(weights, sha256)
    try:
        # From the bytes whose hash was checked, not from the path: nothing comes between.
        return onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])
    except Exception as error:  # the boundary to onnxruntime: its errors have no base of theirs
        reason = str(error).split("\n")[0]
        raise ConfigurationError(
            f"{weights} cannot be loaded as an ONNX network: {reason}",
            hint="take an export that is one file (no external data) and that onnxruntime's CPU "
            "provider can run",
        ) from error


def _picture_input(session: Any, weights: Path, size: int) -> _PictureInput:
    inputs = session.get_inputs()
    found = ", ".join(f"{entry.name} {entry.type} {entry.shape}" for entry in inputs)
    if len(inputs) != 1:
        raise ConfigurationError(
            f"{weights} takes {len(inputs)} inputs ({found}); an image encoder takes one.",
            hint="take the image part of the network, often named vision_model.onnx",
        )
    entry = inputs[0]
    shape = [side if isinstance(side, int) else None for side in entry.shape]
    last = len(shape) == 4 and shape[3] == 3 and shape[1] != 3
    sides = tuple(shape[1:3] if last else shape[2:4])
    channels = shape[3 if last else 1] if len(shape) == 4 else 0
    fits = channels in (3, None) and all(side in (size, None) for side in sides)
    if entry.type not in _FLOATS or not fits or shape[0] not in (1, None):
        raise ConfigurationError(
            f"{weights} takes {found}; an image encoder takes floats of shape batch × 3 × {size} "
            f"× {size} (or channels last), with a batch that is free or 1.",
            hint="check features.onnx.input_size, or export the network with a free batch",
        )
    return _PictureInput(entry.name, last, _FLOATS[entry.type], shape[0])


def _require_output(session: Any, weights: Path, name: str) -> None:
    known = [entry.name for entry in session.get_outputs()]
    if name not in known:
        raise ConfigurationError(
            f"{weights} has no output '{name}'; it has {', '.join(known)}.",
            hint="set features.onnx.output to one of them",
        )


def _unit_length(vectors: NDArray[np.float32]) -> NDArray[np.float32]:
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    return np.asarray(vectors / np.maximum(lengths, np.finfo(np.float32).tiny))
