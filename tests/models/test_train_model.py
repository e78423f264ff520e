"""Training repeats to the bit, never looks at held-out rows, and takes what branches it can."""

from typing import Any

import numpy as np
import pandas as pd
import pytest
from numpy.typing import NDArray

from rakuten.data import schema
from rakuten.errors import ContractError
from rakuten.features.encoder import create_encoder
from rakuten.models.model_directory import read_arrays
from rakuten.models.packaging import model_arrays
from rakuten.models.predictor import Product
from rakuten.models.train_model import Trained, fit_model
from rakuten.models.training_rows import split_rows
from rakuten.params import (
    ImageBranchParams,
    JointBranchParams,
    Params,
    TextBranchParams,
    TrainParams,
)
from rakuten.settings import ProjectPaths
from rakuten.stages.features import read_features
from rakuten.stages.train import TrainOutcome

Project = tuple[ProjectPaths, TrainOutcome]
Vectors = NDArray[np.float32]

SMALL = TrainParams(
    folds=3,
    text=TextBranchParams(hash_bits=10),
    image=ImageBranchParams(components=8, landmarks=40),
    joint=JointBranchParams(components=8, landmarks=40),
)
DIMENSION = create_encoder("descriptor").dimension


def catalogue(rows: int = 120, *, text: bool = True, photos: bool = True) -> tuple[Any, Vectors]:
    """A small feature table of three types that text and photos tell apart."""
    rng = np.random.default_rng(0)
    codes = rng.choice([10, 40, 2583], rows)
    place = np.searchsorted([10, 40, 2583], codes)
    vectors = rng.normal(size=(rows, DIMENSION)).astype(np.float32)
    vectors[np.arange(rows), place] += 40
    table = pd.DataFrame(
        {
            "index": [str(n) for n in range(rows)],
            "prdtypecode": [str(code) for code in codes],
            "clean_designation": [
                f"type{k} mot{n % 17}" if text else "" for n, k in enumerate(place)
            ],
            "clean_description": ["" for _ in range(rows)],
            "image_status": ["ok" if photos else "missing"] * rows,
            "image_sha256": [f"photo{n}" if photos else "" for n in range(rows)],
        }
    )
    return table, vectors if photos else np.zeros_like(vectors)


def fit(table: Any, vectors: Vectors, rows: NDArray[np.int64] | None = None) -> Trained:
    chosen = np.arange(len(table)) if rows is None else rows
    return fit_model(
        table, vectors, chosen, {10: "livres"}, encoder=create_encoder("descriptor"), params=SMALL
    )


def flat(trained: Trained) -> dict[str, NDArray[Any]]:
    return {
        f"{stem}.{name}": array
        for stem, arrays in model_arrays(trained.predictor).items()
        for name, array in arrays.items()
    }


def assert_same(first: dict[str, NDArray[Any]], second: dict[str, NDArray[Any]]) -> None:
    assert set(first) == set(second)
    for name, array in first.items():
        assert np.array_equal(array, second[name]), name


# --- fitting -------------------------------------------------------------------------------


def test_training_repeats_to_the_bit_with_any_number_of_threads(
    trained_project: Project, quick_params: Params
) -> None:
    paths, _ = trained_project
    features, vectors, _ = read_features(paths)
    labels = schema.unique_labels(schema.read_labels(paths.raw / "Y_train.csv"))
    rows = np.flatnonzero(~split_rows(features, labels, quick_params.split).held_out)
    again = fit_model(
        features,
        vectors,
        rows,
        {},
        encoder=create_encoder("descriptor"),
        params=quick_params.train,
        threads=1,
    )
    saved = {
        f"{stem}.{name}": array
        for stem in ("fusion", "text", "vectoriser", "image", "joint", "embedding")
        for name, array in read_arrays(paths.model, stem).items()
    }
    assert_same(flat(again), saved)


def test_held_out_rows_are_never_looked_at() -> None:
    table, vectors = catalogue()
    rows = np.flatnonzero(np.arange(120) % 4 != 0)
    expected = fit(table, vectors, rows)
    spoilt, spoilt_vectors = table.copy(), vectors.copy()
    hidden = np.arange(120) % 4 == 0
    spoilt.loc[hidden, ["clean_designation", "clean_description"]] = "autre"
    spoilt.loc[hidden, "prdtypecode"] = "9999"
    spoilt.loc[hidden, "image_status"] = "missing"
    spoilt_vectors[hidden] = np.nan
    found = fit(spoilt, spoilt_vectors, rows)
    assert_same(flat(found), flat(expected))
    assert found.out_of_fold == expected.out_of_fold
    assert [entry.code for entry in found.predictor.types] == [10, 40, 2583]


def test_types_are_in_order_and_named() -> None:
    predictor = fit(*catalogue()).predictor
    assert [(entry.code, entry.name) for entry in predictor.types] == [
        (10, "livres"),
        (40, "40"),
        (2583, "2583"),
    ]


def test_it_learns_from_text_and_photos() -> None:
    trained = fit(*catalogue())
    assert trained.out_of_fold["accuracy"] > 0.9
    assert set(trained.out_of_fold["branches"]) == {"text", "image", "joint"}
    assert trained.predictor.fusion.trained == {"text", "image", "joint"}


def test_out_of_fold_scores_of_random_labels_are_at_chance() -> None:
    table, vectors = catalogue(300, photos=False)
    rng = np.random.default_rng(1)
    table["prdtypecode"] = rng.choice(["10", "40", "2583"], 300)
    table["clean_designation"] = [f"unique{n} mot{n % 50}" for n in range(300)]
    trained = fit(table, vectors)
    # Four standard deviations of guessing among three types.
    assert trained.out_of_fold["accuracy"] < 1 / 3 + 4 * np.sqrt(2 / 9 / 300)
    assert trained.predictor.threshold.confidence is None
    assert trained.predictor.text is not None
    seen = trained.predictor.text.scores([(title, "") for title in table["clean_designation"]])
    places = np.unique(table["prdtypecode"].astype(int), return_inverse=True)[1]
    assert (seen.argmax(axis=1) == places).mean() > 0.8


def test_without_photos_there_is_a_text_model() -> None:
    predictor = fit(*catalogue(photos=False)).predictor
    assert predictor.image is None
    assert predictor.text is not None
    assert predictor.fusion.trained == {"text"}
    assert set(model_arrays(predictor)) == {"fusion", "text", "vectoriser", "embedding"}
    assert predictor.embedder.image is None
    answer = predictor.predict([Product("type2"), Product(image=b"broken")])
    assert answer[0].prdtypecode == 2583
    assert answer[1].decision == "review"


def test_too_few_photos_make_no_image_branch() -> None:
    table, vectors = catalogue()
    table.loc[SMALL.image.min_rows - 1 :, "image_status"] = "missing"
    assert fit(table, vectors).predictor.fusion.trained == {"text"}
    table.loc[SMALL.image.min_rows - 1, "image_status"] = "ok"
    assert fit(table, vectors).predictor.fusion.trained == {"text", "image", "joint"}


def test_without_text_there_is_an_image_model() -> None:
    trained = fit(*catalogue(text=False))
    assert trained.predictor.text is None
    assert trained.predictor.fusion.trained == {"image"}
    assert trained.out_of_fold["accuracy"] > 0.9
    assert set(model_arrays(trained.predictor)) == {"fusion", "image", "embedding"}
    assert trained.predictor.embedder.text is None


def test_text_and_photos_of_different_products_make_no_joint_branch() -> None:
    table, vectors = catalogue()
    pictured = np.arange(len(table)) % 2 == 0
    table.loc[pictured, "clean_designation"] = ""
    table.loc[~pictured, "image_status"] = "missing"
    predictor = fit(table, vectors).predictor
    assert predictor.fusion.trained == {"text", "image"}
    assert predictor.joint is None


def test_what_only_text_and_photo_together_tell_is_learned() -> None:
    table, vectors = catalogue(400)
    rng = np.random.default_rng(3)
    brand, side = rng.integers(0, 2, 400), rng.integers(0, 2, 400)
    vectors = rng.normal(scale=0.3, size=vectors.shape).astype(np.float32)
    vectors[:, 0] += 4 * side
    table["clean_designation"] = [("alpha", "omega")[b] for b in brand]
    table["prdtypecode"] = np.where(brand ^ side, "10", "40")
    found = fit(table, vectors).out_of_fold
    assert found["accuracy"] > 0.9
    assert found["branches"]["text"]["accuracy"] < 0.65
    assert found["branches"]["image"]["accuracy"] < 0.65


def test_neither_text_nor_photos_is_nothing_to_learn_from() -> None:
    with pytest.raises(ContractError, match="nothing to learn from"):
        fit(*catalogue(text=False, photos=False))


def test_one_type_is_no_task() -> None:
    table, vectors = catalogue()
    with pytest.raises(ContractError, match="all of one product type"):
        fit(table.assign(prdtypecode="10"), vectors)


def test_a_type_seen_once_is_learned() -> None:
    table, vectors = catalogue()
    table.loc[0, ["prdtypecode", "clean_designation"]] = ["7777", "licorne"]
    predictor = fit(table, vectors).predictor
    assert 7777 in [entry.code for entry in predictor.types]


def test_texts_without_a_single_word_are_accepted() -> None:
    table, vectors = catalogue()
    table = table.assign(clean_designation="", clean_description="***")
    trained = fit(table, vectors)
    assert trained.out_of_fold["rows"] == len(table)


def test_notes_say_what_is_going_on() -> None:
    notes: list[str] = []
    table, vectors = catalogue()
    fit_model(
        table,
        vectors,
        np.arange(len(table)),
        {},
        encoder=create_encoder("descriptor"),
        params=SMALL,
        note=notes.append,
    )
    assert notes == ["text branch", "image branch", "joint branch", "fusion and threshold"]


def weighed(table: Any, vectors: Vectors, **given: Any) -> Trained:
    return fit_model(
        table,
        vectors,
        np.arange(len(table)),
        {},
        encoder=create_encoder("descriptor"),
        params=SMALL,
        **given,
    )


def test_rows_that_count_once_are_rows_without_weights() -> None:
    table, vectors = catalogue()
    once, alone = np.ones(len(table)), np.arange(len(table))
    found = weighed(table, vectors, weights=once, repeats=once, copy_of=alone)
    assert_same(flat(found), flat(fit(table, vectors)))


@pytest.mark.parametrize("name", ["weights", "repeats"])
def test_a_heavy_row_changes_the_answer_for_its_product(name: str) -> None:
    table, vectors = catalogue()
    first = int(np.flatnonzero(table["prdtypecode"] == "40")[0])
    table.loc[first, "prdtypecode"] = "2583"  # people say so; all that resembles it is of type 40
    title = table.loc[first, "clean_designation"]
    probabilities = []
    for weight in (1.0, 10.0):
        predictor = weighed(
            table, vectors, **{name: np.where(np.arange(len(table)) == first, weight, 1.0)}
        ).predictor
        probabilities.append(predictor.predict_proba([Product(title)])[0])
    light, heavy = probabilities
    assert light.argmax() == 1
    assert heavy[2] > 10 * light[2]


def test_the_weight_reaches_every_part_that_learns_from_labels() -> None:
    table, vectors = catalogue()
    weights = np.where(np.arange(len(table)) % 7 == 0, 5.0, 1.0)
    plain, heavy = flat(fit(table, vectors)), flat(weighed(table, vectors, weights=weights))
    changed = {name for name, array in plain.items() if not np.array_equal(array, heavy[name])}
    learned = {"text.levels", "image.weights", "joint.kernel_weights", "fusion.priors"}
    learned |= {name for name in plain if name.startswith("fusion.") and name.endswith("_weights")}
    assert learned <= changed
    unlabelled = {name for name in plain if name.split(".")[0] in ("vectoriser", "embedding")}
    assert not unlabelled & changed


def test_repeats_count_where_branches_learn_and_not_where_answers_are_judged() -> None:
    table, vectors = catalogue(300, photos=False)
    wrong = 7
    table.loc[wrong, "prdtypecode"] = "10" if table.loc[wrong, "prdtypecode"] != "10" else "40"
    table.loc[wrong, "clean_designation"] += " a b c d e f g h"
    many = np.where(np.arange(300) == wrong, 10.0, 1.0)
    by_repeats = weighed(table, vectors, repeats=many).predictor.threshold
    by_weight = weighed(table, vectors, weights=many).predictor.threshold
    assert by_repeats.coverage > 0.9
    assert by_weight.confidence is None


def test_a_copy_is_predicted_by_a_model_that_has_not_seen_the_other() -> None:
    """Text that only a row and its copy have: out of fold neither is known."""
    table, vectors = catalogue(photos=False)
    pairs = np.arange(0, 60, 2)
    rng = np.random.default_rng(5)
    for row in pairs:
        table.loc[[row, row + 1], "clean_designation"] = f"seul{row}"
        table.loc[[row, row + 1], "prdtypecode"] = str(rng.choice([10, 40, 2583]))
    copy_of = np.arange(len(table))
    copy_of[pairs + 1] = pairs
    apart = weighed(table, vectors).out_of_fold["accuracy"]
    together = weighed(table, vectors, copy_of=copy_of).out_of_fold["accuracy"]
    assert together < apart - 0.1
