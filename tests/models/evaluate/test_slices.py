"""Which product is in which slice, and what is said of a slice."""

import numpy as np
import pytest

from rakuten.models.evaluate.slices import SliceScores, score_slices, slice_masks
from tests.models.evaluate.conftest import make_answers, noisy_answers

PRODUCTS = [  # title, description, photo
    ("Console de jeux avec manette", "<p>la console est dans la boîte</p>", True),
    ("The console with a controller", "", False),
    ("", "<br/>&nbsp;", True),
    ("  ", "", False),
    ("X" * 200, "", True),
]


def _by_name(found: list[SliceScores]) -> dict[tuple[str, str], SliceScores]:
    return {(part.dimension, part.name): part for part in found}


def test_each_product_is_in_the_slices_that_its_content_says() -> None:
    titles, bodies, photos = zip(*PRODUCTS, strict=True)
    answers = make_answers(
        [10] * 5, [10] * 5, designation=titles, description=bodies, has_image=np.array(photos)
    )
    members = {
        (dimension, name): np.flatnonzero(mask).tolist()
        for dimension, name, mask in slice_masks(answers)
    }
    assert members == {
        ("content", "text and photo"): [0, 4],
        ("content", "text only"): [1],
        ("content", "photo only"): [2],
        ("content", "neither"): [3],
        ("description", "with"): [0],
        ("description", "without"): [1, 2, 3, 4],
        ("language", "unknown"): [2, 3, 4],
        ("language", "en"): [1],
        ("language", "fr"): [0],
        ("title_length", "0"): [2, 3],
        ("title_length", "1-20"): [],
        ("title_length", "21-40"): [0, 1],
        ("title_length", "41-80"): [],
        ("title_length", "81-160"): [],
        ("title_length", "over 160"): [4],
    }


@pytest.mark.parametrize(
    ("length", "name"), [(1, "1-20"), (20, "1-20"), (21, "21-40"), (160, "81-160")]
)
def test_title_lengths_at_the_ends_of_a_slice(length: int, name: str) -> None:
    found = score_slices(make_answers([10], [10], designation=["x" * length]))
    (part,) = [part for part in found if part.dimension == "title_length" and part.rows]
    assert part.name == name


def test_a_slice_is_scored_on_its_own_rows() -> None:
    rows = np.arange(400)
    right = rows % 4 > 0  # with photo: all right; without: half right
    photo = rows % 2 > 0
    answers = make_answers(
        [10] * 400,
        np.where(right, 10, 40).tolist(),
        has_image=photo,
        automatic=photo & (rows < 200),
    )
    found = _by_name(score_slices(answers))
    both, text = found["content", "text and photo"], found["content", "text only"]
    assert (both.rows, both.correct, both.accuracy, both.weighted_f1) == (200, 200, 1.0, 1.0)
    assert both.weighted_f1_interval == pytest.approx((0.9817, 1.0), abs=1e-4)
    assert (both.automatic, both.auto_correct, both.auto_precision) == (100, 100, 1.0)
    assert (text.rows, text.correct, text.accuracy) == (200, 100, 0.5)
    assert text.weighted_f1 == pytest.approx(2 / 3)  # precision 1, recall one half
    assert text.weighted_f1_interval is not None
    assert text.weighted_f1_interval[0] < 2 / 3 < text.weighted_f1_interval[1]
    assert (text.automatic, text.auto_precision) == (0, None)
    assert text.mean_confidence == pytest.approx(0.9)


def test_a_slice_under_a_hundred_rows_has_counts_only() -> None:
    few = np.arange(300) < 99
    found = _by_name(score_slices(noisy_answers(300, has_image=few)))
    part = found["content", "text and photo"]
    assert part.rows == 99
    assert 0 < part.auto_correct <= part.automatic < part.rows
    claims = (part.accuracy, part.weighted_f1, part.weighted_f1_interval, part.mean_confidence)
    assert claims == (None,) * 4
    assert part.auto_precision is None
