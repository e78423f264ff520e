"""Whether confidence can be taken at its word: calibration error, its spread, reliability."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from rakuten.models.evaluate.intervals import (
    DRAWS,
    MIN_ROWS,
    SEED,
    Interval,
    exact_interval,
    percentile_interval,
)

BINS: Final = 15
"""Equal-mass bins of the expected calibration error."""

_CHUNK: Final = 50


@dataclass(frozen=True)
class Bin:
    """Rows of neighbouring confidence: what was promised, and what share was right.

    The interval is given however few the rows: it is exact, and wide where they are few.
    """

    lowest: float
    highest: float
    rows: int
    correct: int
    mean_confidence: float
    accuracy: float
    accuracy_interval: Interval


@dataclass(frozen=True)
class Spread:
    """How the calibration error varies with the rows that happened to be drawn.

    ``interval`` is its 95 % sampling interval. A perfectly calibrated model would show
    ``by_chance`` on average on these rows, and more than ``by_chance_upper`` one time in 20.
    """

    interval: Interval
    by_chance: float
    by_chance_upper: float


def calibration_error(
    confidence: NDArray[np.float64], correct: NDArray[np.bool_], *, bins: int = BINS
) -> float:
    """Expected calibration error over equal-mass bins (Nguyen and O'Connor, 2015)."""
    order = np.argsort(confidence, kind="stable")
    gaps = [
        abs(float(confidence[part].mean() - correct[part].mean())) * len(part)
        for part in np.array_split(order, bins)
        if len(part)
    ]
    return sum(gaps) / max(len(confidence), 1)


def reliability(
    confidence: NDArray[np.float64], correct: NDArray[np.bool_], *, bins: int = BINS
) -> list[Bin]:
    """The bins behind the calibration error, least confident first."""
    order = np.argsort(confidence, kind="stable")
    return [
        Bin(
            lowest=float(confidence[part[0]]),
            highest=float(confidence[part[-1]]),
            rows=len(part),
            correct=int(correct[part].sum()),
            mean_confidence=float(confidence[part].mean()),
            accuracy=float(correct[part].mean()),
            accuracy_interval=exact_interval(int(correct[part].sum()), len(part)),
        )
        for part in np.array_split(order, bins)
        if len(part)
    ]


def calibration_spread(
    confidence: NDArray[np.float64],
    correct: NDArray[np.bool_],
    *,
    bins: int = BINS,
    draws: int = DRAWS,
    seed: int = SEED,
) -> Spread | None:
    """Sampling interval of the calibration error, and what chance alone would give.

    The interval is that of a bootstrap over rows, shifted so that its mean is the estimate:
    a resample of noisy bins is noisier still, so unshifted draws lie above the error that
    they resample. Chance is consistency resampling (Bröcker and Smith, 2007): answers are
    drawn right with the probability that their confidence states.

    Returns:
        None under ``MIN_ROWS`` rows.
    """
    rows = len(confidence)
    if rows < MIN_ROWS:
        return None
    order = np.argsort(confidence, kind="stable")
    ranked, right = confidence[order], correct[order]
    starts = np.cumsum([0, *(len(part) for part in np.array_split(order, bins)[:-1])])
    rng = np.random.default_rng(seed)
    gaps = ranked - right
    resampled, chance = [], []
    for size in _chunks(draws):
        chosen = np.sort(rng.integers(0, rows, (size, rows), dtype=np.int32), axis=1)
        resampled.append(_binned_error(gaps[chosen], starts))
        chance.append(_binned_error(ranked - (rng.random((size, rows)) < ranked), starts))
    errors, by_chance = np.concatenate(resampled), np.concatenate(chance)
    estimate = float(np.abs(np.add.reduceat(gaps, starts)).sum() / rows)
    lower, upper = percentile_interval(errors - errors.mean() + estimate)
    return Spread(
        interval=(max(lower, 0.0), upper),
        by_chance=float(by_chance.mean()),
        by_chance_upper=float(np.percentile(by_chance, 95)),
    )


def _binned_error(gaps: NDArray[np.float64], starts: NDArray[np.int64]) -> NDArray[np.float64]:
    """Calibration error of each row of gaps between confidence and outcome, in bin order."""
    sums = np.add.reduceat(gaps, starts, axis=1)
    return np.asarray(np.abs(sums).sum(axis=1) / gaps.shape[1])


def _chunks(total: int) -> Iterator[int]:
    for start in range(0, total, _CHUNK):
        yield min(_CHUNK, total - start)
