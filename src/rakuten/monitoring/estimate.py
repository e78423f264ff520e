"""What performance would be if confidence were right: an estimate that needs no labels."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from rakuten.models.evaluate.intervals import Interval
from rakuten.store.windows import WindowRow

ASSUMPTION: Final = (
    "Expected from confidence alone. It holds as long as confidence is calibrated on this traffic: "
    "true where the mix of products changes, and not where what belongs to which type changes, or "
    "where products come that the model knows nothing of."
)
_NORMAL: Final = 1.959963984540054


@dataclass(frozen=True)
class Expected:
    """Performance that the confidences promise of ``rows`` answers.

    ``accuracy_interval`` is the range of what is really right in 95 % of cases where every
    confidence is true. ``unlisted`` is the share of probability that is on types which the
    stored alternatives do not name; ``weighted_f1`` is None where none are stored.
    """

    rows: int
    accuracy: float
    accuracy_interval: Interval
    weighted_f1: float | None
    unlisted: float
    assumption: str = ASSUMPTION


def expect_performance(rows: Sequence[WindowRow]) -> Expected | None:
    """Expected accuracy and weighted F1 of answers; None where there is none that is not damaged.

    The mean confidence is the expected accuracy, and the sums of probabilities the expected
    confusion counts: confidence-based performance estimation (Białek et al., 2024,
    arXiv:2401.08348). Average thresholded confidence (Garg et al., 2022, arXiv:2201.04234)
    learns a threshold from labelled rows instead, for models that are not calibrated.
    """
    rows = [row for row in rows if row.state != "damaged"]
    if not rows:
        return None
    confidence = np.array([row.confidence for row in rows])
    mean = float(confidence.mean())
    half = _NORMAL * float(np.sqrt((confidence * (1 - confidence)).sum())) / len(rows)
    f1, unlisted = _expected_f1(rows)
    return Expected(
        rows=len(rows),
        accuracy=mean,
        accuracy_interval=(max(mean - half, 0.0), min(mean + half, 1.0)),
        weighted_f1=f1,
        unlisted=unlisted,
    )


def _expected_f1(rows: Sequence[WindowRow]) -> tuple[float | None, float]:
    """Weighted F1 of the expected counts; what no alternative names is shared out like the rest."""
    hits: dict[int, float] = {}
    answers: dict[int, int] = {}
    support: dict[int, float] = {}
    for row in rows:
        answers[row.prdtypecode] = answers.get(row.prdtypecode, 0) + 1
        hits[row.prdtypecode] = hits.get(row.prdtypecode, 0.0) + row.confidence
        others = {code: p for code, p in row.alternatives if code != row.prdtypecode}
        for code, probability in {row.prdtypecode: row.confidence, **others}.items():
            support[code] = support.get(code, 0.0) + probability
    listed = sum(support.values())
    unlisted = max(1 - listed / len(rows), 0.0)
    if not listed or not any(row.alternatives for row in rows):
        return None, unlisted
    scale = len(rows) / listed
    weighted = 0.0
    for code, mass in support.items():
        expected = mass * scale
        total = expected + answers.get(code, 0)
        weighted += expected * (2 * hits.get(code, 0.0) / total if total else 0.0)
    return weighted / len(rows), unlisted
