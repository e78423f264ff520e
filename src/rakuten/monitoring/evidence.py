"""What a decision rests on: windows that were checked, and scores of people's labels."""

from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any, Final

from rakuten.params import RetrainingParams

CRITICAL_FACTOR: Final = 4.0
"""A column whose effect is this many floors is critical by itself."""

PERFORMANCE_DROP: Final = "performance_drop"
OVERCONFIDENT: Final = "overconfident"
"""Codes of the reasons that labels give."""
NO_WINDOW: Final = "no_window"
"""Code of the reason where no window of the live version was checked."""


class Outcome(StrEnum):
    """What the check of a window found; the last two say nothing of the traffic."""

    NONE = "none"
    WARNING = "warning"
    CRITICAL = "critical"
    NOT_ENOUGH_DATA = "not_enough_data"
    CHECK_FAILED = "check_failed"


@dataclass(frozen=True)
class Reason:
    """A reason as a sentence, with a word to switch on and the numbers in it."""

    code: str
    sentence: str
    data: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class LabelEvidence:
    """Scores from labels, with upper bounds; None where there was nothing to compute one from.

    ``f1_upper`` is that of the weighted F1 over all traffic, of which ``unknown_share`` is of a
    kind without labels; ``expected_f1`` is the model's score on its held-out rows. In the review
    queue, ``queue_accuracy_upper`` stands beside ``queue_confidence``, what the model promised.
    """

    labels: int
    unknown_share: float
    f1_upper: float | None
    expected_f1: float | None
    queue_labels: int = 0
    queue_accuracy_upper: float | None = None
    queue_confidence: float | None = None


@dataclass(frozen=True)
class CheckedWindow:
    """A window and what its check found; ``start`` and ``end`` are its oldest and newest row.

    ``faults`` are of the log itself, not of the traffic in it: people mend them, no retraining.
    """

    run_id: str
    checked_at: datetime
    model_version: int | None
    outcome: Outcome
    start: datetime | None = None
    end: datetime | None = None
    labels: LabelEvidence | None = None
    faults: tuple[Reason, ...] = ()


def label_violations(labels: LabelEvidence | None, params: RetrainingParams) -> list[Reason]:
    """Where scores from labels are surely worse than the margin allows, one reason each.

    The held-out score is that of all kinds of products, so that the weighted F1 is compared with
    it only where nearly all traffic is of a kind with labels. The queue is compared with the
    model's own confidence: products are chosen for it by confidence, which a calibrated model
    survives, and corrections of automatic answers, which people send because they are wrong, are
    not in it.
    """
    if labels is None:
        return []
    found = []
    if (
        labels.labels >= params.min_labels
        and labels.unknown_share <= params.unknown_share
        and labels.f1_upper is not None
        and labels.expected_f1 is not None
        and labels.f1_upper < labels.expected_f1 - params.margin
    ):
        found.append(
            Reason(
                PERFORMANCE_DROP,
                f"Weighted F1 is at most {labels.f1_upper:.3f} by {labels.labels} labels; the "
                f"held-out rows gave {labels.expected_f1:.3f}, of which {params.margin:g} may be "
                "lost.",
                {"labels": labels.labels, "upper": labels.f1_upper, "held": labels.expected_f1},
            )
        )
    if (
        labels.queue_labels >= params.min_labels
        and labels.queue_accuracy_upper is not None
        and labels.queue_confidence is not None
        and labels.queue_accuracy_upper < labels.queue_confidence - params.margin
    ):
        found.append(
            Reason(
                OVERCONFIDENT,
                f"Of {labels.queue_labels} labelled answers of the review queue at most "
                f"{labels.queue_accuracy_upper:.3f} are right; their confidence promised "
                f"{labels.queue_confidence:.3f}, of which {params.margin:g} may be lost.",
                {
                    "labels": labels.queue_labels,
                    "upper": labels.queue_accuracy_upper,
                    "promised": labels.queue_confidence,
                },
            )
        )
    return found
