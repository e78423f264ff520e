"""Simulated drift changes what it says, as much as it says, and nothing else."""

import io
import re
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from rakuten.errors import ConfigurationError
from rakuten.models.predictor import Product
from rakuten.monitoring.simulate import (
    PHOTO_STYLES,
    PhotoStyle,
    missing_photos,
    mixed_types,
    new_vocabulary,
    restyled_photos,
)


def photo(seed: int = 0) -> bytes:
    """A picture of a grey gradient with some noise."""
    rng = np.random.default_rng(seed)
    ramp = np.linspace(60, 180, 80)[None, :, None] + rng.normal(0, 4, (60, 80, 3))
    target = io.BytesIO()
    Image.fromarray(ramp.clip(0, 255).astype(np.uint8)).save(target, "JPEG", quality=95)
    return target.getvalue()


def pixels(data: object) -> "np.ndarray[tuple[int, ...], np.dtype[np.float64]]":
    assert isinstance(data, bytes)
    return np.asarray(Image.open(io.BytesIO(data)).convert("L"), dtype=np.float64)


PRODUCTS = [
    Product(f"Console NINTENDO n&deg; {n}", f"<p>D&eacute;mo Été {n}</p>", photo())
    for n in range(50)
]


def test_a_share_of_listings_is_written_in_other_words() -> None:
    changed = new_vocabulary(PRODUCTS, 0.2, seed=1)
    differs = [new != old for new, old in zip(changed, PRODUCTS, strict=True)]
    assert sum(differs) == 10
    for new, old in zip(changed, PRODUCTS, strict=True):
        assert new.image == old.image
        words = set(re.findall(r"\w+", f"{old.designation} {old.description}".lower()))
        if new != old:
            assert not {"console", "nintendo"} & set(re.findall(r"\w+", new.designation.lower()))
            assert "console" in words


def test_invented_words_keep_digits_capitals_markup_and_length() -> None:
    (new,) = new_vocabulary([PRODUCTS[7]], 1, seed=1)
    found = re.fullmatch(r"([A-Z][a-z]+) ([A-Z]+) n&deg; 7", new.designation)
    assert found is not None
    assert [len(word) for word in found.groups()] == [7, 8]
    assert re.fullmatch(r"<p>\w+&eacute;\w* \w+ 7</p>", new.description)


def test_a_word_becomes_the_same_word_everywhere() -> None:
    products = [Product("Lampe rouge"), Product("LAMPE bleue")]
    first, second = new_vocabulary(products, 1, seed=3)
    assert first.designation.split()[0].lower() == second.designation.split()[0].lower()


def test_words_that_are_known_are_not_invented() -> None:
    (once,) = new_vocabulary([Product("lampe")], 1, seed=3)
    (again,) = new_vocabulary([Product("lampe")], 1, known={once.designation}, seed=3)
    assert again.designation not in ("lampe", once.designation)


def test_photos_go_missing_by_points_of_all_products() -> None:
    products = [*PRODUCTS, *[Product("sans photo")] * 50]
    changed = missing_photos(products, 0.2, seed=0)
    assert sum(product.image is None for product in changed) == 50 + 20
    assert [product.designation for product in changed] == [p.designation for p in products]


def test_no_more_photos_go_missing_than_there_are() -> None:
    changed = missing_photos([*PRODUCTS[:5], *[Product("sans photo")] * 95], 0.4, seed=0)
    assert all(product.image is None for product in changed)


@pytest.mark.parametrize("distance", [0.0, 0.1, 0.2, 0.4])
def test_the_mix_of_types_moves_by_its_total_variation(distance: float) -> None:
    rng = np.random.default_rng(0)
    codes = rng.choice(27, 3000, p=rng.dirichlet(np.ones(27))).tolist()
    rows = mixed_types(codes, distance, size=50_000, seed=4)
    before, after = Counter(codes), Counter(np.array(codes)[rows].tolist())
    found = sum(abs(before[code] / 3000 - after[code] / 50_000) for code in before) / 2
    assert found == pytest.approx(distance, abs=0.012)


def test_a_row_comes_twice_only_where_its_type_has_too_few() -> None:
    codes = [10] * 500 + [40] * 500
    assert len(set(mixed_types(codes, 0.1, size=500, seed=0).tolist())) == 500
    most = Counter(mixed_types([10] * 900 + [40] * 100, 0.1, size=600, seed=0).tolist())
    assert set(most.values()) <= {1, 2}


@pytest.mark.parametrize(("codes", "distance"), [([10] * 50, 0.1), ([10, 40] * 50, 1.5)])
def test_a_mix_that_cannot_be_is_refused(codes: list[int], distance: float) -> None:
    with pytest.raises(ConfigurationError, match="cannot be mixed"):
        mixed_types(codes, distance, size=10, seed=0)


@pytest.mark.parametrize("share", [-0.1, 1.1])
def test_a_share_that_is_none_is_refused(share: float) -> None:
    with pytest.raises(ConfigurationError, match="not between 0 and 1"):
        missing_photos(PRODUCTS, share, seed=0)


def test_a_style_darkens_flattens_and_frames() -> None:
    style = PhotoStyle(brightness=0.8, contrast=0.7, border=0.1, quality=90)
    (new,) = restyled_photos([PRODUCTS[0]], style)
    before, after = pixels(PRODUCTS[0].image), pixels(new.image)
    assert after.shape == (60 + 2 * 6, 80 + 2 * 6)
    assert after[:4].min() > 240
    inner = after[8:-8, 8:-8]
    assert inner.mean() == pytest.approx(0.8 * before.mean(), rel=0.03)
    assert inner.std() == pytest.approx(0.8 * 0.7 * before[2:-2, 2:-2].std(), rel=0.05)


def test_each_strength_of_style_is_further_away_than_the_last() -> None:
    (old,) = [pixels(PRODUCTS[0].image)]
    means = [pixels(restyled_photos(PRODUCTS[:1], s)[0].image)[10:-10].mean() for s in PHOTO_STYLES]
    assert old.mean() > means[0] > means[1] > means[2]


def test_a_transparent_photo_is_laid_on_white() -> None:
    target = io.BytesIO()
    Image.new("RGBA", (40, 40), (0, 0, 0, 0)).save(target, "PNG")
    style = PhotoStyle(brightness=1, contrast=1, border=0, quality=90)
    (new,) = restyled_photos([Product(image=target.getvalue())], style)
    assert pixels(new.image).min() > 250


def test_what_is_no_photo_stays_as_it_is(tmp_path: Path) -> None:
    file = tmp_path / "photo.jpg"
    file.write_bytes(photo())
    cut = photo()[:200]
    images = [None, b"", b"<html>", cut, tmp_path / "gone.jpg", file]
    found = [
        product.image
        for product in restyled_photos([Product(image=i) for i in images], PHOTO_STYLES[1])
    ]
    assert found[:5] == images[:5]
    assert isinstance(found[5], bytes)
    assert found[5] != photo()


def test_the_same_seed_makes_the_same_traffic_and_another_another() -> None:
    for make in (new_vocabulary, missing_photos):
        assert make(PRODUCTS, 0.4, seed=5) == make(PRODUCTS, 0.4, seed=5)
        assert make(PRODUCTS, 0.4, seed=5) != make(PRODUCTS, 0.4, seed=6)
