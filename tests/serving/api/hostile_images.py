"""Pictures that are broken, huge, something else, or merely unusual."""

import base64
import struct
from collections.abc import Callable
from functools import partial
from typing import Any, Final

from PIL import Image

from rakuten.imaging import MAX_BYTES
from tests.serving.api.hostile import CANARY, Case, form, listing, part, photo, upload
from tests.serving.api.pictures import (
    bomb,
    chunk,
    clear_bomb,
    cut,
    damaged,
    moving,
    outgrown_gif,
    picture,
    png,
    saved,
    segment,
    sized_jpeg,
    small_png,
    text_bomb,
    turned,
    wide_bmp,
)

Make = Callable[[], bytes]
_OK: Final = {"image_status": "ok", "modalities": ["text", "image"]}


def _photos(found: dict[str, Make], status: int, reason: str | None = None) -> list[Case]:
    return _sent(photo, found, status, reason)


def _files(found: dict[str, Make], status: int, reason: str | None = None) -> list[Case]:
    return _sent(upload, found, status, reason)


def _sent(
    wrap: Callable[[bytes], bytes], found: dict[str, Make], status: int, reason: str | None
) -> list[Case]:
    holds = _OK if status == 200 else None
    return [
        Case(name, partial(_wrapped, wrap, make), status, reason, holds)
        for name, make in found.items()
    ]


def _wrapped(wrap: Callable[[bytes], bytes], make: Make) -> bytes:
    return wrap(make())


def _named(filename: str) -> bytes:
    return upload(picture(), filename=filename)


def _words(found: dict[str, Any], status: int, reason: str) -> list[Case]:
    return [
        Case(name, partial(listing, designation=CANARY, image=text), status, reason)
        for name, text in found.items()
    ]


_UNUSUAL: Final = {
    "GIF named .jpg": lambda: picture("GIF"),
    "BMP named .jpg": lambda: picture("BMP"),
    "animated GIF": lambda: moving("GIF"),
    "animated PNG": lambda: moving("PNG"),
    "animated WebP": lambda: moving("WEBP"),
    "CMYK JPEG": lambda: picture(mode="CMYK"),
    "grey PNG of 16 bits": lambda: picture("PNG", "I;16"),
    "colour PNG of 16 bits": lambda: png(2, 2, (b"\0" + bytes(range(12))) * 2, bits=16),
    "grey with transparency": lambda: picture("PNG", "LA"),
    "palette with transparency": lambda: picture("PNG", "P", transparency=b"\0\x80\xff" * 40),
    "progressive JPEG": lambda: picture(progressive=True),
    "EXIF orientation 2": lambda: turned(2),
    "EXIF orientation 6": lambda: turned(6),
    "EXIF orientation 99": lambda: turned(99),
    "EXIF without content": lambda: segment(0xE1, b"Exif\0\0"),
    "EXIF that points outside itself": lambda: segment(
        0xE1, b"Exif\0\0MM\0*" + struct.pack(">IHHHII", 8, 60_000, 0x0112, 3, 2**31, 2**31)
    ),
    "EXIF that is junk": lambda: segment(0xE1, b"Exif\0\0II*\0" + b"\xff" * 999),
    "colour profile that is junk": lambda: picture(icc_profile=b"\xff" * 4000),
    "comment with a script": lambda: segment(0xFE, b"<script>alert(1)</script>"),
    "JPEG with a ZIP behind it": lambda: picture() + b"PK\3\4" + bytes(500),
    "GIF that is a script too": lambda: picture("GIF") + b"/*<script>alert(1)</script>*/",
    "one pixel": lambda: saved(Image.new("RGB", (1, 1)), "PNG"),
    "line of 20,000 pixels": lambda: saved(Image.new("RGB", (1, 20_000)), "JPEG"),
    "PNG of 40 megapixels with transparency": clear_bomb,
    "zlib bomb in a text behind the pixels": lambda: small_png() + chunk(b"zTXt", b"x\0\0junk"),
}
_NOT_AN_IMAGE: Final = {
    "SVG with a script": lambda: b"<svg xmlns='http://www.w3.org/2000/svg' onload='alert(1)'/>",
    "TIFF named .jpg": lambda: picture("TIFF"),
    "HTML named .jpg": lambda: b"<!doctype html><script>alert(1)</script>",
    "PDF named .jpg": lambda: b"%PDF-1.7\n1 0 obj<</Type/Catalog>>endobj",
    "PostScript that reads a file": lambda: b"%!PS-Adobe-3.0 EPSF-3.0\n(/etc/passwd)(r)file",
    "ZIP named .jpg": lambda: b"PK\3\4" + bytes(500),
    "path of a file": lambda: b"/etc/passwd",
    "zeroes": lambda: bytes(10_000),
    "JPEG cut in its first bytes": lambda: picture()[:3],
    "JPEG with the magic number alone": lambda: b"\xff\xd8\xff\xe0" + bytes(5000),
    "JPEG of no height": lambda: sized_jpeg(100, 0),
}
_TRUNCATED: Final = {
    "JPEG without its last bytes": lambda: picture()[:-2],
    "JPEG cut at a tenth": lambda: cut(0.1),
    "JPEG cut in the middle": lambda: cut(0.5),
    "PNG cut in the middle": lambda: cut(0.5, "PNG"),
    "GIF cut in the middle": lambda: cut(0.5, "GIF"),
    "BMP cut in the middle": lambda: cut(0.5, "BMP"),
}
_CORRUPT: Final = {
    "WebP cut in the middle": lambda: cut(0.5, "WEBP"),
    "WebP with bytes overwritten": lambda: damaged("WEBP", 0.001),
    "PNG with bytes overwritten": lambda: damaged("PNG", 0.5),
    "PNG without pixels": lambda: png(100, 100, b""),
    "PNG with pixels that are junk": lambda: small_png(chunk(b"IDAT", b"junk" * 99)),
    "zlib bomb in a text": lambda: text_bomb(b"zTXt"),
    "zlib bomb in a Unicode text": lambda: text_bomb(b"iTXt"),
    "zlib bomb in a colour profile": lambda: text_bomb(b"iCCP"),
    "JPEG cut in its tables": lambda: picture()[:200],
}
_TOO_LARGE: Final = {
    "PNG of 100 megapixels": lambda: bomb(10_000, 10_000),
    "JPEG that claims 4 gigapixels": lambda: sized_jpeg(65_535, 65_535),
    "PNG that claims 2**62 pixels": lambda: png(2**31 - 1, 2**31 - 1, b"junk"),
    "BMP that claims 2**31 pixels a line": wide_bmp,
    "GIF frame that outgrows its screen": outgrown_gif,
    "line of 70,000 pixels": lambda: bomb(70_000, 1),
}
_NO_BASE64: Final = {
    "base64 that is none": "not base64 at all!",
    "data URL": f"data:image/png;base64,{base64.b64encode(small_png()).decode()}",
    "path instead of a picture": "/etc/passwd",
    "path that climbs": "../../../../etc/passwd",
    "URL instead of a picture": "http://127.0.0.1:22/photo.jpg",
    "file URL instead of a picture": "file:///etc/passwd",
    "base64 in lines": base64.encodebytes(small_png()).decode(),
    "base64 without its end": base64.b64encode(small_png()).decode()[:-3],
    "base64 with emoji": "😀" * 100,
}
IMAGES: Final = [
    *_photos(_UNUSUAL, 200),
    *_files(_NOT_AN_IMAGE, 422, "image_not_an_image"),
    *_photos(_TRUNCATED, 422, "image_truncated"),
    *_photos(_CORRUPT, 422, "image_corrupt"),
    *_photos(_TOO_LARGE, 422, "image_too_large"),
    *_words(_NO_BASE64, 422, "image_base64"),
    *_words({"picture that is a list": [1, 2], "picture that is a number": 7}, 422, "invalid"),
    *_words({"picture without characters": ""}, 422, "image_empty"),
    Case("file of no bytes", lambda: upload(b""), 422, "image_empty"),
    Case("file over 20 MiB", lambda: upload(bytes(MAX_BYTES + 1)), 413, "image_too_large"),
    Case("base64 over 20 MiB", lambda: photo(bytes(MAX_BYTES + 5)), 413, "image_too_large"),
    Case(
        "broken picture that may be ignored",
        lambda: photo(cut(0.5), "?on_image_error=ignore"),
        200,
        None,
        {"image_status": "unreadable", "modalities": ["text"]},
    ),
    Case(
        "two pictures",
        lambda: form(*[part("image", picture(), filename=f"{CANARY}.jpg")] * 2),
        422,
        "form",
    ),
    Case(
        "picture under another name", lambda: form(part("photo", b"x", filename="x")), 422, "form"
    ),
    Case("picture that is a text field", lambda: form(part("image", b"photo.jpg")), 422, "form"),
    *(
        Case(f"file name {what}", partial(_named, name), 200, None, _OK)
        for what, name in {
            "that climbs": f"../../{CANARY}/passwd",
            "with markup": f"<img src=x onerror=alert({CANARY})>",
            "with NUL": f"{CANARY}\0.jpg",
        }.items()
    ),
    Case(
        "file name of 100,000 characters",
        lambda: upload(picture(), filename=CANARY * 8_000),
        422,
        "form",
    ),
    Case("picture that says it is HTML", lambda: upload(picture(), kind="text/html"), 200),
]
