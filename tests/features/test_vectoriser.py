"""Hashed TF-IDF gives scikit-learn's weights, knows only what it saw, and saves as arrays."""

import random

import numpy as np
import pytest
import scipy.sparse as sp
from sklearn.base import clone
from sklearn.feature_extraction.text import TfidfVectorizer

from rakuten.features.vectoriser import Document, HashedTfidf

TITLES = [
    "table basse ronde table",
    "chaise de jardin",
    "table de jardin en bois",
    "lampe",
    "",
    "chaise chaise chaise haute",
]
DESCRIPTIONS = ["belle table", "", "bois massif bois", "lampe de salon", "", "pour bebe"]
DOCUMENTS = list(zip(TITLES, DESCRIPTIONS, strict=True))


def one_block(**weights: float) -> HashedTfidf:
    """A vectoriser whose other blocks weigh nothing."""
    nothing = {
        "title_words_weight": 0.0,
        "title_characters_weight": 0.0,
        "description_words_weight": 0.0,
    }
    return HashedTfidf(hash_bits=20, **{**nothing, **weights})


def ordered(matrix: sp.csr_matrix) -> list[list[float]]:
    """Columns sorted by their values, so that two matrices compare up to column order."""
    dense = np.asarray(matrix.todense(), dtype=np.float64)
    columns = dense[:, np.abs(dense).sum(axis=0) > 0].T.round(5)
    return sorted(columns.tolist())


def random_documents(count: int, seed: int = 0) -> list[Document]:
    draw = random.Random(seed)
    words = [f"mot{number}" for number in range(80)]

    def text(longest: int) -> str:
        return " ".join(draw.choices(words, k=draw.randrange(longest)))

    return [(text(12), text(30)) for _ in range(count)]


@pytest.mark.parametrize(
    ("block", "field", "analyser", "lengths"),
    [
        ("title_words_weight", 0, "word", (1, 2)),
        ("title_characters_weight", 0, "char_wb", (2, 5)),
        ("description_words_weight", 1, "word", (1, 2)),
    ],
)
def test_a_block_has_the_weights_of_scikit_learn(
    block: str, field: int, analyser: str, lengths: tuple[int, int]
) -> None:
    reference = TfidfVectorizer(
        analyzer=analyser,
        ngram_range=lengths,
        sublinear_tf=True,
        smooth_idf=True,
        norm="l2",
        lowercase=False,
        token_pattern=r"(?u)\b\w+\b" if analyser == "word" else None,
    )
    expected = ordered(reference.fit_transform([document[field] for document in DOCUMENTS]))
    found = one_block(**{block: 1.0}).fit_transform(DOCUMENTS)
    assert len(ordered(found)) == len(expected), "the corpus must hash without collisions"
    assert np.allclose(ordered(found), expected, atol=2e-5)


def test_each_block_is_normalised_by_itself_and_then_weighted() -> None:
    vectoriser = HashedTfidf(12, 0.5, 2.0, 0.25)
    matrix = vectoriser.fit_transform(DOCUMENTS).toarray()
    ends = np.cumsum([0, *(len(columns) for columns in vectoriser.columns_)])
    for number, weight in enumerate((0.5, 2.0, 0.25)):
        norms = np.linalg.norm(matrix[:, ends[number] : ends[number + 1]], axis=1)
        assert set(norms.round(5).tolist()) == {0.0, weight}


def test_fitting_and_transforming_is_transforming_what_was_fitted() -> None:
    documents = random_documents(60)
    both = HashedTfidf(hash_bits=12)
    matrix = both.fit_transform(documents)
    assert (matrix != both.transform(documents)).nnz == 0
    assert (matrix != HashedTfidf(hash_bits=12).fit(documents).transform(documents)).nnz == 0
    assert matrix.dtype == np.float32


def test_a_document_has_the_same_vector_in_any_batch() -> None:
    documents = random_documents(40)
    vectoriser = HashedTfidf(hash_bits=12).fit(documents)
    together = vectoriser.transform(documents)
    for number in (0, 7, 39):
        alone = vectoriser.transform([documents[number]])
        assert (alone != together[number]).nnz == 0


def test_unseen_words_weigh_nothing() -> None:
    vectoriser = HashedTfidf(hash_bits=20).fit(DOCUMENTS)
    assert vectoriser.transform([("xyzzy", "plugh xyzzy")]).nnz == 0
    only_known = one_block(title_words_weight=1.0).fit(DOCUMENTS)
    known = only_known.transform([("lampe", "")])
    assert (only_known.transform([("xyzzy lampe", "")]) != known).nnz == 0
    assert np.count_nonzero(known.toarray()) == 1


def test_only_columns_seen_in_training_are_kept() -> None:
    vectoriser = HashedTfidf(hash_bits=18).fit(DOCUMENTS)
    matrix = vectoriser.transform(random_documents(5))
    assert matrix.shape == (5, sum(len(columns) for columns in vectoriser.columns_))
    assert matrix.shape[1] < 500


def test_empty_documents_are_rows_of_zeros() -> None:
    vectoriser = HashedTfidf(hash_bits=12).fit(DOCUMENTS)
    assert vectoriser.transform([("", ""), ("table", "")])[0].nnz == 0


def test_a_corpus_without_any_description_is_accepted() -> None:
    documents = [(title, "") for title in TITLES]
    vectoriser = HashedTfidf(hash_bits=12)
    matrix = vectoriser.fit_transform(documents)
    assert len(vectoriser.columns_[2]) == 0
    assert np.isfinite(matrix.data).all()
    assert (vectoriser.transform([("table", "une description")])).shape[1] == matrix.shape[1]


def test_the_same_words_in_title_and_description_are_told_apart() -> None:
    vectoriser = HashedTfidf(hash_bits=12).fit([("bois", "bois"), ("table", "table")])
    assert (vectoriser.transform([("bois", "")]) != vectoriser.transform([("", "bois")])).nnz > 0


def test_what_was_learned_survives_as_arrays() -> None:
    documents = random_documents(50)
    fitted = HashedTfidf(hash_bits=12).fit(documents)
    arrays = fitted.get_arrays()
    assert all(array.dtype in (np.int32, np.float32) for array in arrays.values())
    restored = HashedTfidf(hash_bits=12).set_arrays(arrays)
    unseen = random_documents(20, seed=9)
    assert (restored.transform(unseen) != fitted.transform(unseen)).nnz == 0


def test_a_long_text_and_odd_characters_are_accepted() -> None:
    vectoriser = HashedTfidf(hash_bits=12).fit(DOCUMENTS)
    matrix = vectoriser.transform([("table " * 20_000, "😀 \u0301 日本 -- ''")])
    assert np.isfinite(matrix.data).all()


def test_it_is_an_estimator_that_clones_with_its_settings() -> None:
    vectoriser = HashedTfidf(11, 0.1, 0.2, 0.3)
    assert clone(vectoriser).get_params() == vectoriser.get_params()
