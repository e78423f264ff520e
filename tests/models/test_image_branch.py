"""The image branch learns, repeats, and scores each row by labels of other folds alone."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from rakuten.data.split import stratified_folds
from rakuten.models.image_branch import ImageBranch, fit_image_branch
from rakuten.params import ImageBranchParams

CLASSES = 3
PARAMS = ImageBranchParams(components=16, landmarks=120)
Vectors = NDArray[np.float32]


def photos(rows: int, *, informative: bool, seed: int = 0) -> tuple[Vectors, NDArray[np.int64]]:
    rng = np.random.default_rng(seed)
    codes = rng.integers(0, CLASSES, rows)
    vectors = rng.normal(size=(rows, 40))
    if informative:
        vectors[:, :CLASSES] += 4 * np.eye(CLASSES)[codes]
    return vectors.astype(np.float32), codes


def fit(
    vectors: Vectors,
    codes: NDArray[np.int64],
    *,
    rows: NDArray[np.int64] | None = None,
    params: ImageBranchParams = PARAMS,
    seed: int = 42,
    blocks: Sequence[int] = (),
    threads: int = 1,
) -> tuple[ImageBranch, NDArray[np.float64]]:
    chosen = np.arange(len(vectors)) if rows is None else rows
    folds = stratified_folds(codes, folds=3, seed=1)
    return fit_image_branch(
        vectors,
        chosen,
        codes,
        folds,
        classes=CLASSES,
        params=params,
        seed=seed,
        blocks=blocks,
        threads=threads,
    )


def accuracy(scores: NDArray[np.float64], codes: NDArray[np.int64]) -> float:
    return float((scores.argmax(axis=1) == codes).mean())


def test_it_learns_what_tells_types_apart() -> None:
    branch, out_of_fold = fit(*photos(400, informative=True))
    unseen, truth = photos(200, informative=True, seed=5)
    assert accuracy(out_of_fold, photos(400, informative=True)[1]) > 0.9
    assert accuracy(branch.scores(unseen), truth) > 0.9


def test_out_of_fold_scores_have_not_seen_their_own_label() -> None:
    vectors, codes = photos(400, informative=False)
    params = ImageBranchParams(components=40, landmarks=400, gamma=8.0, ridge=0.001)
    branch, out_of_fold = fit(vectors, codes, params=params)
    assert accuracy(branch.scores(vectors), codes) > 0.95
    # Four standard deviations of guessing among three types.
    assert abs(accuracy(out_of_fold, codes) - 1 / 3) < 4 * np.sqrt(2 / 9 / 400)


def test_out_of_fold_scores_are_those_of_a_model_trained_without_the_fold() -> None:
    vectors, codes = photos(300, informative=True)
    folds = stratified_folds(codes, folds=3, seed=1)
    params = ImageBranchParams(components=8, landmarks=50)
    branch, out_of_fold = fit(vectors, codes, params=params)
    # Projection and landmarks see no labels, so the folds share them; the ridge solution
    # is rebuilt here from the other folds alone.
    kernel = branch.kernel(branch.project(vectors))
    among = branch.kernel(branch.landmarks)
    targets = np.where(codes[:, None] == np.arange(CLASSES), 1.0, -1.0)
    for fold in range(3):
        others = folds != fold
        gram = kernel[others].T @ kernel[others] + params.ridge * among
        weights = np.linalg.solve(gram, kernel[others].T @ targets[others])
        expected = kernel[folds == fold] @ weights
        assert np.allclose(out_of_fold[folds == fold], expected, atol=2e-2)


def test_the_kernel_is_the_mean_of_a_gaussian_kernel_a_block() -> None:
    vectors, codes = photos(80, informative=True)
    blocks = (10, 30)
    params = ImageBranchParams(components=40, landmarks=80, gamma=1.5)
    branch, _ = fit(vectors, codes, params=params, blocks=blocks)
    expected = np.zeros((80, 80))
    for part in np.split(vectors.astype(np.float64), [10], axis=1):
        # All components are kept, so distances are those between the vectors themselves.
        squared = _squared(part)
        expected += np.exp(-1.5 * squared / squared.mean()) / len(blocks)
    assert np.allclose(branch.kernel(branch.project(vectors)), expected, atol=1e-4)


def test_with_no_more_rows_than_landmarks_every_row_is_one() -> None:
    vectors, codes = photos(90, informative=True)
    branch, _ = fit(vectors, codes)
    assert np.array_equal(branch.landmarks, branch.project(vectors))


def test_a_scale_common_to_a_block_changes_nothing() -> None:
    vectors, codes = photos(150, informative=True)
    _, scores = fit(vectors, codes, blocks=(15, 25))
    stretched = vectors.copy()
    stretched[:, 15:] *= 8
    _, other = fit(stretched, codes, blocks=(15, 25))
    assert np.allclose(scores, other, atol=1e-3)


def test_a_memory_map_gives_what_the_array_gives(tmp_path: Path) -> None:
    vectors, codes = photos(200, informative=True)
    np.save(tmp_path / "vectors.npy", vectors)
    mapped = np.load(tmp_path / "vectors.npy", mmap_mode="r")
    rows = np.arange(0, 200, 2)
    branch, scores = fit(vectors, codes[rows], rows=rows)
    other, other_scores = fit(mapped, codes[rows], rows=rows)
    assert np.array_equal(scores, other_scores)
    assert np.array_equal(branch.weights, other.weights)


def test_types_with_one_photo_are_accepted() -> None:
    vectors, codes = photos(60, informative=True)
    codes = np.minimum(codes, 1)
    codes[7] = 2
    branch, scores = fit(vectors, codes)
    assert np.isfinite(scores).all()
    assert np.isfinite(branch.scores(vectors)).all()


def _squared(points: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.asarray(((points[:, None] - points[None]) ** 2).sum(axis=2))


def test_only_the_chosen_rows_are_looked_at() -> None:
    vectors, codes = photos(200, informative=True)
    rows = np.arange(0, 200, 2)
    branch, scores = fit(vectors, codes[rows], rows=rows)
    spoilt = vectors.copy()
    spoilt[1::2] = np.nan
    other, other_scores = fit(spoilt, codes[rows], rows=rows)
    assert np.array_equal(scores, other_scores)
    assert np.array_equal(branch.weights, other.weights)


def test_the_same_seed_gives_the_same_bits_with_any_number_of_threads() -> None:
    vectors, codes = photos(300, informative=True)
    results = []
    for threads in (1, 1, 2):
        # Training holds BLAS to one thread (rakuten.models.train_model).
        with threadpool_limits(limits=threads, user_api="openmp"), threadpool_limits(1, "blas"):
            results.append(fit(vectors, codes, threads=threads))
    for branch, scores in results[1:]:
        assert np.array_equal(scores, results[0][1])
        for name, array in branch.get_arrays().items():
            assert np.array_equal(array, results[0][0].get_arrays()[name]), name


def test_another_seed_chooses_other_landmarks() -> None:
    vectors, codes = photos(300, informative=True)
    first, _ = fit(vectors, codes, seed=1)
    second, _ = fit(vectors, codes, seed=2)
    assert not np.array_equal(first.landmarks, second.landmarks)


def test_it_answers_alike_before_and_after_saving() -> None:
    vectors, codes = photos(150, informative=True)
    branch, _ = fit(vectors, codes)
    restored = ImageBranch.from_arrays(branch.get_arrays())
    assert np.array_equal(restored.scores(vectors), branch.scores(vectors))


def test_a_photo_scores_alike_in_any_batch() -> None:
    vectors, codes = photos(150, informative=True)
    branch, _ = fit(vectors, codes)
    alone = np.concatenate([branch.scores(vectors[n : n + 1]) for n in range(len(vectors))])
    assert np.allclose(alone, branch.scores(vectors), rtol=0, atol=1e-6)


def test_a_photo_is_most_similar_to_itself() -> None:
    vectors, codes = photos(60, informative=True)
    branch, _ = fit(vectors, codes)
    kernel = branch.kernel(branch.project(vectors))
    assert kernel.shape == (60, 60)
    assert (kernel.argmax(axis=1) == np.arange(60)).all()
    assert kernel.min() >= 0
    assert kernel.max() <= 1


@pytest.mark.parametrize("rows", [3, 12, 60])
def test_fewer_rows_than_landmarks_and_components_are_accepted(rows: int) -> None:
    vectors, _ = photos(rows, informative=True)
    branch, scores = fit(vectors, np.arange(rows) % CLASSES)
    assert np.isfinite(scores).all()
    assert np.isfinite(branch.scores(vectors)).all()


def test_photos_that_are_all_alike_are_accepted() -> None:
    vectors = np.ones((30, 40), dtype=np.float32)
    branch, scores = fit(vectors, np.arange(30) % CLASSES)
    assert np.isfinite(scores).all()
    assert np.isfinite(branch.scores(vectors)).all()


def test_a_heavy_row_pulls_the_scores_to_its_type() -> None:
    rng = np.random.default_rng(0)
    vectors = rng.normal(size=(60, 6)).astype(np.float32)
    codes = (np.arange(60) % 2).astype(np.int64)
    given: dict[str, Any] = {"classes": 2, "seed": 0}
    given["params"] = ImageBranchParams(components=6, landmarks=20, min_rows=10)
    rows, folds = np.arange(60), np.arange(60) % 3
    weights = np.where(rows == 7, 50.0, 1.0)
    light, _ = fit_image_branch(vectors, rows, codes, folds, **given)
    heavy, out_of_fold = fit_image_branch(vectors, rows, codes, folds, weights=weights, **given)
    again, _ = fit_image_branch(vectors, rows, codes, folds, weights=np.ones(60), **given)
    assert np.array_equal(light.weights, again.weights)
    assert np.array_equal(light.landmarks, heavy.landmarks)
    target = np.where(codes[7] == np.arange(2), 1.0, -1.0)
    near, far = (np.abs(found.scores(vectors[[7]])[0] - target).max() for found in (heavy, light))
    assert near < 0.2 * far
    _, plain = fit_image_branch(vectors, rows, codes, folds, **given)
    mine, others = folds == folds[7], folds != folds[7]
    assert np.allclose(out_of_fold[mine], plain[mine])  # by models that have not seen it
    assert not np.allclose(out_of_fold[others], plain[others])
