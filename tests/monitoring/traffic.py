"""Traffic whose truth is known, and labels as a review queue gives them."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import numpy as np
from numpy.typing import NDArray

from rakuten.store.labels import Truth
from rakuten.store.windows import WindowRow

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
CODES = (10, 40, 1140, 2905)
THRESHOLD = 0.8


@dataclass(frozen=True)
class Traffic:
    """Answers and, row for row, what is true."""

    rows: list[WindowRow]
    truth: list[int]

    def truths(self, chosen: NDArray[np.int64]) -> dict[str, Truth]:
        """Labels of some rows."""
        return {
            self.rows[n].prediction_id: Truth(self.truth[n], 1, 1, NOON) for n in chosen.tolist()
        }

    @property
    def accuracy(self) -> float:
        """Share that is right."""
        pairs = zip(self.rows, self.truth, strict=True)
        return sum(row.prdtypecode == code for row, code in pairs) / len(self.rows)


def make_row(number: int, **changes: object) -> WindowRow:
    """An answer; keyword arguments replace some of its parts."""
    values: dict[str, object] = {
        "prediction_id": f"id-{number:05}",
        "created_at": NOON + timedelta(seconds=number),
        "prdtypecode": 10,
        "confidence": 0.6,
        "decision": "review",
        "image_status": "ok",
        "model_version": 3,
        "state": "whole",
        "alternatives": (),
        "features": {},
    }
    return WindowRow(**{**values, **changes})  # type: ignore[arg-type]


def make_traffic(count: int, *, seed: int = 0, loss: float = 0.0) -> Traffic:
    """Answers of a model whose confidence is too high by ``loss``, and calibrated at 0."""
    rng = np.random.default_rng(seed)
    rows, truth = [], []
    for number, confidence in enumerate(rng.beta(3, 1, count).tolist()):
        confidence = 0.25 + 0.75 * confidence
        answer, *others = rng.permutation(CODES).tolist()
        rest = [0.5, 0.3, 0.2]
        right = rng.random() < confidence - loss
        truth.append(answer if right else others[int(rng.choice(3, p=rest))])
        rows.append(
            make_row(
                number,
                prdtypecode=answer,
                confidence=confidence,
                decision="auto" if confidence >= THRESHOLD else "review",
                alternatives=tuple(
                    (code, (1 - confidence) * share)
                    for code, share in zip(others, rest, strict=True)
                ),
            )
        )
    return Traffic(rows, truth)
