"""Fusion calibrates each case for itself and never looks at what a product does not bring."""

from collections.abc import Callable
from functools import cache
from typing import Any

import numpy as np
import pytest
import scipy.optimize
from numpy.typing import NDArray

from rakuten.models.evaluate import calibration_error
from rakuten.models.fusion import (
    Fusion,
    _beats,
    train_fusion,
)
from rakuten.params import FusionParams

CLASSES = 4
PARAMS = FusionParams()
Scores = dict[str, NDArray[np.float64]]
Present = dict[str, NDArray[np.bool_]]


def problem(rows: int = 300, seed: int = 0) -> tuple[Scores, Present, NDArray[np.int64]]:
    """Scores of a good and of a weak branch; a fifth of the rows lacks each modality."""
    rng = np.random.default_rng(seed)
    codes = rng.integers(0, CLASSES, rows)
    truth = np.eye(CLASSES)[codes]
    scores = {
        "text": 1.5 * truth + rng.normal(scale=0.6, size=(rows, CLASSES)),
        "image": 0.7 * truth + rng.normal(scale=0.7, size=(rows, CLASSES)),
    }
    present = {"text": rng.random(rows) > 0.2, "image": rng.random(rows) > 0.2}
    return scores, present, codes


def fit(scores: Scores, present: Present, codes: NDArray[np.int64]) -> Fusion:
    folds = np.arange(len(codes)) % 3
    return train_fusion(scores, present, codes, folds, classes=CLASSES, params=PARAMS)[0]


@cache
def fitted() -> Fusion:
    return fit(*problem(1000))


def accuracy(probabilities: NDArray[np.float64], codes: NDArray[np.int64]) -> float:
    return float((probabilities.argmax(axis=1) == codes).mean())


def test_the_gradient_matches_finite_differences(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[tuple[Callable[..., Any], NDArray[np.float64]]] = []
    minimize = scipy.optimize.minimize

    def spy(objective: Callable[..., Any], start: NDArray[np.float64], **options: Any) -> Any:
        seen.append((objective, start))
        return minimize(objective, start, **options)

    monkeypatch.setattr("scipy.optimize.minimize", spy)
    fit(*problem(60))
    assert len(seen) == 3 * (3 + 1), "three cases, each in three folds and on all rows"
    rng = np.random.default_rng(3)
    for objective, start in seen:
        theta = start + rng.normal(scale=0.5, size=len(start))
        gradient = objective(theta)[1]
        numeric = scipy.optimize.approx_fprime(theta, lambda t, f=objective: f(t)[0], 1e-6)
        assert np.allclose(gradient, numeric, rtol=1e-3, atol=1e-3)
        assert np.abs(gradient).max() > 0.1


def test_fitting_reaches_a_minimum(monkeypatch: pytest.MonkeyPatch) -> None:
    results = []
    minimize = scipy.optimize.minimize

    def spy(*arguments: Any, **options: Any) -> Any:
        results.append(minimize(*arguments, **options))
        return results[-1]

    monkeypatch.setattr("scipy.optimize.minimize", spy)
    fit(*problem())
    assert all(result.success for result in results)


def test_probabilities_of_every_case_sum_to_one() -> None:
    scores, present, _ = problem()
    probabilities = fitted().probabilities(scores, present)
    assert np.allclose(probabilities.sum(axis=1), 1, atol=1e-12)
    assert (probabilities > 0).all()
    kinds = {(bool(t), bool(i)) for t, i in zip(present["text"], present["image"], strict=True)}
    assert len(kinds) == 4, "the problem must hold every case"


def test_extreme_scores_give_finite_probabilities() -> None:
    scores = {"text": np.eye(CLASSES) * 1e6, "image": -np.eye(CLASSES) * 1e6}
    both = dict.fromkeys(scores, np.ones(CLASSES, dtype=bool))
    probabilities = fitted().probabilities(scores, both)
    assert np.isfinite(probabilities).all()
    assert np.allclose(probabilities.sum(axis=1), 1)


def test_a_product_that_brings_nothing_gets_the_priors() -> None:
    scores, present, codes = problem()
    fusion = fit(scores, present, codes)
    nothing = {name: np.zeros(3, dtype=bool) for name in present}
    found = fusion.probabilities({name: values[:3] for name, values in scores.items()}, nothing)
    assert np.allclose(found, fusion.priors)
    counts = np.bincount(codes, minlength=CLASSES) + 1
    assert np.allclose(fusion.priors, counts / counts.sum())


@pytest.mark.parametrize("value", [1e9, np.nan, -np.inf], ids=repr)
def test_scores_of_what_is_absent_are_never_used(value: float) -> None:
    scores, present, codes = problem()
    expected = fit(scores, present, codes)
    spoilt = {name: values.copy() for name, values in scores.items()}
    for name, values in spoilt.items():
        values[~present[name]] = value
    found = fit(spoilt, present, codes)
    for name, array in expected.get_arrays().items():
        assert np.array_equal(found.get_arrays()[name], array), name
    assert np.array_equal(
        found.probabilities(spoilt, present), expected.probabilities(scores, present)
    )


def test_a_product_with_one_modality_is_answered_by_that_case() -> None:
    scores, _, codes = problem()
    fusion = fitted()
    only_text = {"text": np.ones(len(codes), bool), "image": np.zeros(len(codes), bool)}
    expected = fusion.cases["text",].probabilities([scores["text"]])
    assert np.array_equal(fusion.probabilities(scores, only_text), expected)


def test_both_branches_together_beat_each_alone() -> None:
    fusion = fitted()
    scores, _, codes = problem(2000, seed=9)
    yes, no = np.ones(2000, dtype=bool), np.zeros(2000, dtype=bool)
    text = accuracy(fusion.probabilities(scores, {"text": yes, "image": no}), codes)
    image = accuracy(fusion.probabilities(scores, {"text": no, "image": yes}), codes)
    both = accuracy(fusion.probabilities(scores, {"text": yes, "image": yes}), codes)
    assert both > text > image > 0.4


def test_a_useless_branch_does_not_spoil_a_good_one() -> None:
    scores, _, codes = problem(600)
    scores["image"] = np.random.default_rng(1).normal(size=scores["image"].shape)
    yes = np.ones(len(codes), dtype=bool)
    fusion = fit(scores, {"text": yes, "image": yes}, codes)
    both = accuracy(fusion.probabilities(scores, {"text": yes, "image": yes}), codes)
    text = accuracy(fusion.probabilities(scores, {"text": yes, "image": ~yes}), codes)
    assert both > text - 0.02


def test_probabilities_are_calibrated_on_unseen_rows() -> None:
    scores, present, codes = problem(3000, seed=8)
    probabilities = fitted().probabilities(scores, present)
    correct = probabilities.argmax(axis=1) == codes
    assert calibration_error(probabilities.max(axis=1), correct) < 0.04


def test_wrong_labels_become_noise_instead_of_flat_answers() -> None:
    rng = np.random.default_rng(0)
    codes = rng.integers(0, CLASSES, 2000)
    scores = {"text": 4 * np.eye(CLASSES)[codes] + rng.normal(scale=0.3, size=(2000, CLASSES))}
    wrong = rng.random(2000) < 0.1
    codes[wrong] = rng.integers(0, CLASSES, int(wrong.sum()))
    fusion = fit(scores, {"text": np.ones(2000, dtype=bool)}, codes)
    assert float(fusion.cases["text",].noise[0]) == pytest.approx(0.1, abs=0.03)


def test_a_branch_that_was_not_trained_has_no_case() -> None:
    scores, present, codes = problem()
    fusion = fit({"text": scores["text"]}, present, codes)
    assert fusion.trained == {"text"}
    assert set(fusion.cases) == {("text",)}
    probabilities = fusion.probabilities({"text": scores["text"]}, present)
    assert np.allclose(probabilities[~present["text"]], fusion.priors)
    with_text = fusion.cases["text",].probabilities([scores["text"][present["text"]]])
    assert np.array_equal(probabilities[present["text"]], with_text)


def test_it_answers_alike_before_and_after_saving() -> None:
    scores, present, _ = problem()
    fusion = fitted()
    restored = Fusion.from_arrays(fusion.get_arrays())
    assert set(restored.cases) == set(fusion.cases)
    assert np.array_equal(
        restored.probabilities(scores, present), fusion.probabilities(scores, present)
    )


def test_cross_fitted_probabilities_have_not_seen_their_own_label() -> None:
    scores, present, codes = problem(900)
    folds = np.arange(900) % 3
    fitting: dict[str, Any] = {"classes": CLASSES, "params": PARAMS}
    _, found = train_fusion(scores, present, codes, folds, **fitting)
    changed = codes.copy()
    # Few enough that the same branches and penalties are chosen.
    mine = np.flatnonzero(folds == 0)[:10]
    changed[mine] = (changed[mine] + 1) % CLASSES
    _, again = train_fusion(scores, present, changed, folds, **fitting)
    assert np.array_equal(found[folds == 0], again[folds == 0])
    assert not np.array_equal(found[folds == 1], again[folds == 1])
    assert np.allclose(found.sum(axis=1), 1)


def test_a_case_is_that_of_a_model_which_never_had_the_other_branch() -> None:
    scores, present, codes = problem(400, seed=5)
    folds, params = np.arange(400) % 4, FusionParams()
    both, _ = train_fusion(scores, present, codes, folds, classes=CLASSES, params=params)
    alone, _ = train_fusion(
        {"text": scores["text"]}, present, codes, folds, classes=CLASSES, params=params
    )
    for part in ("weights", "bias", "noise"):
        expected = getattr(alone.cases["text",], part)
        assert np.array_equal(getattr(both.cases["text",], part), expected)


def test_a_branch_that_says_nothing_is_left_out() -> None:
    scores, present, codes = problem(500, seed=8)
    everywhere = {name: np.ones(500, dtype=bool) for name in present}
    noise = np.random.default_rng(1).normal(size=scores["image"].shape)
    folds, params = np.arange(500) % 4, FusionParams()
    fusion, found = train_fusion(
        {"text": scores["text"], "image": noise},
        everywhere,
        codes,
        folds,
        classes=CLASSES,
        params=params,
    )
    alone, expected = train_fusion(
        {"text": scores["text"]},
        {"text": everywhere["text"]},
        codes,
        folds,
        classes=CLASSES,
        params=params,
    )
    assert np.array_equal(found, expected)
    both = fusion.probabilities({"text": scores["text"], "image": noise}, everywhere)
    text = alone.probabilities({"text": scores["text"]}, {"text": everywhere["text"]})
    assert np.allclose(both, text, atol=1e-12)


def test_a_branch_that_helps_is_kept() -> None:
    scores, present, codes = problem(3000, seed=8)
    folds, params = np.arange(3000) % 4, FusionParams()
    fusion, _ = train_fusion(scores, present, codes, folds, classes=CLASSES, params=params)
    assert np.abs(fusion.cases["text", "image"].weights[1]).max() > 0.1


def test_threads_do_not_change_cross_fitting() -> None:
    scores, present, codes = problem(200)
    folds = np.arange(200) % 4
    alone, together = (
        train_fusion(
            scores, present, codes, folds, classes=CLASSES, params=PARAMS, threads=threads
        )[1]
        for threads in (1, 3)
    )
    assert np.array_equal(alone, together)


def test_a_case_without_a_row_still_answers() -> None:
    scores, present, codes = problem()
    never_both = {"text": present["text"], "image": ~present["text"]}
    fusion = fit(scores, never_both, codes)
    yes = np.ones(len(codes), dtype=bool)
    probabilities = fusion.probabilities(scores, {"text": yes, "image": yes})
    assert np.isfinite(probabilities).all()
    assert np.allclose(probabilities.sum(axis=1), 1)


def with_joint_scores(seed: int = 0) -> tuple[Scores, Present, NDArray[np.int64]]:
    """The problem with a joint branch that is better than both others."""
    scores, present, codes = problem(600, seed)
    noise = np.random.default_rng(seed + 50).normal(scale=0.4, size=(600, CLASSES))
    return {**scores, "joint": 1.5 * np.eye(CLASSES)[codes] + noise}, present, codes


def test_the_joint_branch_speaks_only_where_text_and_photo_are_there() -> None:
    scores, present, codes = with_joint_scores()
    fusion = fit(scores, present, codes)
    assert set(fusion.cases) == {("text",), ("image",), ("text", "image", "joint")}
    without = fit({name: scores[name] for name in ("text", "image")}, present, codes)
    both = present["text"] & present["image"]
    found, expected = (f.probabilities(scores, present) for f in (fusion, without))
    assert np.array_equal(found[~both], expected[~both])
    assert not np.allclose(found[both], expected[both])
    assert accuracy(found[both], codes[both]) > accuracy(expected[both], codes[both])
    restored = Fusion.from_arrays(fusion.get_arrays())
    assert np.array_equal(restored.probabilities(scores, present), found)


def test_joint_scores_of_products_that_lack_a_modality_are_never_used() -> None:
    scores, present, codes = with_joint_scores()
    expected = fit(scores, present, codes)
    spoilt = {**scores, "joint": scores["joint"].copy()}
    spoilt["joint"][~(present["text"] & present["image"])] = np.nan
    found = fit(spoilt, present, codes)
    for name, array in expected.get_arrays().items():
        assert np.array_equal(found.get_arrays()[name], array), name
    assert np.array_equal(
        found.probabilities(spoilt, present), expected.probabilities(scores, present)
    )


@pytest.mark.parametrize("useless", ["text", "image", "joint"])
def test_no_useless_branch_costs_more_than_noise(useless: str) -> None:
    rng = np.random.default_rng(4)
    parts = [with_joint_scores(seed) for seed in (0, 1)]
    for scores, _, _ in parts:
        scores[useless] = rng.normal(size=scores[useless].shape)
    (scores, _, codes), (unseen, _, truth) = parts
    yes = np.ones(len(codes), dtype=bool)
    fusion = fit(scores, {"text": yes, "image": yes}, codes)
    fused = accuracy(fusion.probabilities(unseen, {"text": yes, "image": yes}), truth)
    assert fused > max(accuracy(values, truth) for values in unseen.values()) - 0.01


def test_fitting_repeats_to_the_bit_and_takes_types_seen_once_or_never() -> None:
    scores, present, codes = with_joint_scores()
    codes = np.minimum(codes, CLASSES - 2)
    codes[0] = CLASSES - 1
    first, second = (fit(scores, present, codes) for _ in range(2))
    for name, array in first.get_arrays().items():
        assert np.array_equal(array, second.get_arrays()[name]), name
    folds = np.arange(len(codes)) % 5
    _, found = train_fusion(scores, present, codes, folds, classes=CLASSES, params=PARAMS)
    assert np.isfinite(found).all()
    assert np.allclose(found.sum(axis=1), 1)


def test_a_row_of_weight_two_is_two_rows() -> None:
    rng = np.random.default_rng(4)
    codes = rng.integers(0, CLASSES, 200)
    scores = rng.normal(size=(200, CLASSES)) + 6 * np.eye(CLASSES)[codes]
    codes[::6] = (codes[::6] + 1) % CLASSES  # labels that no score explains, all of them heavy
    weights = np.where(np.arange(200) % 3 == 0, 2.0, 1.0)
    folds = np.arange(200) % 3
    heavy, _ = train_fusion(
        {"text": scores},
        {"text": np.ones(200, dtype=bool)},
        codes,
        folds,
        classes=CLASSES,
        params=PARAMS,
        weights=weights,
    )
    twice = np.repeat(np.arange(200), weights.astype(int))
    double, _ = train_fusion(
        {"text": scores[twice]},
        {"text": np.ones(len(twice), dtype=bool)},
        codes[twice],
        folds[twice],
        classes=CLASSES,
        params=PARAMS,
    )
    assert np.allclose(heavy.priors, double.priors)
    for name in ("weights", "bias", "noise"):
        ours, theirs = (getattr(found.cases["text",], name) for found in (heavy, double))
        assert np.allclose(ours, theirs, atol=1e-3)
    light, _ = train_fusion(
        {"text": scores},
        {"text": np.ones(200, dtype=bool)},
        codes,
        folds,
        classes=CLASSES,
        params=PARAMS,
    )
    assert not np.allclose(light.cases["text",].weights, heavy.cases["text",].weights, atol=1e-3)


def test_whether_two_branches_beat_one_is_asked_of_weighted_rows() -> None:
    """Together they are right where one is wrong and the reverse, on as many rows."""
    codes = np.arange(400) % 2
    right, wrong = np.eye(2)[codes], np.eye(2)[1 - codes]
    first = (np.arange(400) < 40)[:, None]
    second = ((np.arange(400) >= 40) & (np.arange(400) < 80))[:, None]
    together, alone = np.where(second, wrong, right), np.where(first, wrong, right)
    assert not _beats(together, alone, codes, np.ones(400))
    assert _beats(together, alone, codes, np.where(first[:, 0], 5.0, 1.0))
    assert not _beats(together, alone, codes, np.where(second[:, 0], 5.0, 1.0))
