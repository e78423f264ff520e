"""Learned fusion: from branch scores to calibrated probabilities, for each set of branches."""

from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Final, Self

import numpy as np
from numpy.typing import NDArray

from rakuten.models.bootstrap import bootstrap, weighted_f1
from rakuten.models.calibration import Calibration, fit_calibration
from rakuten.params import FusionParams

Branches = tuple[str, ...]

CASES: Final[tuple[Branches, ...]] = (
    ("text",),
    ("image",),
    ("text", "image"),
    ("text", "image", "joint"),
)
"""Branches that may speak for a product; each case has a calibration of its own.

The joint branch speaks where text and photo are there; where it is trained, the case of text
and photo without it does not occur.
"""

_RESAMPLES: Final = 500


@dataclass(frozen=True)
class Fusion:
    """One calibration per case, and the class priors for a product that brings nothing."""

    cases: Mapping[Branches, Calibration]
    priors: NDArray[np.float64]

    def probabilities(
        self, scores: Mapping[str, NDArray[np.float64]], present: Mapping[str, NDArray[np.bool_]]
    ) -> NDArray[np.float64]:
        """Probabilities of shape (n, classes), each row by the case that it belongs to.

        Args:
            scores: branch → scores of shape (n, classes); rows that lack it may hold anything.
            present: branch → bool of shape (n,): whether the row has that modality.
        """
        everywhere = {name: bool(has.all()) for name, has in present.items()}
        if all(whole or not present[name].any() for name, whole in everywhere.items()):
            # Rows of one kind, as most batches are; every case holds for all of them or for none.
            everywhere["joint"] = all(everywhere.values())
            branches = tuple(
                name for name in CASES[-1] if name in self.trained and everywhere[name]
            )
            if case := self.cases.get(branches):
                return case.probabilities([scores[branch] for branch in branches])
        present = with_joint(present)
        rows = len(next(iter(present.values())))
        result = np.tile(self.priors, (rows, 1))
        for branches, case in self.cases.items():
            chosen = case_rows(branches, present, self.trained)
            if chosen.any():
                parts = [scores[branch][chosen] for branch in branches]
                result[chosen] = case.probabilities(parts)
        return result

    @cached_property
    def trained(self) -> frozenset[str]:
        """Branches that some case uses."""
        return frozenset(branch for branches in self.cases for branch in branches)

    def get_arrays(self) -> dict[str, NDArray[Any]]:
        """The fusion as plain arrays."""
        arrays: dict[str, NDArray[Any]] = {"priors": self.priors}
        for branches, calibration in self.cases.items():
            name = "_".join(branches)
            arrays[f"{name}_weights"] = calibration.weights
            arrays[f"{name}_bias"] = calibration.bias
            arrays[f"{name}_noise"] = calibration.noise
        return arrays

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, NDArray[Any]]) -> Self:
        """Restore what :meth:`get_arrays` gave."""
        cases = {
            branches: Calibration(
                *(arrays[f"{name}_{part}"] for part in ("weights", "bias", "noise"))
            )
            for branches in CASES
            if f"{(name := '_'.join(branches))}_bias" in arrays
        }
        return cls(cases, arrays["priors"])


def case_rows(
    branches: Branches, present: Mapping[str, NDArray[np.bool_]], trained: frozenset[str]
) -> NDArray[np.bool_]:
    """Rows that bring exactly these branches, of those that were trained."""
    chosen = np.ones(len(next(iter(present.values()))), dtype=bool)
    for branch in trained:
        has = present[branch]
        chosen &= has if branch in branches else ~has
    return chosen


def with_joint(present: Mapping[str, NDArray[np.bool_]]) -> dict[str, NDArray[np.bool_]]:
    """Add where the joint branch speaks: where every modality is there."""
    modalities = {name: has for name, has in present.items() if name != "joint"}
    return {**modalities, "joint": np.logical_and.reduce(list(modalities.values()))}


def train_fusion(
    scores: Mapping[str, NDArray[np.float64]],
    present: Mapping[str, NDArray[np.bool_]],
    codes: NDArray[np.int64],
    folds: NDArray[np.int64],
    *,
    classes: int,
    params: FusionParams,
    threads: int = 1,
    weights: NDArray[np.float64] | None = None,
) -> tuple[Fusion, NDArray[np.float64]]:
    """Fit every case on out-of-fold scores, and cross-fit it.

    A case learns from all rows that bring at least its branches, so the answer for a product
    without a photo is right for that case and not an image of zeros. Where several branches
    together do not surely beat one of them, that one speaks alone: noise in the fit must not
    cost what one branch already gives.

    Args:
        scores: trained branch → out-of-fold scores, shape (n, classes).
        present: branch → bool of shape (n,).
        codes: class position of each row, shape (n,).
        folds: fold number of each row, shape (n,).
        classes: number of classes.
        params: how hard weights are pulled.
        threads: folds that are fitted at the same time; the result does not depend on it.
        weights: how much each row counts, shape (n,); None: each counts once.

    Returns:
        The fusion, and probabilities of shape (n, classes) of each row by a fusion that has
        not seen its fold.
    """
    present = with_joint(present)
    counted = np.ones(len(codes)) if weights is None else weights
    trained = frozenset(scores)
    cases: dict[Branches, Calibration] = {}
    answers: dict[str, NDArray[np.float64]] = {}
    cross_fitted = _cross_fitted_priors(codes, counted, folds, classes)
    for branches in CASES:
        unseen = "joint" in scores and branches == ("text", "image")
        if not trained.issuperset(branches) or unseen:
            continue
        rows = np.flatnonzero(np.logical_and.reduce([present[branch] for branch in branches]))
        parts = [scores[branch][rows] for branch in branches]
        case = _Case(parts, codes[rows], counted[rows], classes, params)
        cases[branches] = case.fit(slice(None))
        spread = np.empty((len(codes), classes))
        spread[rows] = case.cross_fit(folds[rows], threads)
        for branch in branches if len(branches) > 1 else ():
            single = cases.get((branch,))
            if single and not _beats(
                spread[rows], answers[branch][rows], codes[rows], counted[rows]
            ):
                cases[branches] = _alone(single, branches.index(branch), len(branches))
                spread = answers[branch]
        if len(branches) == 1:
            answers[branches[0]] = spread
        own = case_rows(branches, present, trained)
        cross_fitted[own] = spread[own]
    return Fusion(cases, _priors(codes, counted, classes)), cross_fitted


def _beats(
    together: NDArray[np.float64],
    alone: NDArray[np.float64],
    codes: NDArray[np.int64],
    counted: NDArray[np.float64],
) -> bool:
    """Whether one set of answers surely has the better weighted F1.

    Surely: the one-sided 95 % bound of the paired difference, by bootstrap, is above 0.
    """
    if not len(codes):
        return True
    mine, theirs = together.argmax(axis=1), alone.argmax(axis=1)

    def gain(drawn: NDArray[np.float64]) -> float:
        weights = drawn * counted
        return weighted_f1(codes, mine, weights) - weighted_f1(codes, theirs, weights)

    return bootstrap(gain, np.arange(len(codes)), resamples=_RESAMPLES).lower > 0


def _alone(single: Calibration, position: int, branches: int) -> Calibration:
    """The calibration of one branch as one of several, of which the others say nothing."""
    weights = np.zeros((branches, *single.weights.shape[1:]))
    weights[position] = single.weights[0]
    return Calibration(weights, single.bias, single.noise)


@dataclass(frozen=True)
class _Case:
    """Rows that bring certain branches, to learn their calibration from."""

    scores: Sequence[NDArray[np.float64]]
    codes: NDArray[np.int64]
    weights: NDArray[np.float64]
    classes: int
    params: FusionParams

    def fit(self, rows: slice | NDArray[np.bool_]) -> Calibration:
        parts = [values[rows] for values in self.scores]
        return fit_calibration(
            parts, self.codes[rows], self.weights[rows], self.classes, self.params
        )

    def cross_fit(self, folds: NDArray[np.int64], threads: int) -> NDArray[np.float64]:
        """Probabilities of each row by a calibration that has not seen its fold."""
        result = np.empty((len(self.codes), self.classes))

        def fit_fold(fold: int) -> None:
            mine = folds == fold
            calibration = self.fit(~mine)
            result[mine] = calibration.probabilities([values[mine] for values in self.scores])

        with ThreadPoolExecutor(threads) as pool:
            list(pool.map(fit_fold, np.unique(folds).tolist()))
        return result


def _priors(
    codes: NDArray[np.int64], weights: NDArray[np.float64], classes: int
) -> NDArray[np.float64]:
    counts = np.bincount(codes, weights, minlength=classes) + 1.0
    return np.asarray(counts / counts.sum())


def _cross_fitted_priors(
    codes: NDArray[np.int64],
    weights: NDArray[np.float64],
    folds: NDArray[np.int64],
    classes: int,
) -> NDArray[np.float64]:
    """What rows that bring nothing get, shape (n, classes)."""
    result = np.empty((len(codes), classes))
    for fold in np.unique(folds):
        others = folds != fold
        result[~others] = _priors(codes[others], weights[others], classes)
    return result
