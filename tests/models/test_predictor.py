"""The one inference path: the same answer however a product reaches it, and an answer for any."""

import base64
import dataclasses
import io
import json
import time
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from rakuten import catalog
from rakuten.data import schema
from rakuten.errors import ImageError
from rakuten.imaging import decode_image, read_image
from rakuten.models.evaluate import overall_scores
from rakuten.models.golden import check_golden
from rakuten.models.model_directory import GOLDEN, write_model
from rakuten.models.packaging import golden_products, model_arrays, model_manifest
from rakuten.models.predict_model import (
    PREDICTION_COLUMNS,
    challenge_frame,
    predict_table,
    prediction_frame,
    table_products,
)
from rakuten.models.predictor import Predictor, Product
from rakuten.models.threshold import Threshold
from rakuten.models.timings import Timings
from rakuten.params import Params
from rakuten.settings import ProjectPaths
from rakuten.stages.train import TrainOutcome

Project = tuple[ProjectPaths, TrainOutcome]

SAME_BATCH = 1e-6
OTHER_BATCH = 1e-5


@pytest.fixture(scope="module")
def predictor(trained_project: Project) -> Predictor:
    return Predictor.load(trained_project[0].model, threads=2)


@pytest.fixture(scope="module")
def products(trained_project: Project) -> list[Product]:
    """The rows of X_test.csv, photos as paths."""
    paths, _ = trained_project
    table = schema.read_products(paths.raw / catalog.X_TEST)
    return list(table_products(table, paths.test_images))


@pytest.fixture(scope="module")
def expected(predictor: Predictor, products: list[Product]) -> NDArray[np.float64]:
    return predictor.predict_proba(products)


def usable(product: Product) -> bool:
    if not isinstance(product.image, Path):
        return False
    try:
        decode_image(read_image(product.image), 8)
    except ImageError:
        return False
    return True


def with_photo(products: list[Product]) -> Product:
    return next(p for p in products if usable(p) and p.designation)


def unchanged(before: NDArray[np.float64], after: NDArray[np.float64]) -> float:
    """Share of rows whose class stayed the same."""
    return float((before.argmax(axis=1) == after.argmax(axis=1)).mean())


# --- parity --------------------------------------------------------------------------------


def test_probabilities_are_a_distribution_over_the_types(
    predictor: Predictor, expected: NDArray[np.float64]
) -> None:
    assert expected.shape[1] == len(predictor.types)
    assert np.allclose(expected.sum(axis=1), 1, atol=1e-9)
    assert (expected >= 0).all()


def test_answers_are_the_same_at_equal_batch_size(
    predictor: Predictor, products: list[Product], expected: NDArray[np.float64]
) -> None:
    again = predictor.predict_proba(products)
    assert np.abs(again - expected).max() <= SAME_BATCH
    assert unchanged(expected, again) == 1


@pytest.mark.parametrize("size", [1, 7])
def test_answers_do_not_depend_on_the_batch_size(
    predictor: Predictor, products: list[Product], expected: NDArray[np.float64], size: int
) -> None:
    batches = [products[start : start + size] for start in range(0, len(products), size)]
    found = np.concatenate([predictor.predict_proba(batch) for batch in batches])
    assert np.abs(found - expected).max() <= OTHER_BATCH
    assert unchanged(expected, found) == 1


def test_answers_do_not_depend_on_the_order_of_a_batch(
    predictor: Predictor, products: list[Product], expected: NDArray[np.float64]
) -> None:
    found = predictor.predict_proba(products[::-1])[::-1]
    assert np.abs(found - expected).max() <= SAME_BATCH


def test_a_reloaded_model_answers_the_same_to_the_bit(
    trained_project: Project, products: list[Product], expected: NDArray[np.float64]
) -> None:
    reloaded = Predictor.load(trained_project[0].model, threads=1)
    assert np.array_equal(reloaded.predict_proba(products), expected)


def test_a_predictor_saved_again_answers_the_same_to_the_bit(
    predictor: Predictor,
    products: list[Product],
    expected: NDArray[np.float64],
    quick_params: Params,
    tmp_path: Path,
) -> None:
    golden = golden_products(predictor, products[:4])
    manifest = model_manifest(predictor, quick_params.train)
    write_model(tmp_path / "model", model_arrays(predictor), golden, manifest)
    restored = Predictor.load(tmp_path / "model")
    assert np.array_equal(restored.predict_proba(products), expected)
    assert restored.threshold == predictor.threshold
    assert restored.types == predictor.types


def test_bytes_and_path_of_a_photo_give_the_same_answer(
    predictor: Predictor, products: list[Product]
) -> None:
    by_path = [p for p in products if usable(p)]
    by_bytes = [
        dataclasses.replace(p, image=p.image.read_bytes())
        for p in by_path
        if isinstance(p.image, Path)
    ]
    assert predictor.predict(by_bytes) == predictor.predict(by_path)


def test_predictions_of_a_file_are_those_of_the_predictor(
    trained_project: Project, predictor: Predictor, expected: NDArray[np.float64]
) -> None:
    paths, _ = trained_project
    written = paths.predictions.read_text(encoding="utf-8").splitlines()
    assert len(written) == len(expected) + 1
    codes = [predictor.types[k].code for k in expected.argmax(axis=1)]
    table = schema.read_products(paths.raw / catalog.X_TEST)
    frame = prediction_frame(table, predict_table(predictor, table, paths.test_images))
    assert frame["prdtypecode"].tolist() == codes
    assert frame["index"].tolist() == table["index"].tolist()
    assert tuple(frame.columns) == PREDICTION_COLUMNS
    assert challenge_frame(frame).columns.tolist() == ["", "prdtypecode"]


# --- whatever comes in ---------------------------------------------------------------------


def test_no_products_have_no_answers(predictor: Predictor) -> None:
    assert predictor.predict([]) == []
    assert predictor.predict_proba([]).shape == (0, len(predictor.types))


def test_timings_add_up_and_change_no_answer(predictor: Predictor, products: list[Product]) -> None:
    texts = [Product(product.designation, product.description) for product in products[:8]]
    timings = Timings()
    assert predictor.predict(texts, timings=timings) == predictor.predict(texts)
    assert (timings.decode, timings.encode) == (0, 0)
    assert min(timings.vectorise, timings.predict) > 0
    before = timings.vectorise
    start = time.perf_counter()
    found = predictor.predict(products[:8], timings=timings)
    taken = time.perf_counter() - start
    assert found == predictor.predict(products[:8])
    assert min(timings.decode, timings.encode) > 0
    assert before < timings.vectorise
    assert timings.decode + timings.encode + timings.vectorise - before < taken


def test_the_threshold_decides_what_is_automatic(
    predictor: Predictor, products: list[Product], expected: NDArray[np.float64]
) -> None:
    middle = float(np.median(expected.max(axis=1)))
    some = dataclasses.replace(predictor, threshold=Threshold(middle, 0.5, 0.9)).predict(products)
    for prediction in some:
        if prediction.modalities:
            assert (prediction.decision == "auto") == (prediction.confidence >= middle)
    assert {prediction.decision for prediction in some} == {"auto", "review"}
    never = dataclasses.replace(predictor, threshold=Threshold(None, 0.0, None))
    assert {prediction.decision for prediction in never.predict(products)} == {"review"}


@pytest.mark.parametrize("broken", [b"", b"<html>", b"\xff\xd8\xff\xe0 cut", Path("/nowhere.jpg")])
def test_a_broken_photo_is_answered_from_the_text_and_says_so(
    predictor: Predictor, products: list[Product], broken: bytes | Path
) -> None:
    product = with_photo(products)
    without = predictor.predict([dataclasses.replace(product, image=None)])[0]
    found = predictor.predict([dataclasses.replace(product, image=broken)])[0]
    assert found.modalities == ("text",)
    assert found.confidence == without.confidence
    assert found.prdtypecode == without.prdtypecode
    assert found.image_status == ("missing" if isinstance(broken, Path) else "unreadable")
    assert found.features["image_status"] == found.image_status


def test_a_broken_photo_does_not_disturb_its_neighbours(
    predictor: Predictor, products: list[Product], expected: NDArray[np.float64]
) -> None:
    spoilt = [*products[:5], Product("x", "", b"broken"), *products[5:]]
    found = np.delete(predictor.predict_proba(spoilt), 5, axis=0)
    assert np.abs(found - expected).max() <= OTHER_BATCH


def test_text_and_photo_both_count(predictor: Predictor, products: list[Product]) -> None:
    product = with_photo(products)
    both = predictor.predict([product])[0]
    image = predictor.predict([Product(image=product.image)])[0]
    text = predictor.predict([dataclasses.replace(product, image=None)])[0]
    assert both.modalities == ("text", "image")
    assert image.modalities == ("image",)
    assert text.modalities == ("text",)
    assert len({both.confidence, image.confidence, text.confidence}) == 3


@pytest.mark.parametrize(
    "title",
    [
        "\x00" * 50,
        "\ud800 lone",
        "é" * 100_000,
        "<" * 10_000,
        "&#" + "9" * 5000 + ";",
        "😀🎁",
        "null",
        "'; DROP TABLE products; --",
    ],
    ids=["nul", "surrogate", "long", "brackets", "entity", "emoji", "null", "quote"],
)
def test_any_text_has_an_answer(predictor: Predictor, title: str) -> None:
    prediction = predictor.predict([Product(title, title)])[0]
    assert 0 < prediction.confidence <= 1
    assert prediction.prdtypecode in {entry.code for entry in predictor.types}


@pytest.mark.parametrize("wanted", [0, 1, 3, 500])
def test_alternatives_are_the_next_best_types_in_order(
    predictor: Predictor, products: list[Product], expected: NDArray[np.float64], wanted: int
) -> None:
    for row, prediction in enumerate(predictor.predict(products, alternatives=wanted)):
        found = [prediction.confidence, *(a.probability for a in prediction.alternatives)]
        assert len(found) == min(wanted + 1, len(predictor.types))
        assert found == np.sort(expected[row])[::-1][: len(found)].tolist()
        codes = [prediction.prdtypecode, *(a.prdtypecode for a in prediction.alternatives)]
        assert len(set(codes)) == len(codes)


def test_a_prediction_carries_names_and_the_monitoring_row(
    predictor: Predictor, products: list[Product]
) -> None:
    names = {entry.code: entry.name for entry in predictor.types}
    for prediction in predictor.predict(products):
        assert prediction.label == names[prediction.prdtypecode]
        assert "clean_designation" not in prediction.features
        assert "clean_description" not in prediction.features
        assert prediction.features["designation_length"] >= 0


def test_identifiers_are_never_taken_for_paths(trained_project: Project) -> None:
    paths, _ = trained_project
    table = schema.read_products(paths.raw / catalog.X_TEST).head(2)
    table = table.assign(productid=["../../x", "1"], imageid=["1", "/etc/passwd"])
    assert [product.image for product in table_products(table, paths.test_images)] == [None, None]


# --- golden products -----------------------------------------------------------------------


def test_the_golden_products_are_answered_as_when_saved(
    trained_project: Project, predictor: Predictor
) -> None:
    assert check_golden(predictor, trained_project[0].model) <= 1e-9


def test_the_golden_products_cover_every_case_of_the_fusion(trained_project: Project) -> None:
    golden = json.loads((trained_project[0].model / GOLDEN).read_text(encoding="utf-8"))
    cases = Counter(
        (bool(entry["designation"] or entry["description"]), bool(entry["image"]))
        for entry in golden
    )
    assert len(golden) == 32
    assert cases[True, True] >= 8
    assert cases[True, False] >= 4
    assert cases[False, True] >= 4
    assert cases[False, False] == 1


def test_few_or_no_products_still_make_golden_ones(
    predictor: Predictor, products: list[Product]
) -> None:
    assert len(golden_products(predictor, products[:3])) == 4
    only = golden_products(predictor, [])
    assert [entry["image"] for entry in only] == [None]
    assert np.allclose(only[0]["probabilities"], predictor.fusion.priors)


def test_a_golden_photo_that_is_too_large_goes_as_a_smaller_copy(predictor: Predictor) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (600, 600, 3), dtype=np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(noise).save(buffer, "PNG")
    large, broken = buffer.getvalue(), b"not a photo" * 20_000
    photo, none, _ = golden_products(
        predictor, [Product("Table", image=large), Product(image=broken)]
    )
    copy = base64.b64decode(photo["image"])
    assert len(copy) < 100_000 < len(large)
    assert decode_image(copy, 256).shape == (256, 256, 3)
    again = predictor.predict_proba([Product("Table", image=copy)])[0]
    assert np.abs(again - photo["probabilities"]).max() <= OTHER_BATCH
    assert none["image"] is None


@pytest.mark.parametrize("branch", ["text", "image", "fusion"])
def test_a_changed_weight_shows_in_the_golden_products(
    trained_project: Project, branch: str
) -> None:
    directory = trained_project[0].model
    predictor = Predictor.load(directory)
    assert predictor.text is not None
    assert predictor.image is not None
    if branch == "text":
        predictor.text.linear.intercepts[0] += 0.5
    elif branch == "image":
        predictor.image.weights[:, 0] += 0.5
        predictor.image.__post_init__()
    else:
        predictor.fusion.cases["text", "image", "joint"].bias[0] += 0.5
    assert check_golden(predictor, directory) > 1e-4


def test_held_out_rows_are_answered_far_better_than_by_guessing(
    trained_project: Project, predictor: Predictor, expected: NDArray[np.float64]
) -> None:
    paths, _ = trained_project
    labels = schema.read_labels(paths.raw / catalog.Y_TEST)
    truth = labels["prdtypecode"].astype(int).tolist()
    predicted = [predictor.types[k].code for k in expected.argmax(axis=1)]
    assert overall_scores(truth, predicted)["accuracy"] > 0.3
