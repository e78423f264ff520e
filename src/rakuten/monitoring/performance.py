"""Delayed performance: what people's labels say of answers that were given before."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from rakuten.monitoring.estimate import Expected, expect_performance
from rakuten.monitoring.evidence import LabelEvidence
from rakuten.monitoring.scores import (
    Answered,
    Score,
    Scores,
    TypeScore,
    exact_share,
    score_labelled,
    score_traffic,
    score_types,
)
from rakuten.monitoring.strata import Stratum, stratify
from rakuten.store.database import Database
from rakuten.store.labels import Truth, resolve_labels
from rakuten.store.windows import Window, WindowRow, read_labels, read_window


@dataclass(frozen=True)
class Performance:
    """What labels say of a window.

    ``labelled`` are scores of the labelled answers alone, which are mostly those that the model
    was unsure of; ``traffic`` are weighted to all answers but the ``unknown_share``, which is of
    a kind that nobody labelled. Either is None without labels. ``expected`` needs no labels and
    is no measurement. ``damaged`` rows are in none of the numbers.
    """

    rows: int
    damaged: int
    labels: int
    contested: int
    labelled: Scores | None
    traffic: Scores | None
    unknown_share: float
    effective_labels: float
    strata: tuple[Stratum, ...]
    per_type: tuple[TypeScore, ...]
    queue_labels: int
    queue_accuracy: Score | None
    queue_confidence: float | None
    expected: Expected | None

    def to_dict(self) -> dict[str, Any]:
        """The value as JSON types."""
        return asdict(self)

    def evidence(self, expected_f1: float | None) -> LabelEvidence:
        """What a decision looks at; ``expected_f1`` is the live model's held-out score."""
        f1 = self.traffic.weighted_f1 if self.traffic else None
        queue = self.queue_accuracy
        return LabelEvidence(
            labels=f1.labels if f1 else 0,
            unknown_share=self.unknown_share,
            f1_upper=f1.interval[1] if f1 and f1.interval else None,
            expected_f1=expected_f1,
            queue_labels=self.queue_labels,
            queue_accuracy_upper=queue.interval[1] if queue and queue.interval else None,
            queue_confidence=self.queue_confidence,
        )


def measure_performance(rows: Sequence[WindowRow], truths: Mapping[str, Truth]) -> Performance:
    """Score answers against labels; nothing but a label is ever taken for the truth.

    Most labels come from the review queue, which holds answers of low confidence, lowest first:
    scores of labelled answers alone are those of hard products. So each label is weighted with
    the inverse of its chance to be given, within strata of decision and confidence (Horvitz and
    Thompson, 1952). Within a stratum labels count as drawn at random.

    Args:
        rows: all answers of a window, labelled or not.
        truths: by id, see :func:`rakuten.store.labels.resolve_labels`; those of other
            answers are left out.
    """
    usable = [row for row in rows if row.state != "damaged"]
    known = [row for row in usable if row.prediction_id in truths]
    chosen = [truths[row.prediction_id] for row in known]
    strata = stratify(
        np.array([row.decision == "auto" for row in usable], dtype=bool),
        np.array([row.confidence for row in usable], dtype=np.float64),
        np.array([row.prediction_id in truths for row in usable], dtype=bool),
    )
    answered = Answered(
        truth=np.array([truth.prdtypecode for truth in chosen], dtype=np.int64),
        predicted=np.array([row.prdtypecode for row in known], dtype=np.int64),
        confidence=np.array([row.confidence for row in known], dtype=np.float64),
        automatic=np.array([row.decision == "auto" for row in known], dtype=bool),
    )
    queue = ~answered.automatic
    return Performance(
        rows=len(usable),
        damaged=len(rows) - len(usable),
        labels=len(known),
        contested=sum(truth.contested for truth in chosen),
        labelled=score_labelled(answered) if known else None,
        traffic=score_traffic(answered, strata) if strata.weights.any() else None,
        unknown_share=strata.unknown_share,
        effective_labels=strata.effective_labels,
        strata=strata.found,
        per_type=tuple(score_types(answered, strata.weights)),
        queue_labels=int(queue.sum()),
        queue_accuracy=exact_share(answered.right[queue]),
        queue_confidence=float(answered.confidence[queue].mean()) if queue.any() else None,
        expected=expect_performance(usable),
    )


def read_performance(database: Database, window: Window) -> Performance:
    """Measure a window of the prediction store by the labels that are there so far.

    Raises:
        DatabaseAwayError: nobody answered.
    """
    chunks = read_window(database, window, with_features=False)
    rows = [row for chunk in chunks for row in chunk]
    labels = read_labels(database, [row.prediction_id for row in rows])
    return measure_performance(rows, resolve_labels(labels))
