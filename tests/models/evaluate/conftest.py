"""Labelled answers made for a test."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from rakuten.models.evaluate import Answers


def make_answers(truth: Sequence[int], predicted: Sequence[int], **columns: Any) -> Answers:
    """Answers of products with a French title and a photo, sure of themselves and automatic."""
    rows = len(truth)
    values: dict[str, Any] = {
        "index": [str(100 + row) for row in range(rows)],
        "designation": ["Console de jeux avec manette"] * rows,
        "description": [""] * rows,
        "has_image": np.ones(rows, dtype=bool),
        "confidence": np.full(rows, 0.9),
        "automatic": np.ones(rows, dtype=bool),
        **columns,
    }
    return Answers(
        truth=np.array(truth, dtype=np.int64),
        predicted=np.array(predicted, dtype=np.int64),
        **values,
    )


def noisy_answers(rows: int, *, seed: int = 0, types: int = 6, **columns: Any) -> Answers:
    """Answers right as often as their confidence says; automatic from 0.8 on."""
    rng = np.random.default_rng(seed)
    truth = 10 * rng.integers(1, types + 1, rows)
    confidence = rng.uniform(0.5, 1, rows)
    other = 10 * rng.integers(1, types + 1, rows)
    predicted = np.where(rng.random(rows) < confidence, truth, other)
    values = {"confidence": confidence, "automatic": confidence >= 0.8, **columns}
    return make_answers(truth.tolist(), predicted.tolist(), **values)
