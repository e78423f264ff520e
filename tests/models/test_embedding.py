"""Small embeddings: the same whatever the batch, bounded, repeatable, and moved by what is new."""

import dataclasses
import io
import random
from pathlib import Path
from typing import cast

import numpy as np
import pytest
import scipy.sparse as sp
from numpy.typing import NDArray
from PIL import Image, ImageOps
from scipy.spatial.distance import cdist

from rakuten import catalog
from rakuten.data import schema
from rakuten.errors import ImageError
from rakuten.features.vectoriser import CHUNK, HashedTfidf
from rakuten.imaging import read_image
from rakuten.models.embedding import (
    DECIMALS,
    DIMENSION,
    Embedder,
    Projection,
    fit_image_projection,
    fit_text_projection,
    fold_columns,
)
from rakuten.models.feature_row import feature_columns
from rakuten.models.predict_model import table_products
from rakuten.models.predictor import Predictor, Product
from rakuten.settings import ProjectPaths
from rakuten.stages.train import TrainOutcome
from rakuten.text import clean_text

Project = tuple[ProjectPaths, TrainOutcome]
Floats = NDArray[np.float64]

BATCH = 1e-6
WORDS = [f"mot{number}" for number in range(200)]


def titles(rows: int, seed: int = 0) -> list[tuple[str, str]]:
    draw = random.Random(seed)
    return [(" ".join(draw.choices(WORDS, k=6)), "") for _ in range(rows)]


def fitted(documents: list[tuple[str, str]]) -> HashedTfidf:
    return HashedTfidf(hash_bits=12).fit(documents)


def photos(rows: int, dimension: int = 60, seed: int = 0) -> NDArray[np.float32]:
    draw = np.random.default_rng(seed)
    scales = np.linspace(5, 0.5, dimension)
    return (draw.normal(size=(rows, dimension)) * scales + 3).astype(np.float32)


def text_projection(documents: list[tuple[str, str]], rows: NDArray[np.int64]) -> Projection:
    projection = fit_text_projection(fitted(documents), documents, rows, seed=1)
    assert projection is not None
    return projection


def image_projection(vectors: NDArray[np.float32], rows: NDArray[np.int64]) -> Projection:
    projection = fit_image_projection(vectors, rows, seed=1)
    assert projection is not None
    return projection


# --- projections ---------------------------------------------------------------------------


def test_each_number_has_mean_zero_and_deviation_one_on_the_training_rows() -> None:
    documents, vectors, rows = titles(300), photos(300), np.arange(300)
    text, image = text_projection(documents, rows), image_projection(vectors, rows)
    for values in (
        text.apply(fold_columns(fitted(documents).transform(documents))),
        image.apply(vectors.astype(np.float64)),
    ):
        assert values.shape == (300, DIMENSION)
        assert np.abs(values.mean(axis=0)).max() < 1e-4
        assert values.std(axis=0) == pytest.approx(np.ones(DIMENSION), abs=1e-4)


def test_the_kernel_embeds_texts_as_a_folded_matrix_does() -> None:
    documents = [*titles(CHUNK), ("", ""), *titles(200)]
    vectoriser, text = fitted(documents), text_projection(documents, np.arange(len(documents)))
    rows = vectoriser.weigh(documents)
    assert len(rows.parts) == 2
    found = Embedder(text, None).embed_text(rows)
    assert found is not None
    # Half way between two decimals, the order of a sum decides.
    assert found == pytest.approx(text.apply(fold_columns(rows.matrix)), abs=1.5 * 10.0**-DECIMALS)
    assert (found == text.apply(fold_columns(rows.matrix))).mean() > 0.999


def test_the_image_directions_are_the_principal_components() -> None:
    vectors = photos(400)
    values = image_projection(vectors, np.arange(400)).apply(vectors.astype(np.float64))
    centred = vectors.astype(np.float64) - vectors.mean(axis=0)
    left, _, _ = np.linalg.svd(centred, full_matrices=False)
    agreement = np.abs((left[:, :8] * np.sqrt(400) * values[:, :8]).mean(axis=0))
    assert agreement.min() > 0.999


def test_learning_repeats_to_the_bit_and_depends_on_the_seed_alone() -> None:
    vectors, rows = photos(300), np.arange(300)
    first, second = (image_projection(vectors, rows) for _ in range(2))
    assert np.array_equal(first.weights, second.weights)
    assert np.array_equal(first.offset, second.offset)
    documents = titles(300)
    one, two = (text_projection(documents, rows) for _ in range(2))
    assert np.array_equal(one.weights, two.weights)
    assert np.array_equal(one.offset, two.offset)


def test_signs_are_fixed() -> None:
    for projection in (
        image_projection(photos(300), np.arange(300)),
        text_projection(titles(300), np.arange(300)),
    ):
        largest = np.abs(projection.weights).argmax(axis=0)
        assert (projection.weights[largest, np.arange(DIMENSION)] > 0).all()


def test_other_rows_are_never_looked_at() -> None:
    vectors, documents = photos(300), titles(300)
    rows = np.arange(0, 300, 2)
    vectoriser = fitted([documents[row] for row in rows])
    spoilt = vectors.copy()
    spoilt[1::2] = np.nan
    changed = [
        document if row % 2 == 0 else ("secret", "secret") for row, document in enumerate(documents)
    ]
    image, other_image = image_projection(vectors, rows), image_projection(spoilt, rows)
    assert np.array_equal(image.weights, other_image.weights)
    text, other_text = (
        fit_text_projection(vectoriser, texts, rows, seed=1) for texts in (documents, changed)
    )
    assert text is not None
    assert other_text is not None
    assert np.array_equal(text.weights, other_text.weights)


def test_a_catalogue_of_any_size_is_learned_from_a_sample(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("rakuten.models.embedding.SAMPLE_ROWS", 50)
    read: list[int] = []

    class Rows:
        def __getitem__(self, rows: NDArray[np.int64]) -> NDArray[np.float32]:
            read.append(len(rows))
            return photos(400)[rows]

    image_projection(cast(NDArray[np.float32], Rows()), np.arange(400))
    assert read == [50]


def test_few_rows_give_as_many_numbers_as_they_span() -> None:
    five = image_projection(photos(5), np.arange(5))
    assert five.weights.shape == (60, 4)
    repeated = titles(3) * 10
    assert text_projection(repeated, np.arange(30)).weights.shape[1] <= 3


def test_rows_that_do_not_differ_have_no_embedding() -> None:
    equal = np.full((40, 60), 0.1, dtype=np.float32)
    assert fit_image_projection(equal, np.arange(40), seed=1) is None
    same = [("une table", "")] * 40
    assert fit_text_projection(fitted(same), same, np.arange(40), seed=1) is None
    wordless = [("***", "")] * 40
    assert fit_text_projection(fitted(wordless), wordless, np.arange(40), seed=1) is None


def test_folding_keeps_inner_products_nearly_and_adds_up_collisions() -> None:
    draw = np.random.default_rng(0)
    matrix = sp.random(40, 200_000, density=0.002, format="csr", random_state=draw)
    folded = fold_columns(matrix)
    assert folded.shape == (40, 4096)
    exact, kept = (matrix @ matrix.T).toarray(), (folded @ folded.T).toarray()
    norms = np.sqrt(np.diag(exact))
    assert np.abs((kept - exact) / np.outer(norms, norms)).max() < 0.1
    assert fold_columns(matrix[:, :1000].tocsr()).shape == (40, 4096)


def test_what_was_saved_is_restored_to_the_bit() -> None:
    rows = np.arange(100)
    embedder = Embedder(text_projection(titles(100), rows), image_projection(photos(100), rows))
    arrays = embedder.get_arrays()
    assert all(array.dtype == np.float32 for array in arrays.values())
    restored = Embedder.from_arrays(arrays)
    vectors = photos(20, seed=5)
    expected, found = embedder.embed_images(vectors), restored.embed_images(vectors)
    assert expected is not None
    assert found is not None
    assert np.array_equal(expected, found)
    text_only = Embedder.from_arrays(Embedder(embedder.text, None).get_arrays())
    assert text_only.embed_images(vectors) is None
    assert text_only.text is not None


# --- in the model --------------------------------------------------------------------------


@pytest.fixture(scope="module")
def predictor(trained_project: Project) -> Predictor:
    return Predictor.load(trained_project[0].model, threads=2)


@pytest.fixture(scope="module")
def products(trained_project: Project) -> list[Product]:
    """Every product of X_train.csv that has both title and photo, photos as bytes."""
    paths, _ = trained_project
    table = schema.read_products(paths.raw / catalog.X_TRAIN)
    found = []
    for product in table_products(table, paths.raw / catalog.IMAGE_TRAIN):
        assert isinstance(product.image, Path)
        try:
            data = read_image(product.image)
            Image.open(io.BytesIO(data)).load()
        except (ImageError, OSError):
            continue
        if clean_text(product.designation):
            found.append(dataclasses.replace(product, image=data))
    return found


def embeddings(predictor: Predictor, products: list[Product]) -> dict[str, Floats]:
    columns = feature_columns([p.features for p in predictor.predict(products)])
    return {name: columns[f"{name}_embedding"] for name in ("text", "image")}


def test_embeddings_do_not_depend_on_the_batch(
    predictor: Predictor, products: list[Product]
) -> None:
    some = products[:60]
    together = embeddings(predictor, some)
    for size in (1, 7):
        parts = [embeddings(predictor, some[start : start + size]) for start in range(0, 60, size)]
        for name, values in together.items():
            found = np.concatenate([part[name] for part in parts])
            assert np.abs(found - values).max() <= BATCH


def test_a_product_without_text_or_photo_has_no_such_embedding(
    predictor: Predictor, products: list[Product]
) -> None:
    product = products[0]
    cases = [
        product,
        dataclasses.replace(product, image=None),
        dataclasses.replace(product, image=b"broken"),
        Product(image=product.image),
        Product("<br>", "", None),
    ]
    rows = [prediction.features for prediction in predictor.predict(cases)]
    texts, images = (
        [row["text_embedding"] for row in rows],
        [row["image_embedding"] for row in rows],
    )
    assert [text is None for text in texts] == [False, False, False, True, True]
    assert [image is None for image in images] == [False, True, True, False, True]
    assert texts[1] == texts[0]
    assert images[3] == images[0]


def energy_distance(first: Floats, second: Floats) -> float:
    """Székely and Rizzo (2013); unbiased, so near zero for samples of one distribution."""
    n, m = len(first), len(second)
    within = cdist(first, first).sum() / (n * (n - 1)) + cdist(second, second).sum() / (m * (m - 1))
    return float(2 * cdist(first, second).mean() - within)


def invent(words: str, draw: random.Random) -> str:
    """As many words, in a vocabulary that no training row has."""
    return " ".join(f"{draw.choice('kwxz')}{draw.randrange(300):o}qj" for _ in words.split())


def invert(data: bytes) -> bytes:
    buffer = io.BytesIO()
    with Image.open(io.BytesIO(data)) as image:
        ImageOps.invert(image.convert("RGB")).save(buffer, "JPEG", quality=90)
    return buffer.getvalue()


def test_a_new_vocabulary_or_photo_style_moves_embeddings_far_more_than_resampling_does(
    predictor: Predictor, products: list[Product]
) -> None:
    order = np.random.default_rng(0).permutation(len(products))
    draw = random.Random(0)
    mine = [products[row] for row in order]
    half = len(mine) // 2
    shifted = []
    for product in mine[half:]:
        assert isinstance(product.image, bytes)
        title, body = (invent(text, draw) for text in (product.designation, product.description))
        shifted.append(Product(title, body, invert(product.image)))
    usual, unusual = embeddings(predictor, mine), embeddings(predictor, shifted)
    for name, values in usual.items():
        resampled = []
        for seed in range(20):
            rows = np.random.default_rng(seed).permutation(len(values))
            resampled.append(energy_distance(values[rows[:half]], values[rows[half:]]))
        assert energy_distance(values[:half], unusual[name]) > 10 * max(resampled)


def test_the_projections_are_small(trained_project: Project) -> None:
    assert (trained_project[0].model / "embedding.npz").stat().st_size < 2_000_000
