"""The monitoring row survives JSON and arrays, and says None where a product has nothing."""

import json
from pathlib import Path
from typing import Any, cast, get_type_hints

import numpy as np
import pytest

from rakuten import catalog
from rakuten.data import schema
from rakuten.features.rows import text_rows
from rakuten.models.feature_row import (
    FeatureRow,
    feature_columns,
    make_feature_row,
    rows_of_columns,
)
from rakuten.models.predict_model import table_products
from rakuten.models.predictor import Prediction, Predictor, Product
from rakuten.settings import ProjectPaths
from rakuten.stages.train import TrainOutcome

Project = tuple[ProjectPaths, TrainOutcome]


@pytest.fixture(scope="module")
def predictions(trained_project: Project) -> list[Prediction]:
    """Answers for the rows of X_test.csv, for a broken photo, and for nothing at all."""
    paths, _ = trained_project
    table = schema.read_products(paths.raw / catalog.X_TEST)
    products = list(table_products(table, paths.test_images))
    return Predictor.load(paths.model).predict(
        [*products, Product("Table", "<p>en bois</p>", b"broken"), Product()]
    )


@pytest.fixture(scope="module")
def rows(predictions: list[Prediction]) -> list[FeatureRow]:
    return [prediction.features for prediction in predictions]


def row(**changes: Any) -> FeatureRow:
    made: Any = make_feature_row(
        text_rows([("Table 120 cm", "")])[0],
        "ok",
        [0.5, 0.25, 12.0, 30.5, 0.125],
        ([0.5, -1.25], [1.0]),
        modalities=("text", "image"),
        prdtypecode=1560,
        confidence=0.875,
    )
    return cast(FeatureRow, {**made, **changes})


def test_every_field_has_a_value_of_its_type(rows: list[FeatureRow]) -> None:
    kinds = get_type_hints(FeatureRow)
    allowed: dict[Any, tuple[type, ...]] = {
        int: (int,),
        float: (float,),
        str: (str,),
        float | None: (float, type(None)),
        list[float] | None: (list, type(None)),
    }
    for found in rows:
        assert list(found) == list(kinds)
        for name, value in found.items():
            assert type(value) in allowed[kinds[name]], name


def test_a_row_survives_json(rows: list[FeatureRow]) -> None:
    for found in rows:
        text = json.dumps(found, allow_nan=False)
        assert json.loads(text) == found
        assert len(text) < 1600


def test_rows_survive_their_columns(rows: list[FeatureRow]) -> None:
    columns = feature_columns(rows)
    assert set(columns) == set(FeatureRow.__annotations__)
    assert {column.dtype.kind for column in columns.values()} <= set("ifU")
    assert rows_of_columns(columns) == rows


def test_rows_from_json_give_the_same_columns(rows: list[FeatureRow]) -> None:
    expected, found = feature_columns(rows), feature_columns(json.loads(json.dumps(rows)))
    for name, column in expected.items():
        assert np.array_equal(column, found[name], equal_nan=column.dtype.kind == "f"), name


def test_rows_without_any_embedding_survive(rows: list[FeatureRow]) -> None:
    bare = [row(text_embedding=None, image_embedding=None, image_contrast=None) for _ in range(3)]
    assert feature_columns(bare)["text_embedding"].shape == (3, 0)
    assert rows_of_columns(feature_columns(bare)) == bare
    assert rows_of_columns(feature_columns([])) == []
    one = [*rows[:1], row(text_embedding=None, image_embedding=None)]
    assert rows_of_columns(feature_columns(one)) == one


def test_a_row_holds_the_answer_and_what_it_rests_on(predictions: list[Prediction]) -> None:
    for prediction in predictions:
        features = prediction.features
        assert features["prdtypecode"] == prediction.prdtypecode
        assert features["confidence"] == prediction.confidence
        assert features["image_status"] == prediction.image_status
        assert features["modalities"] == ("+".join(prediction.modalities) or "none")
    assert {"text+image", "text", "none"} <= {p.features["modalities"] for p in predictions}


def test_numbers_of_a_photo_are_there_if_it_was_usable(rows: list[FeatureRow]) -> None:
    for found in rows:
        numbers = [value for name, value in found.items() if name.startswith("image_")]
        absent = [value is None for value in numbers if not isinstance(value, str)]
        assert absent == [found["image_status"] != "ok"] * 6


def test_image_numbers_are_within_their_ranges(rows: list[FeatureRow]) -> None:
    columns = feature_columns(rows)
    for name, highest in {
        "image_brightness": 1,
        "image_contrast": 0.5,
        "image_white_share": 1,
        "image_colourfulness": 255,
    }.items():
        seen = columns[name][~np.isnan(columns[name])]
        assert (seen >= 0).all()
        assert (seen <= highest).all()
        assert seen.std() > 0


def test_words_in_a_row_are_from_short_lists_and_never_from_the_product(
    rows: list[FeatureRow],
) -> None:
    columns = feature_columns(rows)
    words = {
        name: set(column.tolist()) for name, column in columns.items() if column.dtype.kind == "U"
    }
    assert set(words) == {"language", "image_status", "modalities"}
    assert words["language"] <= {"fr", "en", "de", "unknown"}
    assert words["image_status"] <= {"ok", "missing", "unreadable"}
    assert words["modalities"] <= {"text", "image", "text+image", "none"}


def test_the_document_names_every_field() -> None:
    document = Path(__file__).resolve().parents[2] / "docs" / "model.md"
    text = document.read_text(encoding="utf-8")
    assert [name for name in FeatureRow.__annotations__ if f"`{name}`" not in text] == []
