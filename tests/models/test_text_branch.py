"""The text branch learns, its out-of-fold scores see no label of their own fold, and it repeats."""

import random

import numpy as np
import pytest
from numpy.typing import NDArray

from rakuten.data.split import stratified_folds
from rakuten.features.vectoriser import Document
from rakuten.models.text_branch import TextBranch, fit_text_branch
from rakuten.params import TextBranchParams

CLASSES = 4
PARAMS = TextBranchParams(hash_bits=12, regularisation=(0.3,))


def corpus(
    rows: int, *, informative: bool, seed: int = 0
) -> tuple[list[Document], NDArray[np.int64]]:
    """Documents of random words; informative ones carry a word of their class."""
    draw = random.Random(seed)
    words = [f"mot{number}" for number in range(300)]
    codes = [draw.randrange(CLASSES) for _ in range(rows)]
    documents: list[Document] = []
    for code in codes:
        title = draw.choices(words, k=6)
        if informative:
            title.insert(draw.randrange(6), f"type{code}")
        documents.append((" ".join(title), " ".join(draw.choices(words, k=10))))
    return documents, np.array(codes, dtype=np.int64)


def fit(
    documents: list[Document], codes: NDArray[np.int64], *, threads: int = 1
) -> tuple[TextBranch, NDArray[np.float64]]:
    folds = stratified_folds(codes, folds=3, seed=1)
    return fit_text_branch(documents, codes, folds, classes=CLASSES, params=PARAMS, threads=threads)


def accuracy(scores: NDArray[np.float64], codes: NDArray[np.int64]) -> float:
    return float((scores.argmax(axis=1) == codes).mean())


def test_it_learns_words_that_tell_types_apart() -> None:
    documents, codes = corpus(400, informative=True)
    branch, out_of_fold = fit(documents, codes)
    unseen, truth = corpus(200, informative=True, seed=5)
    assert accuracy(out_of_fold, codes) > 0.9
    assert accuracy(branch.scores(unseen), truth) > 0.9


def test_out_of_fold_scores_have_not_seen_their_own_label() -> None:
    documents, codes = corpus(600, informative=False)
    branch, out_of_fold = fit(documents, codes)
    assert accuracy(branch.scores(documents), codes) > 0.9
    # Four standard deviations of guessing among four types.
    assert abs(accuracy(out_of_fold, codes) - 0.25) < 4 * np.sqrt(0.25 * 0.75 / 600)


def test_a_fold_does_not_depend_on_its_own_labels() -> None:
    documents, codes = corpus(200, informative=True)
    folds = stratified_folds(codes, folds=3, seed=1)

    def first_fold(labels: NDArray[np.int64]) -> NDArray[np.float64]:
        _, scores = fit_text_branch(
            documents, labels, folds, classes=CLASSES, params=PARAMS, threads=1
        )
        return np.asarray(scores[folds == 0])

    changed = codes.copy()
    changed[folds == 0] = (changed[folds == 0] + 1) % CLASSES
    assert np.array_equal(first_fold(codes), first_fold(changed))
    changed = codes.copy()
    changed[folds == 1] = (changed[folds == 1] + 1) % CLASSES
    assert not np.array_equal(first_fold(codes), first_fold(changed))


@pytest.mark.parametrize("threads", [1, 2, 4])
def test_the_result_is_the_same_to_the_bit_with_any_number_of_threads(threads: int) -> None:
    documents, codes = corpus(500, informative=False)
    expected, expected_scores = fit(documents, codes)
    branch, scores = fit(documents, codes, threads=threads)
    assert np.array_equal(scores, expected_scores)
    for name, array in expected.get_arrays().items():
        assert np.array_equal(branch.get_arrays()[name], array)


def test_the_regularisation_with_the_better_out_of_fold_score_is_taken() -> None:
    documents, codes = corpus(300, informative=True)
    folds = stratified_folds(codes, folds=3, seed=1)

    def out_of_fold(*candidates: float) -> NDArray[np.float64]:
        params = TextBranchParams(hash_bits=12, regularisation=candidates)
        _, scores = fit_text_branch(
            documents, codes, folds, classes=CLASSES, params=params, threads=1
        )
        return scores

    weak, strong = out_of_fold(1e-6), out_of_fold(1.0)
    assert accuracy(strong, codes) > accuracy(weak, codes)
    assert np.array_equal(out_of_fold(1e-6, 1.0), strong)
    assert np.array_equal(out_of_fold(1.0, 1e-6), strong)


def test_it_answers_alike_before_and_after_saving() -> None:
    documents, codes = corpus(200, informative=True)
    branch, _ = fit(documents, codes)
    restored = TextBranch.from_arrays(branch.get_arrays(), branch.vectoriser.get_arrays(), PARAMS)
    assert np.array_equal(restored.scores(documents), branch.scores(documents))


def test_a_document_scores_alike_in_any_batch() -> None:
    documents, codes = corpus(120, informative=True)
    branch, _ = fit(documents, codes)
    alone = np.concatenate([branch.scores([document]) for document in documents])
    assert np.array_equal(alone, branch.scores(documents))


def test_a_type_without_rows_never_wins() -> None:
    documents, codes = corpus(200, informative=True)
    codes[codes == 2] = 1
    branch, out_of_fold = fit(documents, codes)
    assert (branch.scores(documents)[:, 2] == -1).all()
    assert (out_of_fold.argmax(axis=1) != 2).all()


def test_a_type_seen_once_is_accepted() -> None:
    documents, codes = corpus(100, informative=True)
    codes[codes == 3] = 0
    codes[17] = 3
    branch, out_of_fold = fit(documents, codes)
    assert np.isfinite(out_of_fold).all()
    assert np.isfinite(branch.scores(documents)).all()


def test_rows_of_one_type_in_the_other_folds_are_accepted() -> None:
    documents, codes = corpus(6, informative=True)
    codes[:] = 0
    codes[0] = 1
    folds = np.array([0, 1, 1, 1, 1, 1])
    _, scores = fit_text_branch(documents, codes, folds, classes=CLASSES, params=PARAMS, threads=1)
    assert np.isfinite(scores).all()
    assert scores[0].argmax() == 0


def test_a_heavy_row_pulls_the_scores_to_its_type() -> None:
    documents, codes = corpus(200, informative=False)
    folds = stratified_folds(codes, folds=3, seed=1)
    scores = []
    for weight in (1.0, 50.0):
        branch, out_of_fold = fit_text_branch(
            documents,
            codes,
            folds,
            classes=CLASSES,
            params=PARAMS,
            threads=1,
            weights=np.where(np.arange(200) == 7, weight, 1.0),
        )
        scores.append((branch.scores(documents[7:8])[0, codes[7]], out_of_fold))
    (light, plain), (heavy, found) = scores
    assert 1 - heavy < 0.5 * (1 - light)
    mine = folds == folds[7]
    assert np.array_equal(found[mine], plain[mine])  # by models that have not seen it
    assert not np.array_equal(found[~mine], plain[~mine])
