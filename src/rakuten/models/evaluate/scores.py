"""Scores of answers: overall, per type, the most frequent mistakes, what the decision gives."""

from collections import Counter
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.metrics import (
    accuracy_score,
    f1_score,
    precision_recall_fscore_support,
)


def overall_scores(truth: Sequence[int], predicted: Sequence[int]) -> dict[str, float]:
    """Weighted F1 (the challenge's metric), macro F1 and accuracy."""
    return {
        "weighted_f1": float(f1_score(truth, predicted, average="weighted", zero_division=0)),
        "macro_f1": float(f1_score(truth, predicted, average="macro", zero_division=0)),
        "accuracy": float(accuracy_score(truth, predicted)),
    }


def decision_scores(
    truth: Sequence[int], predicted: Sequence[int], automatic: NDArray[np.bool_]
) -> dict[str, float | None]:
    """Coverage (share answered automatically) and the precision of those answers."""
    correct = np.asarray(truth) == np.asarray(predicted)
    return {
        "coverage": float(automatic.mean()) if len(automatic) else 0.0,
        "auto_precision": float(correct[automatic].mean()) if automatic.any() else None,
    }


def per_class_scores(
    truth: Sequence[int], predicted: Sequence[int], names: dict[int, str]
) -> list[dict[str, Any]]:
    """Precision, recall, F1 and support of each type, most frequent first."""
    codes = sorted(set(truth) | set(predicted))
    columns = precision_recall_fscore_support(truth, predicted, labels=codes, zero_division=0)
    rows = [
        {
            "prdtypecode": code,
            "label": names.get(code, str(code)),
            "precision": round(float(precision), 4),
            "recall": round(float(recall), 4),
            "f1": round(float(f1), 4),
            "support": int(support),
        }
        for code, precision, recall, f1, support in zip(codes, *columns, strict=True)
    ]
    return sorted(rows, key=lambda row: -row["support"])


def confused_pairs(
    truth: Sequence[int], predicted: Sequence[int], *, top: int = 10
) -> list[dict[str, int]]:
    """The most frequent mistakes: actual type, predicted type, how often."""
    wrong = Counter(pair for pair in zip(truth, predicted, strict=True) if pair[0] != pair[1])
    ranked = sorted(wrong.items(), key=lambda item: (-item[1], item[0]))
    return [
        {"actual": actual, "predicted": answered, "count": count}
        for (actual, answered), count in ranked[:top]
    ]
