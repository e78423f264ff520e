"""From labels of some answers to all traffic: strata of decision and confidence, and weights."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

EDGES: Final = (0.3, 0.5, 0.7, 0.85, 0.95)
"""Between the bins of confidence, which with the decision make the strata."""

MIN_LABELS: Final = 5
"""With fewer labels a stratum is unknown, unless all its answers are labelled: resampling one row
would claim to be certain of many."""


@dataclass(frozen=True)
class Stratum:
    """Answers of one decision with confidence from ``lowest`` to below ``highest``."""

    decision: str
    lowest: float
    highest: float
    rows: int
    labels: int

    @property
    def known(self) -> bool:
        """Whether its labels say anything of its answers."""
        return self.labels >= MIN_LABELS or self.labels == self.rows


@dataclass(frozen=True)
class Strata:
    """Strata of a window, and of each labelled answer its stratum and weight, shape (labels,).

    A label's weight is the number of answers that it stands for: those of its stratum over the
    labels there (the inverse of the chance to be labelled); 0 in an unknown stratum.
    """

    found: tuple[Stratum, ...]
    place: NDArray[np.int64]
    weights: NDArray[np.float64]

    @property
    def unknown_share(self) -> float:
        """Share of the traffic that lies in unknown strata."""
        rows = sum(stratum.rows for stratum in self.found)
        return sum(s.rows for s in self.found if not s.known) / rows if rows else 1.0

    @property
    def effective_labels(self) -> float:
        """Equally weighted labels that would say as much (Kish, 1965)."""
        total = float(self.weights.sum())
        return total**2 / float(self.weights @ self.weights) if total else 0.0

    def draws(self, resamples: int, seed: int) -> Iterator[NDArray[np.float64]]:
        """Weights of the labels, for each time that they are drawn again within their strata."""
        rng = np.random.default_rng(seed)
        members = [np.flatnonzero(self.place == one) for one in range(len(self.found))]
        for _ in range(resamples):
            drawn = np.zeros(len(self.weights))
            for rows in members:
                if len(rows):
                    drawn[rows] = np.bincount(
                        rng.integers(0, len(rows), len(rows)), minlength=len(rows)
                    )
            yield drawn * self.weights


def stratify(
    automatic: NDArray[np.bool_], confidence: NDArray[np.float64], labelled: NDArray[np.bool_]
) -> Strata:
    """Sort answers into strata.

    Args:
        automatic: whether no person was asked, shape (n,).
        confidence: of each answer, shape (n,).
        labelled: whether there is a label, shape (n,).
    """
    bounds = (0.0, *EDGES, 1.0)
    bins = len(EDGES) + 1
    place = np.digitize(confidence, EDGES) + bins * automatic
    rows = np.bincount(place, minlength=2 * bins)
    labels = np.bincount(place[labelled], minlength=2 * bins)
    occupied = np.flatnonzero(rows)
    found = tuple(
        Stratum(
            "auto" if one >= bins else "review",
            bounds[one % bins],
            bounds[one % bins + 1],
            int(rows[one]),
            int(labels[one]),
        )
        for one in occupied
    )
    weight = np.array([one.rows / one.labels if one.known else 0.0 for one in found])
    ours = np.searchsorted(occupied, place[labelled]).astype(np.int64)
    return Strata(found, ours, weight[ours])
