"""Drifted traffic made from real products, at strengths that no detector was tuned on.

Four things that happen to a shop: a range of products in words that training never saw, photos
that stop arriving, another mix of product types, and another way of taking photos.
"""

import io
import re
from collections.abc import Container, Sequence
from dataclasses import dataclass, replace
from hashlib import sha256
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageEnhance, ImageOps

from rakuten.errors import ConfigurationError
from rakuten.features.encoder import Picture
from rakuten.imaging import FORMATS
from rakuten.models.predictor import Product


@dataclass(frozen=True)
class PhotoStyle:
    """How photos are taken: factors of brightness and contrast, a white border, a quality.

    ``border`` is its width as a share of the shorter side, ``quality`` that of the JPEG (1–95).
    """

    brightness: float
    contrast: float
    border: float
    quality: int


NEW_VOCABULARY: Final = (0.1, 0.2, 0.4)
"""Share of listings whose words are unknown: weak, middle, strong."""

MISSING_PHOTOS: Final = (0.1, 0.2, 0.4)
"""Share of all products that lose their photo: weak, middle, strong."""

CLASS_MIX: Final = (0.1, 0.2, 0.4)
"""Total variation between the old and the new mix of true types: weak, middle, strong."""

PHOTO_STYLES: Final = (
    PhotoStyle(brightness=0.95, contrast=0.95, border=0.0, quality=75),
    PhotoStyle(brightness=0.88, contrast=0.85, border=0.04, quality=50),
    PhotoStyle(brightness=0.75, contrast=0.7, border=0.08, quality=25),
)
"""What happens to every photo: weak, middle, strong."""

_WORD: Final = re.compile(r"&#?\w+;|<[^>]*>|([^\W\d_]{3,})")
"""A word of three letters or more, in its group; tags and entities are stepped over."""

_ONSETS: Final = "b br d dr f g gl k kr l m n p pl qu r s t tr v vr w x z zh".split()
_NUCLEI: Final = "a e i o u y ae io ou".split()


def new_vocabulary(
    products: Sequence[Product], share: float, *, known: Container[str] = frozenset(), seed: int
) -> list[Product]:
    """Write a share of the listings, title and description, in invented words.

    The same word always becomes the same invented one of about its length, as a new range has
    words of its own; digits, capitals and markup stay.

    Args:
        products: real products.
        share: of the products, 0 to 1.
        known: lower-case words that must not be invented, such as those of the training rows.
        seed: chooses the products and the words.
    """
    chosen = _choose(len(products), len(products), share, seed)
    changed = list(products)
    for row in chosen:
        product = products[row]
        changed[row] = replace(
            product,
            designation=_reword(product.designation, known, seed),
            description=_reword(product.description, known, seed),
        )
    return changed


def missing_photos(products: Sequence[Product], share: float, *, seed: int) -> list[Product]:
    """Take their photo from a share of all products, chosen among those that have one."""
    pictured = [row for row, product in enumerate(products) if product.image is not None]
    changed = list(products)
    for place in _choose(len(pictured), len(products), share, seed):
        changed[pictured[place]] = replace(products[pictured[place]], image=None)
    return changed


def mixed_types(
    codes: Sequence[int], distance: float, *, size: int, seed: int
) -> NDArray[np.int64]:
    """Rows of a window whose mix of true types is another one, by resampling.

    Half of the types, chosen by the seed, lose ``distance`` of the mass in proportion to what
    they have; the others gain it. A row comes twice only where its type has too few rows.

    Args:
        codes: true type of each product that there is.
        distance: total variation between the mix of ``codes`` and the new one, 0 to 1.
        size: rows of the window.
        seed: chooses the types and the rows.

    Returns:
        Positions in ``codes``, shape (size,).

    Raises:
        ConfigurationError: no half of the types has that much mass to lose, or none can gain it.
    """
    rng = np.random.default_rng(seed)
    types, place, counts = np.unique(np.asarray(codes), return_inverse=True, return_counts=True)
    mix = counts / counts.sum()
    order = rng.permutation(len(types))
    # The first types of the order that hold at least half of the mass, and what must be lost.
    needed = max(0.5, distance)
    losers = order[: int(np.searchsorted(mix[order].cumsum(), needed - 1e-12)) + 1]
    loses = np.zeros(len(types), dtype=bool)
    loses[losers] = True
    if not 0 <= distance <= mix[loses].sum() or loses.all():
        raise ConfigurationError(
            f"{len(types)} types cannot be mixed at a total variation of {distance}.",
            hint="use products of more types, or a smaller distance",
        )
    signs = np.where(loses, -1 / mix[loses].sum(), 1 / mix[~loses].sum())
    drawn = rng.choice(len(types), size=size, p=mix * (1 + distance * signs))
    rows = np.empty(size, dtype=np.int64)
    for kind in np.unique(drawn):
        wanted, there = np.flatnonzero(drawn == kind), np.flatnonzero(place == kind)
        rounds = -(-len(wanted) // len(there))
        pool = np.concatenate([rng.permutation(there) for _ in range(rounds)])
        rows[wanted] = pool[: len(wanted)]
    return rows


def restyled_photos(products: Sequence[Product], style: PhotoStyle) -> list[Product]:
    """Take every photo in another style; what is no photo stays as it is."""
    return [replace(product, image=_restyle(product.image, style)) for product in products]


def _choose(among: int, total: int, share: float, seed: int) -> list[int]:
    """``share`` of ``total`` places among the first ``among``; all of them where those are less."""
    if not 0 <= share <= 1:
        raise ConfigurationError(f"A share of {share} is not between 0 and 1.")
    chosen: list[int] = np.random.default_rng(seed).permutation(among).tolist()
    return sorted(chosen[: round(share * total)])


def _reword(text: str, known: Container[str], seed: int) -> str:
    return _WORD.sub(lambda found: _invent(found, known, seed), text)


def _invent(found: re.Match[str], known: Container[str], seed: int) -> str:
    """An invented word in place of a real one, in its capitals."""
    word = found[1]
    if word is None:
        return found[0]
    attempt = 0
    while True:
        digest = sha256(f"{seed}/{attempt}/{word.lower()}".encode()).digest()
        made = _syllables(digest, len(word))
        if made not in known:
            break
        attempt += 1
    if word.isupper():
        return made.upper()
    return made.capitalize() if word[0].isupper() else made


def _syllables(digest: bytes, length: int) -> str:
    made, turn = "", 0
    while len(made) < length:
        made += _ONSETS[digest[turn % 32] % len(_ONSETS)]
        made += _NUCLEI[digest[(turn + 1) % 32] % len(_NUCLEI)]
        turn += 2
    return made[: max(length, 3)]


def _restyle(image: Picture, style: PhotoStyle) -> Picture:
    if image is None:
        return None
    try:
        data = image.read_bytes() if isinstance(image, Path) else image
        with Image.open(io.BytesIO(data), formats=FORMATS) as opened:
            picture = _flatten(ImageOps.exif_transpose(opened))
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError):
        return image  # a catalogue holds files that are no photos
    picture = ImageEnhance.Contrast(picture).enhance(style.contrast)
    picture = ImageEnhance.Brightness(picture).enhance(style.brightness)
    width = round(style.border * min(picture.size))
    picture = ImageOps.expand(picture, width, (255, 255, 255))
    target = io.BytesIO()
    picture.save(target, "JPEG", quality=style.quality)
    return target.getvalue()


def _flatten(picture: Image.Image) -> Image.Image:
    """What an encoder sees: transparency laid on white."""
    if not picture.has_transparency_data:
        return picture.convert("RGB")
    seen = picture.convert("RGBA")
    white = Image.new("RGBA", seen.size, (255, 255, 255, 255))
    return Image.alpha_composite(white, seen).convert("RGB")
