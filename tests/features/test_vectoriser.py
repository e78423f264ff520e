"""Hashed TF-IDF gives scikit-learn's weights, knows only what it saw, and saves as arrays."""

import random
from collections import Counter
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import scipy.sparse as sp
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.utils import estimator_checks

from rakuten.features.vectoriser import CHUNK, Block, Document, HashedTfidf, join_fields
from rakuten.text import clean_text

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


BLOCKS = (Block(0, "word", 1, 2), Block(0, "char_wb", 2, 5), Block(1, "word", 1, 2, 0.7))


def text_of(document: Document, block: Block) -> str:
    return join_fields(document) if block.field is None else document[block.field]


def of_two_fields(hash_bits: int = 12, **options: Any) -> HashedTfidf:
    return HashedTfidf(BLOCKS, hash_bits=hash_bits, **options)


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
    "block",
    [
        *BLOCKS,
        Block(1, "char_wb", 3, 3),
        Block(0, "word", 2, 3),
        Block(0, "char_wb", 1, 8),
        Block(None, "word", 1, 2),
    ],
)
@pytest.mark.parametrize("min_df", [1, 2])
def test_a_block_has_the_weights_of_scikit_learn(block: Block, min_df: int) -> None:
    reference = TfidfVectorizer(
        analyzer=block.analyser,
        ngram_range=(block.low, block.high),
        sublinear_tf=True,
        min_df=min_df,
        lowercase=False,
        token_pattern=r"(?u)\b\w+\b" if block.analyser == "word" else None,
    )
    documents = [*DOCUMENTS, *random_documents(20)]
    expected = ordered(
        reference.fit_transform([text_of(document, block) for document in documents])
    )
    vectoriser = HashedTfidf([replace(block, weight=1.0)], hash_bits=22, min_df=min_df)
    found = ordered(vectoriser.fit_transform(documents))
    assert len(found) == len(expected), "the corpus must hash without collisions"
    assert np.allclose(found, expected, atol=2e-5)


def test_each_block_is_normalised_by_itself_and_then_weighted() -> None:
    weights = (0.5, 2.0, 0.25)
    blocks = [replace(block, weight=weight) for block, weight in zip(BLOCKS, weights, strict=True)]
    vectoriser = HashedTfidf(blocks, hash_bits=12)
    matrix = vectoriser.fit_transform(DOCUMENTS).toarray()
    for number, weight in enumerate(weights):
        norms = np.linalg.norm(matrix[:, vectoriser.columns_ >> 12 == number], axis=1)
        assert set(norms.round(5).tolist()) == {0.0, weight}


def test_raw_text_is_cleaned_unless_it_is_said_to_be_clean() -> None:
    raw = [("<b>Table</b> d&eacute;co 10 cm", "Bois,<br/>MASSIF"), ("Chaise ÉTÉ", "")]
    clean = [tuple(clean_text(text) for text in document) for document in raw]
    expected = of_two_fields(clean=False).fit_transform(clean)
    found = of_two_fields().fit_transform(raw)
    assert np.array_equal(found.toarray(), expected.toarray())
    as_is = of_two_fields(clean=False).fit_transform(raw)
    assert not np.array_equal(as_is.sum(axis=1), expected.sum(axis=1))


def test_documents_of_one_field_are_plain_texts() -> None:
    pairs = HashedTfidf(hash_bits=12).fit_transform([(title,) for title in TITLES])
    assert (HashedTfidf(hash_bits=12).fit_transform(TITLES) != pairs).nnz == 0


@pytest.mark.parametrize("documents", [[("title",)], [("a", "b"), ("a",)], ["title"], [3], "text"])
def test_documents_without_the_fields_of_the_blocks_are_refused(documents: Any) -> None:
    with pytest.raises((ValueError, TypeError, AttributeError)):
        of_two_fields().fit(documents)


def test_fitting_on_nothing_is_refused_and_transforming_nothing_is_no_rows() -> None:
    with pytest.raises(ValueError, match="no documents"):
        of_two_fields().fit([])
    assert of_two_fields().fit(DOCUMENTS).transform([]).shape[0] == 0


def test_transforming_before_fitting_says_so() -> None:
    with pytest.raises(NotFittedError):
        of_two_fields().transform(DOCUMENTS)


@pytest.mark.parametrize("threads", [2, 3])
def test_threads_and_chunks_do_not_change_the_result(threads: int) -> None:
    documents = random_documents(2 * CHUNK + 17)
    expected = of_two_fields().fit(documents[:CHUNK])
    found = of_two_fields(threads=threads).fit(documents[:CHUNK])
    assert (found.transform(documents) != expected.transform(documents)).nnz == 0
    both = of_two_fields(threads=threads).fit_transform(documents)
    assert (both != of_two_fields().fit(documents).transform(documents)).nnz == 0


def test_rare_columns_are_dropped() -> None:
    texts = ["bois rare", "bois metal", "metal bois"]
    one_word = [Block(0, "word", 1, 1)]
    vectoriser = HashedTfidf(one_word, min_df=2).fit(texts)
    assert len(vectoriser.columns_) == 2
    assert vectoriser.transform(["rare"]).nnz == 0


def test_fitting_and_transforming_is_transforming_what_was_fitted() -> None:
    documents = random_documents(60)
    both = of_two_fields()
    matrix = both.fit_transform(documents)
    assert (matrix != both.transform(documents)).nnz == 0
    assert (matrix != of_two_fields().fit(documents).transform(documents)).nnz == 0
    assert matrix.dtype == np.float32


def test_a_document_has_the_same_vector_in_any_batch() -> None:
    documents = random_documents(40)
    vectoriser = of_two_fields().fit(documents)
    together = vectoriser.transform(documents)
    for number in (0, 7, 39):
        alone = vectoriser.transform([documents[number]])
        assert (alone != together[number]).nnz == 0


def test_unseen_words_weigh_nothing() -> None:
    vectoriser = of_two_fields(20).fit(DOCUMENTS)
    assert vectoriser.transform([("xyzzy", "plugh xyzzy")]).nnz == 0
    only_known = HashedTfidf([Block(0, "word", 1, 2)]).fit(DOCUMENTS)
    known = only_known.transform([("lampe", "")])
    assert (only_known.transform([("xyzzy lampe", "")]) != known).nnz == 0
    assert np.count_nonzero(known.toarray()) == 1


def test_only_columns_seen_in_training_are_kept() -> None:
    vectoriser = of_two_fields(18).fit(DOCUMENTS)
    matrix = vectoriser.transform(random_documents(5))
    assert matrix.shape == (5, len(vectoriser.columns_))
    assert matrix.shape[1] < 500


def test_empty_documents_are_rows_of_zeros() -> None:
    vectoriser = of_two_fields().fit(DOCUMENTS)
    assert vectoriser.transform([("", ""), ("table", "")])[0].nnz == 0


def test_a_corpus_without_any_description_is_accepted() -> None:
    documents = [(title, "") for title in TITLES]
    vectoriser = of_two_fields()
    matrix = vectoriser.fit_transform(documents)
    assert (vectoriser.columns_ >> 12 < 2).all()
    assert np.isfinite(matrix.data).all()
    assert (vectoriser.transform([("table", "une description")])).shape[1] == matrix.shape[1]


def test_the_same_words_in_title_and_description_are_told_apart() -> None:
    vectoriser = of_two_fields().fit([("bois", "bois"), ("table", "table")])
    assert (vectoriser.transform([("bois", "")]) != vectoriser.transform([("", "bois")])).nnz > 0


def test_what_was_learned_survives_as_arrays() -> None:
    documents = random_documents(50)
    fitted = of_two_fields().fit(documents)
    arrays = fitted.get_arrays()
    assert all(array.dtype in (np.int32, np.float32) for array in arrays.values())
    restored = of_two_fields().set_arrays(arrays)
    unseen = random_documents(20, seed=9)
    assert (restored.transform(unseen) != fitted.transform(unseen)).nnz == 0


def test_a_long_text_and_odd_characters_are_accepted() -> None:
    vectoriser = of_two_fields().fit(DOCUMENTS)
    long = ["table " * 170_000, "x" * 1_000_000, "日本" * 500_000, "\x00" * 1_000_000]
    matrix = vectoriser.transform([(text, "😀 \u0301 \ud800 -- ''") for text in long])
    assert np.isfinite(matrix.data).all()
    assert matrix[0].nnz > 0


def test_it_is_an_estimator_that_clones_with_its_settings() -> None:
    vectoriser = HashedTfidf(BLOCKS, hash_bits=11, min_df=3, clean=False, threads=2)
    assert clone(vectoriser).get_params() == vectoriser.get_params()


@pytest.mark.parametrize(
    "block", [*BLOCKS, Block(1, "char_wb", 1, 8), Block(None, "char_wb", 2, 5)]
)
def test_the_ngrams_of_a_document_are_those_that_its_vector_counts(block: Block) -> None:
    vectoriser = HashedTfidf([block], hash_bits=22, clean=False).fit(DOCUMENTS)
    for document in DOCUMENTS:
        counts = Counter(column for column, *_ in vectoriser.ngrams(document))
        row = vectoriser.transform([document])
        assert set(counts) == set(row.indices.tolist())
        text = f" {text_of(document, block)} "
        parts: dict[int, set[str]] = {}
        for column, field, start, length in vectoriser.ngrams(document):
            assert field == block.field
            parts.setdefault(column, set()).add(text[start + 1 : start + 1 + length])
        assert all(len(spellings) == 1 for spellings in parts.values())
        weights = {c: (1 + np.log(n)) * vectoriser.idf_[c] for c, n in counts.items()}
        norm = np.sqrt(sum(weight**2 for weight in weights.values()))
        for column, value in zip(row.indices.tolist(), row.data.tolist(), strict=True):
            assert np.isclose(value, block.weight * weights[column] / norm, atol=1e-5)


@pytest.mark.parametrize(
    "check",
    [
        "check_estimator_cloneable",
        "check_estimator_repr",
        "check_estimator_tags_renamed",
        "check_get_params_invariance",
        "check_mixin_order",
        "check_no_attributes_set_in_init",
        "check_parameters_default_constructible",
        "check_set_params",
        "check_valid_tag_types",
    ],
)
def test_it_keeps_the_conventions_of_scikit_learn(check: str) -> None:
    """Those checks that need no data: the others bring arrays of numbers, which are no texts."""
    getattr(estimator_checks, check)("HashedTfidf", HashedTfidf(hash_bits=8))


def test_it_works_in_a_pipeline_of_scikit_learn() -> None:
    texts = [f"{word} numero {n}" for n in range(20) for word in ("chaise", "lampe")]
    labels = ["meuble", "lumiere"] * 20
    model = make_pipeline(HashedTfidf(hash_bits=12), LogisticRegression(C=100))
    assert cross_val_score(model, texts, labels, cv=4).mean() == 1.0
    searched = GridSearchCV(model, {"hashedtfidf__min_df": [1, 3]}, cv=2).fit(texts, labels)
    assert searched.predict(["grande LAMPE", "petite chaise"]).tolist() == ["lumiere", "meuble"]
