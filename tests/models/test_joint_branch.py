"""The joint branch learns what only text and photo together say, and leaks no label."""

from typing import Any

import numpy as np
import pytest
import scipy.sparse as sp
from numpy.typing import NDArray

from rakuten.features.vectoriser import HashedTfidf
from rakuten.models.joint_branch import JointBranch, fit_joint_branch, fold_columns
from rakuten.models.text_branch import make_vectoriser
from rakuten.params import JointBranchParams, TextBranchParams

PARAMS = JointBranchParams(components=16, landmarks=80)
Documents = list[tuple[str, str]]


def catalogue(rows: int = 240) -> tuple[Documents, NDArray[np.float32], NDArray[np.int64]]:
    """Types that neither the title's brand nor the photo's side tells, but both together do."""
    rng = np.random.default_rng(0)
    brand, side = rng.integers(0, 2, rows), rng.integers(0, 2, rows)
    vectors = rng.normal(scale=0.5, size=(rows, 12)).astype(np.float32)
    vectors[:, 0] += 4 * side
    words = rng.integers(0, 9, rows)
    documents = [(f"{('alpha', 'omega')[b]} mot{n}", "") for b, n in zip(brand, words, strict=True)]
    return documents, vectors, brand ^ side


def vectoriser_of(documents: Documents) -> HashedTfidf:
    vectoriser = make_vectoriser(TextBranchParams(hash_bits=12, min_df=1))
    return vectoriser.fit(documents)


def fit(
    documents: Documents,
    vectors: NDArray[np.float32],
    codes: NDArray[np.int64],
    *,
    classes: int = 2,
    params: JointBranchParams = PARAMS,
) -> tuple[JointBranch, NDArray[np.float64]]:
    return fit_joint_branch(
        vectoriser_of(documents),
        documents,
        vectors,
        np.arange(len(codes)),
        codes,
        np.arange(len(codes)) % 3,
        classes=classes,
        params=params,
        seed=1,
    )


def test_it_learns_what_neither_text_nor_photo_says_alone() -> None:
    _, scores = fit(*(problem := catalogue()))
    assert (scores.argmax(axis=1) == problem[2]).mean() > 0.95


def test_out_of_fold_scores_have_not_seen_their_own_label() -> None:
    documents, vectors, codes = catalogue()
    _, expected = fit(documents, vectors, codes)
    mine = np.arange(len(codes)) % 3 == 0
    changed = np.where(mine, 1 - codes, codes)
    _, found = fit(documents, vectors, changed)
    # The fold's share of the normal equations is added and taken away again.
    assert np.allclose(found[mine], expected[mine], atol=1e-6)
    assert np.abs(found[~mine] - expected[~mine]).max() > 0.1


def test_it_answers_alike_before_and_after_saving_and_in_any_batch() -> None:
    documents, vectors, codes = catalogue()
    branch, _ = fit(documents, vectors, codes)
    matrix = vectoriser_of(documents).transform(documents)
    scores = branch.scores(matrix, vectors)
    restored = JointBranch.from_arrays(branch.get_arrays())
    assert np.array_equal(restored.scores(matrix, vectors), scores)
    for row in (0, 100):
        alone = branch.scores(matrix[row], vectors[row : row + 1])
        assert np.allclose(alone[0], scores[row], atol=1e-6)


def test_training_repeats_to_the_bit() -> None:
    first, second = (fit(*catalogue()) for _ in range(2))
    assert np.array_equal(first[1], second[1])
    for name, array in first[0].get_arrays().items():
        assert np.array_equal(array, second[0].get_arrays()[name]), name


def test_types_without_a_row_in_a_fold_are_accepted() -> None:
    documents, vectors, codes = catalogue(60)
    codes = codes.copy()
    codes[0] = 2
    _, scores = fit(documents, vectors, codes, classes=4)
    assert scores.shape == (60, 4)
    assert np.isfinite(scores).all()


@pytest.mark.parametrize("empty", ["text", "photo"])
def test_a_modality_that_says_nothing_leaves_the_other(empty: str) -> None:
    documents, vectors, _ = catalogue()
    codes = (vectors[:, 0] > 2).astype(np.int64)
    if empty == "photo":
        codes = np.array([title.startswith("omega") for title, _ in documents]).astype(np.int64)
        vectors = np.zeros_like(vectors)
    else:
        documents = [("mot", "")] * len(documents)
    _, scores = fit(documents, vectors, codes)
    assert (scores.argmax(axis=1) == codes).mean() > 0.95


def test_folding_keeps_inner_products() -> None:
    rng = np.random.default_rng(0)
    matrix = sp.random(40, 30_000, density=0.005, format="csr", rng=rng, dtype=np.float32)
    exact: Any = (matrix @ matrix.T).toarray()
    folded = fold_columns(matrix)
    found = folded @ folded.T
    length = np.sqrt(np.outer(np.diag(exact), np.diag(exact)))
    # The standard deviation of a sketched inner product of unit vectors is at most sqrt(2/2048).
    assert np.abs((found - exact) / length).max() < 6 * np.sqrt(2 / folded.shape[1])
    assert np.linalg.matrix_rank(folded) == 40


def test_folding_takes_rows_and_columns_that_are_empty() -> None:
    assert not fold_columns(sp.csr_matrix((3, 50), dtype=np.float32)).any()
    assert fold_columns(sp.csr_matrix((2, 0), dtype=np.float32)).shape == (2, 2048)
