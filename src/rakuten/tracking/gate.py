"""The verdict: may this model take the place of the one that is live?"""

from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, replace
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from scipy.special import betaincinv

from rakuten.models.evaluate import (
    calibration_error,
    calibration_spread,
    decision_scores,
    overall_scores,
)
from rakuten.models.model_directory import GOLDEN_TOLERANCE
from rakuten.models.paired import Answered, Comparison, compare
from rakuten.params import GateParams

_SHOWN: Final = 5


@dataclass(frozen=True)
class Evidence:
    """A model's answers on the frozen held-out rows, and what it costs to run it.

    ``golden_deviation`` is how far its answers to its golden products are from those it was
    saved with; ``latency`` the median seconds of one prediction; ``size`` is in bytes.
    """

    answered: Answered
    size: int
    latency: float
    golden_deviation: float

    def scores(self, truth: NDArray[np.int64]) -> dict[str, float | None]:
        """Scores of the answers."""
        found, answers = self.answered, self.answered.predicted.tolist()
        correct = np.asarray(truth == found.predicted)
        return {
            **overall_scores(truth.tolist(), answers),
            "calibration_error": calibration_error(found.confidence, correct),
            **decision_scores(truth.tolist(), answers, found.automatic),
            "size_mib": self.size / 2**20,
            "latency_ms": self.latency * 1000,
        }


@dataclass(frozen=True)
class Check:
    """One condition: whether it holds and, in a sentence, why."""

    name: str
    passed: bool
    detail: str


@dataclass(frozen=True)
class Verdict:
    """All conditions; the scores of both models are beside them for whoever reads it later."""

    passed: bool
    rows: int
    checks: tuple[Check, ...]
    challenger: dict[str, float | None]
    champion: dict[str, float | None] | None = None

    def failures(self) -> list[Check]:
        """The conditions that do not hold."""
        return [check for check in self.checks if not check.passed]

    def failed_names(self) -> str:
        """Names of the conditions that do not hold, for a line of text."""
        return ", ".join(check.name for check in self.failures())

    def with_failure(self, check: Check) -> "Verdict":
        """The same with one more condition that does not hold, first in the list."""
        return replace(self, passed=False, checks=(check, *self.checks))

    def to_dict(self) -> dict[str, Any]:
        """The verdict as JSON values."""
        return asdict(self)


def refusal(check: Check) -> Verdict:
    """A verdict on what could not be scored, or must not be compared."""
    return Verdict(passed=False, rows=0, checks=(check,), challenger={})


def judge(
    truth: NDArray[np.int64],
    challenger: Evidence,
    champion: Evidence | None,
    params: GateParams,
    *,
    target_precision: float,
    progress: Callable[[int, int], None] | None = None,
) -> Verdict:
    """Weigh a challenger, against the champion where there is one.

    The weighted F1 must be *shown* to be no worse than the margin allows (non-inferiority: the
    lower bound of the paired difference). The guards on classes, calibration and coverage turn
    the burden round: they fail where a loss is larger than allowed and no accident of the rows.

    Args:
        truth: true product types of the held-out rows, shape (n,).
        challenger: what the model in question answered on them.
        champion: what the live model answered on the same rows; None where there is none.
        params: the section ``gate`` of ``params.yaml``.
        target_precision: precision that automatic answers are meant to have.
        progress: called with (done, total) while the rows are resampled.
    """
    scores = challenger.scores(truth)
    checks = list(_alone(truth, challenger, scores, params, target_precision))
    if champion is not None:
        comparison = compare(
            truth,
            champion.answered,
            challenger.answered,
            resamples=params.resamples,
            progress=progress,
        )
        checks += _beside(comparison, params)
    return Verdict(
        passed=all(check.passed for check in checks),
        rows=len(truth),
        checks=tuple(checks),
        challenger=scores,
        champion=champion.scores(truth) if champion else None,
    )


def _alone(
    truth: NDArray[np.int64],
    challenger: Evidence,
    scores: dict[str, float | None],
    params: GateParams,
    target_precision: float,
) -> Iterator[Check]:
    """Conditions that do not look at another model."""
    deviation = challenger.golden_deviation
    yield Check(
        "artifact",
        deviation <= GOLDEN_TOLERANCE,
        f"answers its golden products within {deviation:.1g} ({GOLDEN_TOLERANCE:g} allowed)",
    )
    for name, floor in params.floors.model_dump().items():
        value = scores[name] or 0.0
        yield Check(f"floor {name}", value >= floor, f"{value:.4f}, at least {floor:g} asked")
    correct = np.asarray(truth == challenger.answered.predicted)
    yield _calibration(challenger.answered.confidence, correct, params.calibration_error)
    automatic = challenger.answered.automatic
    right = int((automatic & correct).sum())
    yield _precision(right, int(automatic.sum()), target_precision, params.confidence)
    size, latency = challenger.size / 2**20, challenger.latency * 1000
    yield Check(
        "size", size <= params.size_mib, f"{size:.1f} MiB, at most {params.size_mib:g} allowed"
    )
    yield Check(
        "latency",
        latency <= params.latency_ms,
        f"one prediction takes {latency:.1f} ms (median), at most {params.latency_ms:g} allowed",
    )


def _calibration(confidence: NDArray[np.float64], correct: NDArray[np.bool_], most: float) -> Check:
    """Fail where the calibration error exceeds by more than allowed what chance alone gives."""
    spread = calibration_spread(confidence, correct)
    if spread is None:
        return Check("calibration", True, f"{len(correct)} rows say nothing about calibration")
    error = calibration_error(confidence, correct)
    return Check(
        "calibration",
        error - spread.by_chance <= most,
        f"calibration error {error:.4f}, of which chance alone gives {spread.by_chance:.4f}; "
        f"{most:g} more is allowed",
    )


def _precision(right: int, count: int, target: float, confidence: float) -> Check:
    """Fail where the precision of automatic answers is surely below its target."""
    if not count:
        return Check("automatic precision", True, "no answer was automatic")
    # Upper Clopper-Pearson bound (1934).
    bound = float(betaincinv(right + 1, count - right, confidence)) if right < count else 1.0
    return Check(
        "automatic precision",
        bound >= target,
        f"{right / count:.4f} of {count} automatic answers are right (target {target:g}, "
        f"upper bound {bound:.4f})",
    )


def _beside(found: Comparison, params: GateParams) -> Iterator[Check]:
    """Conditions on the difference to the champion."""
    low, high = 1 - params.confidence, params.confidence
    value, bound = float(found.weighted_f1.value), float(found.weighted_f1.quantile(low))
    yield Check(
        "weighted F1",
        bound >= -params.margin,
        f"{value:+.4f} beside the champion; at {params.confidence:.0%} confidence at least "
        f"{bound:+.4f}, {-params.margin:+g} asked",
    )
    yield _classes(found, params)
    value, bound = (
        float(found.calibration_error.value),
        float(found.calibration_error.quantile(low)),
    )
    yield Check(
        "calibration beside",
        not (value > params.calibration_rise and bound > 0),
        f"calibration error {value:+.4f} beside the champion (surely more than {bound:+.4f}), "
        f"{params.calibration_rise:+g} allowed",
    )
    value, bound = float(found.coverage.value), float(found.coverage.quantile(high))
    yield Check(
        "coverage",
        not (-value > params.coverage_drop and bound < 0),
        f"automatic answers {value:+.4f} of all beside the champion (surely less than "
        f"{bound:+.4f}), {-params.coverage_drop:+g} allowed",
    )


def _classes(found: Comparison, params: GateParams) -> Check:
    """Fail where a class with enough rows loses more than allowed and it is no accident.

    The confidence is shared out among the classes (Bonferroni): of many, one always looks bad.
    """
    watched = np.flatnonzero(found.support >= params.class_support)
    if not len(watched):
        return Check("classes", True, f"no class has {params.class_support} held-out rows")
    upper = found.class_f1.quantile(1 - (1 - params.confidence) / len(watched))
    drop = -found.class_f1.value
    lost = [c for c in watched if drop[c] > params.class_drop and upper[c] < 0]
    lost.sort(key=lambda c: -drop[c])
    if lost:
        shown = ", ".join(f"{found.classes[c]} by {drop[c]:.2f}" for c in lost[:_SHOWN])
        more = f" and {len(lost) - _SHOWN} more" if len(lost) > _SHOWN else ""
        return Check(
            "classes", False, f"F1 of {shown}{more} fell, {params.class_drop:g} allowed each"
        )
    worst = watched[np.argmax(drop[watched])]
    return Check(
        "classes",
        True,
        f"of {len(watched)} with {params.class_support} rows or more none surely lost over "
        f"{params.class_drop:g} of F1; the largest loss is {max(drop[worst], 0.0) + 0.0:.2f} "
        f"({found.classes[worst]})",
    )
