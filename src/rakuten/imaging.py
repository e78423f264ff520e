"""The one image decoder: bytes from anybody in, a small RGB array or a typed error out."""

import hashlib
import io
import struct
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from importlib.metadata import version
from pathlib import Path
from typing import Final, TypeVar

import numpy as np
import PIL
from numpy.typing import NDArray
from PIL import Image, UnidentifiedImageError

from rakuten.errors import ImageError

Item = TypeVar("Item")
Result = TypeVar("Result")

FORMATS: Final = ("JPEG", "PNG", "WEBP", "GIF", "BMP")
"""Accepted formats, by content; the file's name does not matter."""

MAX_PIXELS: Final = 40_000_000
"""Pixel cap, checked on the header before anything is decoded."""

MAX_SIDE: Final = 65_535
"""Cap of width and height, as JPEG has it: scaling a line of 40 megapixels takes gigabytes."""

MAX_BYTES: Final = 20 * 1024 * 1024
"""Byte cap of one picture."""

DECODER: Final = f"pillow-{PIL.__version__}+opencv-{version('opencv-python-headless')}"
"""Decoders and versions: pixels differ between decoders, so vectors name theirs."""

_REDUCTIONS: Final = (8, 4, 2)
_NEARLY: Final = 0.95
"""A reduced JPEG may be this much smaller than asked for: a 500-pixel photo gives 63 for 64."""
_STRIP: Final = 2**20
"""Pixels that are laid on white at a time."""

_ORIENTATION: Final = 0x0112
_TURNS: Final = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
"""EXIF orientation → what sets the picture upright."""


def read_image(path: Path) -> bytes:
    """Bytes of an image file.

    Raises:
        ImageError: ``missing``, ``not_a_file``, ``too_large`` or ``unreadable`` (permissions).
    """
    try:
        if not path.is_file():
            reason = "not_a_file" if path.exists() else "missing"
            raise ImageError(reason, f"{path.name}: no such image file.")
        if path.stat().st_size > MAX_BYTES:
            raise ImageError("too_large", f"{path.name}: over {MAX_BYTES} bytes.")
        return path.read_bytes()
    except OSError as error:
        raise ImageError("unreadable", f"{path.name}: {error.strerror}.") from error


def decode_image(
    data: bytes, size: int, resample: Image.Resampling = Image.Resampling.BILINEAR
) -> NDArray[np.uint8]:
    """Decode a picture straight to ``size`` × ``size`` RGB.

    JPEGs are decoded at a half, a quarter or an eighth of their size where that is enough,
    so a large photo costs little; EXIF rotation is applied, transparency laid on white.

    Returns:
        uint8 array of shape (size, size, 3).

    Raises:
        ImageError: ``empty``, ``not_an_image``, ``too_large``, ``truncated`` or ``corrupt``.
    """
    if not data:
        raise ImageError("empty", "The image has no bytes.")
    if len(data) > MAX_BYTES:
        raise ImageError("too_large", f"The image is over {MAX_BYTES} bytes.")
    try:
        return _decode(data, size, resample)
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise ImageError("too_large", f"The image is over {MAX_PIXELS} pixels.") from error
    except UnidentifiedImageError as error:
        raise ImageError("not_an_image", f"The bytes are none of {', '.join(FORMATS)}.") from error
    except OSError as error:
        reason = "truncated" if "truncated" in str(error) else "corrupt"
        raise ImageError(reason, f"The image does not decode: {error}.") from error
    except (
        SyntaxError,
        ValueError,
        EOFError,
        struct.error,
        IndexError,
        KeyError,
        TypeError,
    ) as error:
        # Pillow's format plugins raise these on damaged headers.
        raise ImageError("corrupt", f"The image does not decode: {error}.") from error


def content_hash(data: bytes) -> str:
    """SHA-256 of the bytes, hexadecimal."""
    return hashlib.sha256(data).hexdigest()


def map_chunks(
    work: Callable[[Sequence[Item]], Result],
    items: Sequence[Item],
    *,
    threads: int,
    chunk: int = 64,
) -> Iterator[Result]:
    """Apply ``work`` to consecutive chunks of ``items`` in threads; yield results in order.

    Decoding releases the interpreter lock, so threads suffice. At most ``2 * threads``
    chunks are under way, so memory does not grow with the number of items.
    """
    if 0 < len(items) <= chunk:  # starting a thread takes longer than describing a photo
        yield work(items)
        return
    with ThreadPoolExecutor(max_workers=threads) as pool:
        waiting: deque[Future[Result]] = deque()
        for start in range(0, len(items), chunk):
            waiting.append(pool.submit(work, items[start : start + chunk]))
            if len(waiting) >= 2 * threads:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()


def _decode(data: bytes, size: int, resample: Image.Resampling) -> NDArray[np.uint8]:
    with Image.open(io.BytesIO(data), formats=FORMATS) as image:
        width, height = image.size
        if width * height > MAX_PIXELS or max(width, height) > MAX_SIDE:
            raise ImageError(
                "too_large",
                f"The image is {width}×{height}, over {MAX_PIXELS} pixels or {MAX_SIDE} a side.",
            )
        reduction = _choose_reduction(image, size)
        turn = _TURNS.get(image.getexif().get(_ORIENTATION, 1))
        reduced = _decode_reduced(data, image.size, reduction, size) if reduction else None
        if reduced is not None:
            return reduced if turn is None else np.asarray(Image.fromarray(reduced).transpose(turn))
        image.load()
        rgb = _to_rgb(image if turn is None else image.transpose(turn))
        return np.asarray(rgb.resize((size, size), resample))


def _choose_reduction(image: Image.Image, size: int) -> int | None:
    """The largest reduction of a JPEG that leaves about ``size`` pixels; None: decode it whole."""
    if image.format != "JPEG" or image.mode not in ("RGB", "L"):
        return None
    fits = (n for n in _REDUCTIONS if min(image.size) >= _NEARLY * size * n)
    return next(fits, None)


def _decode_reduced(
    data: bytes, full: tuple[int, int], reduction: int, size: int
) -> NDArray[np.uint8] | None:
    """The same pixels as Pillow's ``draft`` in two thirds of its time; None if it cannot.

    What OpenCV refuses is left to Pillow, which can say why.
    """
    import cv2

    flags = {8: cv2.IMREAD_REDUCED_COLOR_8, 4: cv2.IMREAD_REDUCED_COLOR_4}.get(
        reduction, cv2.IMREAD_REDUCED_COLOR_2
    )
    try:
        found = cv2.imdecode(np.frombuffer(data, np.uint8), flags | cv2.IMREAD_IGNORE_ORIENTATION)
    except cv2.error:
        return None
    if found is None or found.shape[:2] != tuple(-(-side // reduction) for side in full[::-1]):
        return None
    shrinks = min(found.shape[:2]) >= size
    method = cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR
    rgb = cv2.cvtColor(found, cv2.COLOR_BGR2RGB)
    return np.asarray(cv2.resize(rgb, (size, size), interpolation=method), dtype=np.uint8)


def _to_rgb(image: Image.Image) -> Image.Image:
    if image.mode.startswith("I"):
        # convert("RGB") would clip 16-bit greys to white.
        return Image.fromarray((np.asarray(image) >> 8).astype(np.uint8)).convert("RGB")
    if image.mode in ("RGBA", "LA", "PA") or "transparency" in image.info:
        return _lay_on_white(image)
    return image.convert("RGB")


def _lay_on_white(image: Image.Image) -> Image.Image:
    """The same pixels as laying it on white at once, without three more copies of it all."""
    rgb = Image.new("RGB", image.size)
    rows = max(1, _STRIP // image.width)
    for top in range(0, image.height, rows):
        strip = image.crop((0, top, image.width, min(top + rows, image.height))).convert("RGBA")
        white = Image.new("RGBA", strip.size, (255, 255, 255, 255))
        rgb.paste(Image.alpha_composite(white, strip).convert("RGB"), (0, top))
    return rgb
