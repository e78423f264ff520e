"""From branch scores to calibrated probabilities: what one case of the fusion learns."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from rakuten.params import FusionParams

_FIRST_NOISE: Final = 0.01

_NOISE_LIMITS: Final = (-12.0, -1.0)
"""Bounds of the log-odds of noise: from about none to a quarter of the labels."""


@dataclass(frozen=True)
class Calibration:
    """Probabilities of one case: ``(1 - noise) * softmax(z) + noise / classes``.

    ``z`` is ``sum_b scores_b @ weights[b] + bias``; ``weights`` has shape (branches, classes,
    classes): a branch's score of one type may speak for or against another that it confuses
    with it. ``bias`` has shape (classes,) and ``noise`` (1,): the share of labels that no score
    explains. Without it a few wrong labels flatten every answer.
    """

    weights: NDArray[np.float64]
    bias: NDArray[np.float64]
    noise: NDArray[np.float64]

    def probabilities(self, scores: Sequence[NDArray[np.float64]]) -> NDArray[np.float64]:
        """Probabilities of shape (n, classes) from one score matrix per branch."""
        logits = self.bias + sum(s @ w for w, s in zip(self.weights, scores, strict=True))
        explained = _softmax(np.asarray(logits))
        return np.asarray((1 - self.noise) * explained + self.noise / len(self.bias))


def fit_calibration(
    scores: Sequence[NDArray[np.float64]],
    codes: NDArray[np.int64],
    counted: NDArray[np.float64],
    classes: int,
    params: FusionParams,
) -> Calibration:
    """Penalised maximum likelihood of common weights, deviations from them, biases and noise.

    Weights of a branch are ``common * identity + deviations``. The penalty is that of a normal
    prior: a narrow one on what a type's score says of another type, a wider one on the rest. The
    likelihood of each row counts by its weight (``counted``).
    """
    from scipy.optimize import minimize  # training only: serving starts faster

    branches, rows = len(scores), len(codes)
    inputs = np.hstack(scores)
    truth = np.zeros((rows, classes))
    truth[np.arange(rows), codes] = 1.0
    identity = np.eye(classes)
    by_weight = np.where(identity == 1, params.penalty, params.cross_penalty)
    penalties = np.concatenate([np.tile(by_weight.ravel(), branches), [params.penalty] * classes])

    def unpack(theta: NDArray[np.float64]) -> Calibration:
        common = theta[:branches, None, None] * identity
        deviations = theta[branches : -classes - 1].reshape(branches, classes, classes)
        noise = 1 / (1 + np.exp(-theta[-1:]))
        return Calibration(common + deviations, theta[-classes - 1 : -1], noise)

    def objective(theta: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
        found = unpack(theta)
        noise = float(found.noise[0])
        explained = _softmax(inputs @ found.weights.reshape(-1, classes) + found.bias)
        hit = explained[np.arange(rows), codes]
        likelihood = (1 - noise) * hit + noise / classes
        free = theta[branches:-1]
        loss = -float((counted * np.log(likelihood)).sum()) + 0.5 * float(penalties @ free**2)
        blame = counted * ((1 - noise) * hit / likelihood)
        residual = blame[:, None] * (explained - truth)
        weights = (inputs.T @ residual).reshape(branches, classes, classes)
        by_noise = (counted * ((hit - 1 / classes) / likelihood)).sum() * noise * (1 - noise)
        gradient = np.concatenate(
            [
                np.trace(weights, axis1=1, axis2=2),
                weights.ravel(),
                residual.sum(axis=0),
                [by_noise],
            ]
        )
        gradient[branches:-1] += penalties * free
        return loss, gradient

    start = np.zeros(branches + branches * classes**2 + classes + 1)
    start[:branches] = 2.0
    start[-1] = np.log(_FIRST_NOISE / (1 - _FIRST_NOISE))
    limits = [(None, None)] * (len(start) - 1) + [_NOISE_LIMITS]
    found = minimize(
        objective, start, jac=True, method="L-BFGS-B", bounds=limits, options={"maxiter": 500}
    )
    return unpack(found.x)


def _softmax(logits: NDArray[np.float64]) -> NDArray[np.float64]:
    shifted = np.exp(logits - logits.max(axis=1, keepdims=True))
    return np.asarray(shifted / shifted.sum(axis=1, keepdims=True))
