"""Scores: overall, per type, confusion, calibration and what the decision threshold gives."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.metrics import (
    accuracy_score,
    confusion_matrix,
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


def calibration_error(
    confidence: NDArray[np.float64], correct: NDArray[np.bool_], *, bins: int = 15
) -> float:
    """Expected calibration error over equal-mass bins (Nguyen and O'Connor, 2015)."""
    order = np.argsort(confidence, kind="stable")
    gaps = [
        abs(float(confidence[part].mean() - correct[part].mean())) * len(part)
        for part in np.array_split(order, bins)
        if len(part)
    ]
    return sum(gaps) / max(len(confidence), 1)


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
    codes = sorted(set(truth) | set(predicted))
    matrix = confusion_matrix(truth, predicted, labels=codes)
    np.fill_diagonal(matrix, 0)
    order = np.argsort(-matrix, axis=None, kind="stable")[:top]
    pairs = [divmod(int(position), len(codes)) for position in order]
    return [
        {"actual": codes[i], "predicted": codes[j], "count": int(matrix[i, j])}
        for i, j in pairs
        if matrix[i, j]
    ]


def draw_confusion(truth: Sequence[int], predicted: Sequence[int], names: dict[int, str]) -> Any:
    """Row-normalised confusion matrix as a matplotlib figure."""
    from matplotlib.figure import Figure

    codes = sorted(set(truth) | set(predicted))
    counts = confusion_matrix(truth, predicted, labels=codes)
    shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    side = 3.5 + 0.36 * len(codes)
    figure = Figure(figsize=(side + 2, side), layout="constrained")
    axes = figure.subplots()
    picture = axes.imshow(shares, cmap="Blues", vmin=0, vmax=1)
    labels = [f"{code} {names.get(code, '')}".strip() for code in codes]
    axes.set_xticks(range(len(codes)), [str(code) for code in codes], rotation=90, fontsize=8)
    axes.set_yticks(range(len(codes)), labels, fontsize=8)
    axes.set_xlabel("predicted type")
    axes.set_ylabel("actual type")
    axes.set_title("Held-out rows: share of each actual type, in per cent")
    for i, j in zip(*np.nonzero(np.round(shares * 100)), strict=True):
        colour = "white" if shares[i, j] > 0.5 else "black"
        axes.text(
            j, i, f"{shares[i, j] * 100:.0f}", ha="center", va="center", fontsize=7, color=colour
        )
    figure.colorbar(picture, ax=axes, shrink=0.7)
    return figure
