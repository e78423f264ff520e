"""Whatever the bytes, the decoder gives a small RGB array or a typed error, never anything else."""

import io
import random
import struct
import threading
import time
import warnings
import zlib
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from rakuten import imaging
from rakuten.errors import ImageError
from rakuten.imaging import (
    MAX_BYTES,
    content_hash,
    decode_image,
    map_chunks,
    read_image,
)

SIZE = 64
REASONS = {"empty", "not_an_image", "too_large", "truncated", "corrupt"}


def scene(width: int = 320, height: int = 240) -> Image.Image:
    """A smooth picture with a different colour in each corner."""
    x, y = np.meshgrid(np.linspace(0, 1, width), np.linspace(0, 1, height))
    channels = np.stack([255 * x, 255 * y, 255 * (1 - x) * (1 - y)], axis=-1)
    return Image.fromarray(channels.astype(np.uint8))


def encoded(image: Image.Image, form: str, **options: Any) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, form, **options)
    return buffer.getvalue()


def pixels_of(image: Image.Image) -> NDArray[np.float64]:
    small = image.resize((SIZE, SIZE), Image.Resampling.BILINEAR)
    return np.asarray(small, dtype=np.float64)


def difference(found: NDArray[np.uint8], expected: NDArray[np.float64]) -> float:
    return float(np.abs(found.astype(np.float64) - expected).mean())


def reason_of(data: bytes) -> str:
    with pytest.raises(ImageError) as caught:
        decode_image(data, SIZE)
    assert caught.value.message
    return caught.value.reason


def outcome_of(data: bytes) -> str:
    """The reason of the error, or "array"; any other exception fails the test."""
    try:
        pixels = decode_image(data, SIZE)
    except ImageError as error:
        return error.reason
    assert pixels.shape == (SIZE, SIZE, 3)
    assert pixels.dtype == np.uint8
    return "array"


def png_of_size(width: int, height: int) -> bytes:
    """A PNG whose header claims a size, with next to no pixel data behind it."""

    def chunk(kind: bytes, body: bytes) -> bytes:
        return (
            struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))
        )

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    parts = chunk(b"IHDR", header), chunk(b"IDAT", zlib.compress(b"\0" * 100)), chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + b"".join(parts)


def jpeg_of_size(width: int, height: int) -> bytes:
    """A small JPEG whose frame header is overwritten with another size."""
    data = bytearray(encoded(scene(16, 16), "JPEG"))
    frame = data.index(b"\xff\xc0")
    data[frame + 5 : frame + 9] = struct.pack(">HH", height, width)
    return bytes(data)


@pytest.mark.parametrize("form", ["JPEG", "PNG", "WEBP", "GIF", "BMP", "MPO"])
def test_accepted_formats_give_their_pixels(form: str) -> None:
    pixels = decode_image(encoded(scene(), form), SIZE)
    assert pixels.shape == (SIZE, SIZE, 3)
    assert pixels.dtype == np.uint8
    assert difference(pixels, pixels_of(scene())) < 6


@pytest.mark.parametrize("form", ["TIFF", "ICO", "PPM", "TGA"])
def test_other_formats_are_refused(form: str) -> None:
    assert reason_of(encoded(scene(64, 64), form)) == "not_an_image"


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(b"just some text, no picture", id="text"),
        pytest.param(b"<!DOCTYPE html><html><p>404</p></html>", id="web-page"),
        pytest.param(b"\0" * 500, id="zeros"),
        pytest.param(b"%PDF-1.7\n", id="pdf"),
        pytest.param(b"<svg xmlns='http://www.w3.org/2000/svg'/>", id="svg"),
        pytest.param(b"\x00", id="one-byte"),
    ],
)
def test_bytes_that_are_no_picture_are_called_that(data: bytes) -> None:
    assert reason_of(data) == "not_an_image"


def test_no_bytes_are_called_empty() -> None:
    assert reason_of(b"") == "empty"


@pytest.mark.parametrize("data", [b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n", b"GIF89a", b"BM"])
def test_the_bare_start_of_a_picture_is_refused(data: bytes) -> None:
    assert reason_of(data) in REASONS


@pytest.mark.parametrize("form", ["JPEG", "PNG", "WEBP", "BMP"])
def test_a_picture_cut_in_half_is_an_error_and_never_half_a_picture(form: str) -> None:
    data = encoded(scene(), form)
    assert reason_of(data[: len(data) // 2]) in {"truncated", "corrupt"}


def test_a_truncated_jpeg_says_so() -> None:
    data = encoded(scene(), "JPEG")
    assert reason_of(data[: len(data) // 2]) == "truncated"


@pytest.mark.parametrize("make", [png_of_size, jpeg_of_size])
def test_a_huge_header_is_refused_before_anything_is_decoded(
    make: Callable[[int, int], bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    def load(*_: Any) -> None:
        raise AssertionError("the picture was decoded")

    monkeypatch.setattr("PIL.ImageFile.ImageFile.load", load)
    assert reason_of(make(20_000, 20_000)) == "too_large"
    assert reason_of(make(8_000, 5_001)) == "too_large"


def test_a_picture_just_under_the_pixel_cap_is_decoded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(imaging, "MAX_PIXELS", 320 * 240)
    assert decode_image(encoded(scene(), "PNG"), SIZE).shape == (SIZE, SIZE, 3)
    assert reason_of(encoded(scene(321, 240), "PNG")) == "too_large"


def test_a_line_too_long_to_be_scaled_is_refused() -> None:
    for size in ((65_536, 1), (1, 65_536)):
        assert reason_of(encoded(Image.new("L", size), "PNG")) == "too_large"
    assert decode_image(encoded(Image.new("L", (65_535, 1)), "PNG"), SIZE).shape[0] == SIZE


def test_bytes_over_the_cap_are_refused() -> None:
    assert reason_of(b"\xff" * (MAX_BYTES + 1)) == "too_large"


@pytest.mark.parametrize(
    ("orientation", "undo"),
    [
        (1, None),
        (2, Image.Transpose.FLIP_LEFT_RIGHT),
        (3, Image.Transpose.ROTATE_180),
        (6, Image.Transpose.ROTATE_90),
        (8, Image.Transpose.ROTATE_270),
    ],
)
def test_exif_rotation_is_applied(orientation: int, undo: Image.Transpose | None) -> None:
    upright = scene()
    stored = upright if undo is None else upright.transpose(undo)
    exif = Image.Exif()
    exif[0x0112] = orientation
    pixels = decode_image(encoded(stored, "JPEG", exif=exif, quality=95), SIZE)
    assert difference(pixels, pixels_of(upright)) < 4


def test_impossible_exif_orientation_is_ignored() -> None:
    exif = Image.Exif()
    exif[0x0112] = 99
    pixels = decode_image(encoded(scene(), "JPEG", exif=exif), SIZE)
    assert difference(pixels, pixels_of(scene())) < 4


def test_exif_with_a_field_of_the_wrong_type_does_not_escape_as_another_error() -> None:
    # Orientation 6 beside a document name that claims to be a fraction.
    entries = struct.pack(">HHIHH", 0x0112, 3, 1, 6, 0) + struct.pack(">HHII", 0x010D, 5, 1, 38)
    directory = struct.pack(">H", 2) + entries + struct.pack(">I", 0)
    exif = b"Exif\0\0MM\0*" + struct.pack(">I", 8) + directory + struct.pack(">II", 3, 2)
    data = encoded(scene(), "JPEG", exif=exif)
    assert outcome_of(data) in {"array", "corrupt"}


def test_transparent_pixels_become_white() -> None:
    clear = Image.new("RGBA", (40, 40), (200, 0, 0, 0))
    assert (decode_image(encoded(clear, "PNG"), SIZE) == 255).all()
    half = Image.new("RGBA", (40, 40), (0, 0, 0, 128))
    assert abs(int(decode_image(encoded(half, "PNG"), SIZE)[0, 0, 0]) - 127) <= 1
    grey = Image.new("LA", (40, 40), (0, 0))
    assert (decode_image(encoded(grey, "PNG"), SIZE) == 255).all()


@pytest.mark.parametrize("mode", ["RGBA", "LA"])
def test_transparency_is_the_same_in_strips(mode: str, monkeypatch: pytest.MonkeyPatch) -> None:
    pixels = np.random.default_rng(3).integers(0, 256, (61, 47, len(mode)), dtype=np.uint8)
    data = encoded(Image.fromarray(pixels, mode), "PNG")
    at_once = decode_image(data, SIZE)
    for pixels_at_a_time in (1, 47 * 7, 1000):
        monkeypatch.setattr(imaging, "_STRIP", pixels_at_a_time)
        assert (decode_image(data, SIZE) == at_once).all()


def test_the_transparent_colour_of_a_palette_becomes_white() -> None:
    palette = Image.new("P", (40, 40), 0)
    palette.putpalette([255, 0, 0, 0, 0, 255])
    assert (decode_image(encoded(palette, "PNG", transparency=0), SIZE) == 255).all()
    assert decode_image(encoded(palette, "PNG"), SIZE)[0, 0].tolist() == [255, 0, 0]
    assert (decode_image(encoded(palette, "GIF", transparency=0), SIZE) == 255).all()


def test_the_transparent_colour_of_an_rgb_png_becomes_white() -> None:
    red = Image.new("RGB", (40, 40), (255, 0, 0))
    assert (decode_image(encoded(red, "PNG", transparency=(255, 0, 0)), SIZE) == 255).all()


def test_sixteen_bit_grey_keeps_its_shades() -> None:
    ramp = np.tile(np.linspace(0, 65535, 256).astype(np.uint16), (64, 1))
    pixels = decode_image(encoded(Image.fromarray(ramp), "PNG"), SIZE)
    assert pixels[0, 0, 0] < 10
    assert pixels[0, -1, 0] > 245
    assert abs(int(pixels[0, SIZE // 2, 0]) - 128) < 6


def test_a_dark_sixteen_bit_grey_picture_stays_dark() -> None:
    shade = np.full((64, 64), 20 * 257, dtype=np.uint16)
    pixels = decode_image(encoded(Image.fromarray(shade), "PNG"), SIZE)
    assert abs(int(pixels[0, 0, 0]) - 20) <= 1


def test_cmyk_jpeg_keeps_its_colours() -> None:
    cmyk = Image.new("CMYK", (80, 80), (0, 255, 255, 0))
    red, green, blue = decode_image(encoded(cmyk, "JPEG"), SIZE)[30, 30].tolist()
    assert red > 200
    assert green < 60
    assert blue < 60


@pytest.mark.parametrize("mode", ["1", "L", "P"])
def test_grey_and_palette_pictures_become_rgb(mode: str) -> None:
    pixels = decode_image(encoded(scene().convert(mode), "PNG"), SIZE)
    expected = scene().convert(mode).convert("RGB")
    assert difference(pixels, pixels_of(expected)) < 4


def test_an_animation_is_its_first_frame() -> None:
    red, blue = (Image.new("RGB", (40, 40), colour) for colour in ("red", "blue"))
    data = encoded(red, "GIF", save_all=True, append_images=[blue], duration=100)
    assert decode_image(data, SIZE)[0, 0].tolist() == [255, 0, 0]


def test_a_one_pixel_picture_is_accepted() -> None:
    assert decode_image(encoded(Image.new("RGB", (1, 1), "lime"), "PNG"), SIZE).shape == (64, 64, 3)


def test_draft_decoding_of_a_large_jpeg_gives_nearly_the_full_pixels() -> None:
    large = scene(2000, 1600)
    data = encoded(large, "JPEG", quality=92)
    full = np.asarray(Image.open(io.BytesIO(data)).convert("RGB").reduce(20), dtype=np.uint8)
    expected = pixels_of(Image.fromarray(full))
    found = decode_image(data, SIZE)
    assert difference(found, expected) < 3
    assert np.abs(found.astype(float) - expected).max() < 16


@pytest.mark.parametrize(
    ("width", "height", "reduced"),
    [(500, 500, 63), (500, 640, 63), (400, 300, 75), (250, 250, 63), (200, 200, 100)],
)
def test_a_large_jpeg_is_never_decoded_whole(
    width: int, height: int, reduced: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    def load(*_: Any) -> None:
        raise AssertionError("the picture was decoded whole")

    sides = []
    decode = cv2.imdecode

    def watch(data: NDArray[np.uint8], flags: int) -> NDArray[np.uint8]:
        found = np.asarray(decode(data, flags), dtype=np.uint8)
        sides.append(min(found.shape[:2]))
        return found

    monkeypatch.setattr("PIL.ImageFile.ImageFile.load", load)
    monkeypatch.setattr(cv2, "imdecode", watch)
    pixels = decode_image(encoded(scene(width, height), "JPEG", quality=95), SIZE)
    assert pixels.shape == (SIZE, SIZE, 3)
    assert sides == [reduced]


@pytest.mark.parametrize("options", [{}, {"progressive": True}, {"subsampling": 0}])
@pytest.mark.parametrize("mode", ["RGB", "L"])
def test_reduced_pixels_are_those_of_pillow_at_the_same_scale(
    mode: str, options: dict[str, Any]
) -> None:
    data = encoded(scene(512, 512).convert(mode), "JPEG", **options)
    with Image.open(io.BytesIO(data)) as image:
        image.draft("RGB", (SIZE, SIZE))
        expected = np.asarray(image.convert("RGB"), dtype=np.float64)
    assert expected.shape == (SIZE, SIZE, 3)
    assert difference(decode_image(data, SIZE), expected) < 0.5


def test_a_jpeg_less_than_twice_the_size_asked_for_is_decoded_by_pillow(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delattr(cv2, "imdecode")
    assert outcome_of(encoded(scene(120, 120), "JPEG")) == "array"


@pytest.mark.parametrize("orientation", [3, 6, 8])
def test_a_reduced_jpeg_is_turned_once(orientation: int) -> None:
    stored = scene(600, 480)
    exif = Image.Exif()
    exif[0x0112] = orientation
    turned = stored.transpose(
        {3: Image.Transpose.ROTATE_180, 6: Image.Transpose.ROTATE_270}.get(
            orientation, Image.Transpose.ROTATE_90
        )
    )
    pixels = decode_image(encoded(stored, "JPEG", exif=exif, quality=95), SIZE)
    assert difference(pixels, pixels_of(turned)) < 4


@pytest.mark.parametrize("share", [0.02, 0.3, 0.9, 0.999])
def test_a_large_jpeg_cut_anywhere_is_an_error(share: float) -> None:
    data = encoded(scene(800, 800), "JPEG")
    assert reason_of(data[: int(len(data) * share)]) in {"truncated", "corrupt", "not_an_image"}


def test_large_cmyk_keeps_its_colours_and_a_picture_in_pictures_its_first() -> None:
    red = encoded(Image.new("CMYK", (800, 800), (0, 255, 255, 0)), "JPEG")
    assert decode_image(red, SIZE)[30, 30].tolist()[0] > 200
    assert difference(decode_image(encoded(scene(800, 800), "MPO"), SIZE), pixels_of(scene())) < 4


def test_decoding_is_the_same_every_time() -> None:
    data = encoded(scene(), "JPEG")
    assert np.array_equal(decode_image(data, SIZE), decode_image(data, SIZE))


def damaged(data: bytes, draw: random.Random) -> bytes:
    result = bytearray(data)
    if draw.random() < 0.3:
        return bytes(result[: draw.randrange(len(result))])
    for _ in range(draw.choice([1, 3, 10, 40])):
        reach = min(draw.choice([30, 150, len(result)]), len(result))
        result[draw.randrange(reach)] = draw.randrange(256)
    return bytes(result)


@pytest.mark.parametrize("form", ["JPEG", "PNG", "GIF", "WEBP", "BMP"])
def test_damaged_bytes_give_an_array_or_an_image_error(form: str) -> None:
    draw = random.Random(f"damage {form}")
    exif = {"exif": Image.Exif()} if form in {"JPEG", "PNG", "WEBP"} else {}
    data = encoded(scene(90, 70), form, **exif)
    outcomes = {outcome_of(damaged(data, draw)) for _ in range(200)}
    assert outcomes <= REASONS | {"array"}
    assert len(outcomes) > 1, "the damage never changed the outcome"


def test_decoding_in_threads_leaves_the_warning_filters_alone(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # Two decodings that overlap and end in the order in which they began.
    before = list(warnings.filters)
    inside = {name: threading.Event() for name in ("first", "second")}
    leave = {name: threading.Event() for name in ("first", "second")}

    def wait(data: bytes, size: int, _: Image.Resampling) -> NDArray[np.uint8]:
        name = data.decode()
        inside[name].set()
        leave[name].wait(5)
        return np.zeros((size, size, 3), dtype=np.uint8)

    monkeypatch.setattr(imaging, "_decode", wait)
    threads = {
        name: threading.Thread(target=decode_image, args=(name.encode(), 4)) for name in inside
    }
    try:
        for name in ("first", "second"):
            threads[name].start()
            assert inside[name].wait(5)
        for name in ("first", "second"):
            leave[name].set()
            threads[name].join(5)
        assert list(warnings.filters) == before
    finally:
        warnings.filters[:] = before  # type: ignore[index]


def test_reading_names_what_is_wrong_with_the_file(tmp_path: Path) -> None:
    def reason(path: Path) -> str:
        with pytest.raises(ImageError) as caught:
            read_image(path)
        return caught.value.reason

    large = tmp_path / "large.jpg"
    with large.open("wb") as handle:
        handle.truncate(MAX_BYTES + 1)
    dangling = tmp_path / "dangling.jpg"
    dangling.symlink_to(tmp_path / "nowhere.jpg")
    assert reason(tmp_path / "absent.jpg") == "missing"
    assert reason(dangling) == "missing"
    assert reason(tmp_path) == "not_a_file"
    assert reason(large) == "too_large"
    assert reason(tmp_path / f"{'9' * 300}.jpg") == "unreadable"


def test_reading_gives_the_bytes_of_the_file(tmp_path: Path) -> None:
    path = tmp_path / "photo.jpg"
    data = encoded(scene(), "PNG")
    path.write_bytes(data)
    assert read_image(path) == data
    assert decode_image(read_image(path), SIZE).shape == (SIZE, SIZE, 3)


def test_an_unreadable_file_is_an_image_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "photo.jpg"
    path.write_bytes(b"x")

    def refuse(_: Path) -> bytes:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "read_bytes", refuse)
    with pytest.raises(ImageError, match="Permission denied") as caught:
        read_image(path)
    assert caught.value.reason == "unreadable"


def test_content_hash_tells_contents_apart() -> None:
    assert content_hash(b"a") == content_hash(b"a") != content_hash(b"b")
    assert len(content_hash(b"")) == 64


def test_chunks_come_back_in_order_whatever_finishes_first() -> None:
    def slow_first(chunk: Sequence[int]) -> list[int]:
        time.sleep(0.03 if chunk[0] == 0 else 0.001)
        return list(chunk)

    parts = list(map_chunks(slow_first, range(101), threads=4, chunk=10))
    assert [len(part) for part in parts] == [10] * 10 + [1]
    assert [number for part in parts for number in part] == list(range(101))


def test_no_items_give_no_chunks() -> None:
    assert list(map_chunks(len, [], threads=2)) == []


def test_no_more_than_twice_the_threads_are_under_way() -> None:
    lock = threading.Lock()
    started = 0

    def count(chunk: Sequence[int]) -> int:
        nonlocal started
        with lock:
            started += 1
        return len(chunk)

    for taken, _ in enumerate(map_chunks(count, range(100), threads=2, chunk=1), start=1):
        time.sleep(0.002)
        assert started <= taken + 4
    assert started == 100


def test_an_error_in_a_chunk_reaches_the_caller() -> None:
    def fail(chunk: Sequence[int]) -> int:
        if 7 in chunk:
            raise ImageError("corrupt", "seven")
        return len(chunk)

    with pytest.raises(ImageError, match="seven"):
        list(map_chunks(fail, range(20), threads=2, chunk=2))
