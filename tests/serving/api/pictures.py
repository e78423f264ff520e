"""Makers of pictures, good and bad, byte by byte where no library would write them."""

import io
import struct
import zlib
from functools import cache
from typing import Any, Final

import numpy as np
from PIL import Image

_SIDE: Final = 160


@cache
def picture(kind: str = "JPEG", mode: str = "RGB", **options: Any) -> bytes:
    """A coloured noise of 160 × 160 pixels in some format."""
    pixels = np.random.default_rng(5).integers(0, 255, (_SIDE, _SIDE, 3), dtype=np.uint8)
    return saved(Image.fromarray(pixels).convert(mode), kind, **options)


def saved(image: Image.Image, kind: str, **options: Any) -> bytes:
    """A picture's file."""
    target = io.BytesIO()
    image.save(target, kind, **options)
    return target.getvalue()


def cut(share: float, kind: str = "JPEG") -> bytes:
    """The first part of a file."""
    data = picture(kind)
    return data[: int(len(data) * share)]


def chunk(name: bytes, data: bytes) -> bytes:
    """A chunk of a PNG."""
    check = struct.pack(">I", zlib.crc32(name + data))
    return struct.pack(">I", len(data)) + name + data + check


def png(
    width: int,
    height: int,
    rows: bytes,
    *extra: bytes,
    bits: int = 8,
    colours: int = 2,
) -> bytes:
    """A PNG by hand; ``extra`` chunks come before the pixels."""
    header = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, bits, colours, 0, 0, 0))
    pixels = chunk(b"IDAT", zlib.compress(rows, 9)) if rows else b""
    return b"\x89PNG\r\n\x1a\n" + header + b"".join(extra) + pixels + chunk(b"IEND", b"")


def small_png(*extra: bytes) -> bytes:
    """A PNG of 2 × 2 red pixels with further chunks."""
    return png(2, 2, (b"\0" + b"\xff\0\0" * 2) * 2, *extra)


def bomb(width: int, height: int) -> bytes:
    """A black PNG of one bit a pixel: thousands of pixels a byte."""
    return png(width, height, bytes((width // 8 + 2) * height), bits=1, colours=0)


def clear_bomb() -> bytes:
    """Just under the pixel cap, with transparency: what costs most to decode."""
    side = 6320
    return png(side, side, bytes((side * 4 + 1) * side), colours=6)


def text_bomb(kind: bytes) -> bytes:
    """100 MB in a compressed text or profile of a small PNG."""
    squeezed = zlib.compress(bytes(100_000_000), 9)
    middle = b"\0\1\0\0\0" if kind == b"iTXt" else b"\0\0"
    return small_png(chunk(kind, b"x" + middle + squeezed))


def segment(marker: int, data: bytes) -> bytes:
    """A JPEG with a further segment at its beginning."""
    whole = picture()
    return whole[:2] + struct.pack(">BBH", 0xFF, marker, len(data) + 2) + data + whole[2:]


def sized_jpeg(width: int, height: int) -> bytes:
    """A JPEG whose header claims another size."""
    data = bytearray(picture())
    place = data.index(b"\xff\xc0") + 5
    data[place : place + 4] = struct.pack(">HH", height, width)
    return bytes(data)


def turned(orientation: int) -> bytes:
    """A JPEG whose EXIF says how it was held."""
    exif = Image.Exif()
    exif[0x0112] = orientation
    return picture(exif=exif.tobytes())


def moving(kind: str) -> bytes:
    """Three frames."""
    frames = [Image.new("RGB", (40, 40), colour) for colour in ("red", "green", "blue")]
    return saved(frames[0], kind, save_all=True, append_images=frames[1:])


def outgrown_gif() -> bytes:
    """A GIF whose first frame claims to be far larger than its screen."""
    data = bytearray(picture("GIF"))
    place = data.index(b"\x2c", 13 + 3 * 256) + 5
    data[place : place + 4] = struct.pack("<HH", 65_535, 65_535)
    return bytes(data)


def wide_bmp() -> bytes:
    """A BMP whose header claims two milliard pixels a line."""
    data = bytearray(picture("BMP"))
    data[18:22] = struct.pack("<i", 2**31 - 1)
    return bytes(data)


def damaged(kind: str, place: float, patch: bytes = b"\xff" * 64) -> bytes:
    """A file with some bytes overwritten."""
    data = bytearray(picture(kind))
    start = int(len(data) * place)
    data[start : start + len(patch)] = patch
    return bytes(data)
